"""Port names as the systems give them: matched, kept over a replug, and paired."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.midi.port_names import is_copy, is_own, lasting, output_of, wanted

names = st.text(max_size=40)


@pytest.mark.parametrize(
    ("system", "before", "after"),
    [
        ("alsa", "nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0", "nanoKONTROL2:nanoKONTROL2 MIDI 1 28:0"),
        ("winmm", "nanoKONTROL2 0", "nanoKONTROL2 3"),
        ("core", "nanoKONTROL2 SLIDER/KNOB", "nanoKONTROL2 SLIDER/KNOB"),
        ("jack", "nano:out", "nano:out"),
    ],
)
def test_a_replug_leaves_the_name(system: str, before: str, after: str) -> None:
    assert lasting(before, system) == lasting(after, system)


@pytest.mark.parametrize(
    ("system", "one", "other"),
    [
        ("alsa", "MidiSport:MidiSport MIDI 1 20:0", "MidiSport:MidiSport MIDI 2 20:1"),
        ("core", "MIDI 1", "MIDI 2"),
        ("jack", "fader:out 1", "fader:out 2"),
    ],
)
def test_two_ports_keep_two_names(system: str, one: str, other: str) -> None:
    assert lasting(one, system) != lasting(other, system)


@given(name=names, start=st.integers(0, 40), size=st.integers(1, 40))
def test_any_part_of_a_name_in_any_case_means_it(name: str, start: int, size: int) -> None:
    part = name[start : start + size]
    if part.upper().casefold() == part.casefold() and part.casefold() in name.casefold():
        assert wanted(name, [part.upper()])
    assert wanted(name, ["no such thing", name])
    assert not wanted(name, [])
    assert not wanted(name, [name + "x"])


def test_auto_means_devices() -> None:
    assert wanted("nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0", None)
    assert not wanted("Midi Through:Midi Through Port-0 14:0", None)
    assert wanted("Midi Through:Midi Through Port-0 14:0", ["through"])
    assert not wanted("VMPK Output:out 128:0", None) and wanted("VMPK Output:out 128:0", ["vmpk"])
    assert is_own("afx-live-midi-02:afx-live", "afx-live") and not is_own("nano:out", "afx-live")
    for copy in ("a2j:nano [20] (capture): x", "Midi-Bridge:nano (capture)", "system:midi_capture"):
        assert is_copy(copy), copy
    assert not is_copy("nano:out") and not is_copy("system:capture_1")


@pytest.mark.parametrize(
    ("system", "inputs", "outputs", "pairs"),
    [
        ("alsa", ["X:X MIDI 1 20:0", "X:X MIDI 1 24:0"], ["Y:Y 16:0", "X:X MIDI 1 24:0"],
         [None, "X:X MIDI 1 24:0"]),
        ("core", ["nanoKONTROL2 SLIDER/KNOB", "K"], ["nanoKONTROL2 CTRL"],
         ["nanoKONTROL2 CTRL", None]),
        ("jack", ["fader:out", "pad:midi_out"], ["pad-01:midi_in", "fader-01:in"],
         ["fader-01:in", "pad-01:midi_in"]),
        ("jack", ["a2j:nano [20] (capture): MIDI 1"], ["a2j:nano [20] (playback): MIDI 1"],
         ["a2j:nano [20] (playback): MIDI 1"]),
        ("winmm", ["MIDIIN2 (BCR2000) 0", "BCR2000 1", "BCR2000 2"],
         ["Microsoft GS 0", "BCR2000 1", "MIDIOUT2 (BCR2000) 2", "BCR2000 3"],
         ["MIDIOUT2 (BCR2000) 2", "BCR2000 1", "BCR2000 3"]),
    ],
)  # fmt: skip
def test_feedback_goes_to_the_same_device(
    system: str, inputs: list[str], outputs: list[str], pairs: list[str | None]
) -> None:
    assert [output_of(name, inputs, outputs, system) for name in inputs] == pairs


@given(
    inputs=st.lists(names, min_size=1, unique=True),
    outputs=st.lists(names, unique=True),
    system=st.sampled_from(["alsa", "jack", "core", "winmm"]),
)
def test_no_two_inputs_share_an_output(inputs: list[str], outputs: list[str], system: str) -> None:
    found = [output_of(name, inputs, outputs, system) for name in inputs]
    given_out = [name for name in found if name is not None]
    assert set(given_out) <= set(outputs)
    assert len(set(given_out)) == len(given_out)
