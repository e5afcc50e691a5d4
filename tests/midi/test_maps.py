"""MIDI maps: files in and out, what is refused and how, the maps that come with the player."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.midi import MidiError
from realtime.midi.mapping import MapControl, MapError, MidiMap, default_map
from realtime.midi.maps import (
    FACTORY,
    factory_maps,
    load_map,
    map_to_toml,
    read_map,
    save_map,
)
from realtime.params import TABLE
from realtime.targets import ACTIONS, BUTTONS, VALUES
from realtime.user_files import user_folder


def error_of(call, *args) -> str:
    with pytest.raises(MidiError) as caught:
        call(*args)
    message = str(caught.value)
    assert message and len(message.splitlines()) == 1 and len(message) < 400
    return message


def one(*lines: str) -> str:
    return "[[control]]\n" + "\n".join(lines) + "\n"


# --- positions and values --------------------------------------------------------------------
@given(st.sampled_from(sorted(VALUES)), st.data())
def test_a_part_of_the_range_either_way_round(target, data):
    param = VALUES[target]
    ends = st.floats(0.0, 1.0).map(param.from_unit)
    low, high = data.draw(st.tuples(ends, ends).filter(lambda e: abs(
        param.to_unit(e[0]) - param.to_unit(e[1])) > 1e-3))  # fmt: skip
    knob = MapControl(target, "cc", 1, minimum=low, maximum=high)
    assert math.isclose(knob.to_value(0.0), low, rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(knob.to_value(1.0), high, rel_tol=1e-9, abs_tol=1e-9)
    at = data.draw(st.floats(0.0, 1.0))
    value = knob.to_value(at)
    slack = 1e-9 * (abs(low) + abs(high))
    assert min(low, high) - slack <= value <= max(low, high) + slack
    assert math.isclose(knob.to_position(value), at, abs_tol=1e-6)
    assert 0.0 <= knob.to_position(param.minimum) <= 1.0
    if param.taper == "log":
        assert math.isclose(knob.to_value(0.5), math.sqrt(low * high), rel_tol=1e-9)


# --- without a file --------------------------------------------------------------------------
def test_without_a_file_the_tables_numbers_are_the_map():
    plain = load_map(None)
    for param in TABLE:
        assert plain.find("cc", 5, param.cc).target == param.id
        assert plain.find("nrpn", 16, param.cc).target == param.id
        assert plain.bits("cc", 1, param.cc) == 7
        assert plain.bits("nrpn", 1, param.cc) == 14
    for action in ACTIONS:
        assert plain.find("cc", 1, action.cc).target == action.id
    assert plain.find("cc", 1, 127) is None and plain.bits("cc", 1, 127) == 0


# --- files -----------------------------------------------------------------------------------
some_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
some_channel = st.none() | st.integers(1, 16)


@st.composite
def some_controls(draw) -> MapControl:
    kind = draw(st.sampled_from(["cc", "note", "nrpn", "program"]))
    number = draw(st.integers(0, 16_382 if kind == "nrpn" else 127))
    channel, feedback = draw(some_channel), draw(st.sampled_from([None, True, False]))
    bits = draw(st.sampled_from([7, 14])) if kind == "cc" and number < 32 else 7
    target = draw(st.sampled_from([*VALUES, *BUTTONS]))
    more = {}
    if target in VALUES:
        within = st.floats(VALUES[target].minimum, VALUES[target].maximum)
        more["on"] = draw(st.none() | within)
        if kind in ("cc", "nrpn") and more["on"] is None:
            more["takeover"] = draw(st.sampled_from([None, "jump", "pickup", "scaled"]))
            more["minimum"] = VALUES[target].minimum if draw(st.booleans()) else None
    return MapControl(target, kind, number, channel, bits, feedback=feedback, **more)


@st.composite
def some_maps(draw) -> MidiMap:
    empty = MidiMap(
        draw(some_text), (), draw(some_text), draw(some_channel),
        draw(st.sampled_from(["jump", "pickup", "scaled"])),
    )  # fmt: skip
    controls: list[MapControl] = []
    for control in draw(st.lists(some_controls(), max_size=8)):
        if not empty.clashes(control, controls):
            controls.append(control)
    return replace(empty, controls=tuple(controls))


@given(some_maps())
def test_toml_and_back(midi_map):
    text = map_to_toml(midi_map)
    assert read_map(text) == midi_map
    assert map_to_toml(read_map(text)) == text


@settings(max_examples=200)
@given(st.lists(some_controls(), max_size=6), some_channel, st.integers(1, 16))
def test_no_message_means_two_things(controls, map_channel, channel):
    """Either a map is refused, or every message on every channel finds at most one control."""
    try:
        midi_map = MidiMap("", tuple(controls), channel=map_channel)
    except MapError:
        assert len(controls) > 1
        return
    for a, b in combinations(midi_map.controls, 2):
        both = midi_map.heard(a) in (None, channel) and midi_map.heard(b) in (None, channel)
        assert not (both and (a.kind, a.number) == (b.kind, b.number))
        fine = {c.number + 32 for c in (a, b) if c.bits == 14}
        assert not (both and a.kind == b.kind == "cc" and fine & {a.number, b.number})


@settings(max_examples=300)
@given(st.text(max_size=100) | st.lists(st.sampled_from([
    "[[control]]", "target", "cc", "nrpn", "=", "=", "\n", "\n", '"amount"', '"bypass"', "1", "40",
    "0x" + "f" * 5_000, "-1", "nan", "inf", "true", "[", "]", "{", "}", ",", "channel", "bits",
    "on", "minimum", "1979-05-27", "format", "name", "takeover", '"jump"', "feedback"],
), max_size=25).map(" ".join))  # fmt: skip
def test_any_text_is_a_map_or_one_line(text):
    try:
        read_map(text)
    except MapError as error:
        assert len(str(error).splitlines()) == 1 and len(str(error)) < 400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 1\nname = \n", "line 2"),
        ("format = 2\n", "format"),
        ("colour = 1\n", "colour"),
        ("name = 3\n", "name"),
        ("channel = 17\n", "channel is 17"),
        ("takeover = 'grab'\n", "grab"),
        ("control = 3\n", "[[control]]"),
        ("control = [3]\n", "control 1"),
        (one("cc = 3"), "no target"),
        (one("target = 'amount'"), "cc, note, nrpn, program"),
        (one("target = 'amount'", "cc = 1", "note = 1"), "not 2"),
        (one("target = 'comp.ration'", "cc = 1"), "comp.ratio"),
        (one("target = 3", "cc = 1"), "unknown target 3"),
        (one("target = 'amount'", "cc = 128"), "cc is 128, outside 0..127"),
        (one("target = 'amount'", "cc = -1"), "cc"),
        (one("target = 'amount'", "cc = 1.5"), "1.5"),
        (one("target = 'amount'", "cc = true"), "True"),
        (one("target = 'amount'", "nrpn = 16383"), "nrpn"),
        (one("target = 'amount'", "cc = 1", "channel = 0"), "channel"),
        (one("target = 'amount'", "cc = 1", "bits = 8"), "bits"),
        (one("target = 'amount'", "cc = 40", "bits = 14"), "bits"),
        (one("target = 'amount'", "note = 4", "bits = 14"), "bits"),
        (one("target = 'amount'", "cc = 1", "minimum = 3"), "minimum is 3, outside 0..1.5"),
        (one("target = 'amount'", "cc = 1", "minimum = 1", "maximum = 1.0"), "one value"),
        (one("target = 'amount'", "note = 1", "minimum = 1"), "minimum"),
        (one("target = 'bypass'", "cc = 1", "on = 1"), "on"),
        (one("target = 'bypass'", "cc = 1", "takeover = 'jump'"), "takeover"),
        (one("target = 'amount'", "note = 1", "on = 'yes'"), "on is 'yes'"),
        (one("target = 'amount'", "note = 1", "on = nan"), "on is nan"),
        (one("target = 'amount'", "cc = 1", "feedback = 1"), "feedback"),
        (one("target = 'amount'", "cc = 1", "taper = 'log'"), "taper"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(text, said):
    assert said in error_of(read_map, text)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cc = 5", "cc = 5"),
        ("cc = 5\nchannel = 3", "cc = 5"),
        ("note = 5", "note = 5\nchannel = 16"),
        ("cc = 5\nbits = 14", "cc = 37"),
        ("cc = 37", "cc = 5\nbits = 14"),
        ("nrpn = 700", "cc = 6"),
        ("cc = 99", "nrpn = 700"),
        ("cc = 6\nbits = 14", "nrpn = 700"),
    ],
)
def test_two_controls_on_one_message_are_refused_by_line_and_names(first, second):
    text = one("target = 'comp.ratio'", first) + one("target = 'bypass'", second)
    text = text if "bits" not in second else text.replace("'bypass'", "'amount'")
    message = error_of(read_map, text)
    line = 1 + text.splitlines().index("[[control]]", 1)
    assert f"line {line}, control 2" in message and "comp.ratio" in message


def test_the_same_message_on_two_channels_is_two_controls():
    text = one("target = 'amount'", "cc = 5", "channel = 1") + one(
        "target = 'morph'", "cc = 5", "channel = 2"
    )
    midi_map = read_map(text)
    assert midi_map.find("cc", 1, 5).target == "amount"
    assert midi_map.find("cc", 2, 5).target == "morph"
    assert midi_map.find("cc", 3, 5) is None
    filtered = replace(default_map(), channel=4)
    assert filtered.find("cc", 4, 7) and not filtered.find("cc", 5, 7)


# --- by name and by path ---------------------------------------------------------------------
def test_load_says_which_file_and_what(tmp_path):
    missing, binary, broken = (tmp_path / name for name in ("no.toml", "b.toml", "c.toml"))
    binary.write_bytes(b"\xff\xfe\x00")
    broken.write_text(one("target = 'comp.ratio'", "cc = 128"))
    assert str(missing) in error_of(load_map, str(missing))
    assert str(binary) in error_of(load_map, str(binary))
    assert str(tmp_path) in error_of(load_map, str(tmp_path))
    message = error_of(load_map, str(broken))
    assert str(broken) in message and "comp.ratio" in message and "128" in message
    assert "korg-nanokontrol2" in error_of(load_map, "nanocontrol")


def test_saved_beside_a_persons_own_and_found_before_the_factorys(tmp_path):
    learned = replace(load_map("akai-lpd8"), controls=(MapControl("amount", "cc", 3),))
    saved = save_map(learned)
    assert saved.path == user_folder("midi") / "akai-lpd8.toml"
    assert load_map("akai-lpd8").controls == learned.controls
    assert len(read_map((FACTORY / "akai-lpd8.toml").read_text()).controls) > 1
    save_map(replace(default_map(), controls=learned.controls))
    assert load_map(None).controls == load_map("default").controls == learned.controls
    own = tmp_path / "stage.toml"
    own.write_text(one("target = 'amount'", "cc = 1"))
    save_map(replace(load_map(str(own)), controls=learned.controls))
    assert load_map(str(own)).controls == learned.controls
    assert sorted(os.listdir(user_folder("midi"))) == ["akai-lpd8.toml", "default.toml"]


def test_a_map_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "config").write_text("a file where a folder should be")
    assert "default" in error_of(save_map, default_map())


# --- what comes with the player --------------------------------------------------------------
@pytest.mark.parametrize("name", factory_maps())
def test_factory_maps_load_and_reach_what_matters_on_stage(name):
    midi_map = load_map(name)
    assert midi_map.name == name and midi_map.description
    targets = {control.target for control in midi_map.controls}
    assert {"amount", "morph", "output.gain_db", "bypass", "capture", "predict", "panic"} <= targets
    assert {"next", "previous", "revert", "save"} <= targets
    text = (FACTORY / f"{name}.toml").read_text()
    assert "Source:" in text or name.startswith("generic")
    assert map_to_toml(midi_map) == map_to_toml(read_map(text))


def test_there_is_a_map_for_eight_knobs_and_for_controllers_that_people_own():
    assert {
        "generic-eight-knobs",
        "korg-nanokontrol2",
        "akai-mpk-mini-mk3",
        "akai-lpd8",
        "novation-launch-control-xl",
        "behringer-x-touch-mini",
    } <= {*factory_maps()}


def test_the_example_that_explains_the_format_is_a_map():
    text = (FACTORY.parent / "README.md").read_text(encoding="utf-8")
    example = text.split("## midi/")[1].split("```toml\n")[1].split("```")[0]
    kinds = [(c.kind, c.is_knob) for c in read_map(example).controls]
    assert kinds == [
        ("cc", True), ("cc", True), ("nrpn", True), ("note", False), ("cc", False),
        ("program", False),
    ]  # fmt: skip


def charts() -> dict[str, set[tuple[str, int]]]:
    """What the makers' charts say that each controller sends, as delivered."""
    return {
        "akai-mpk-mini-mk3": {("cc", n) for n in range(70, 78)}
        | {("note", n) for n in range(36, 52)},
        "akai-lpd8": {("cc", n) for n in range(1, 9)} | {("note", n) for n in range(36, 44)},
        "korg-nanokontrol2": {
            ("cc", n)
            for span in ((0, 8), (16, 24), (32, 40), (41, 47), (48, 56), (58, 63), (64, 72))
            for n in range(*span)
        },
        "novation-launch-control-xl": {
            ("cc", n)
            for span in ((13, 21), (29, 37), (49, 57), (77, 85), (104, 108))
            for n in range(*span)
        }
        | {
            ("note", n)
            for span in ((41, 45), (57, 61), (73, 77), (89, 93), (105, 109))
            for n in range(*span)
        },
        "behringer-x-touch-mini": {("cc", n) for n in (*range(1, 11), *range(11, 19))}
        | {("note", n) for n in range(48)},
    }


@pytest.mark.parametrize("name", sorted(charts()))
def test_every_control_of_a_factory_map_is_one_that_its_controller_has(name):
    sends = charts()[name]
    assert {(c.kind, c.number) for c in load_map(name).controls} <= sends
