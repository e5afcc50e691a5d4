"""Choosing a device: what a person types finds the one it means, or a line that helps."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.audio_io import AudioDeviceError, Device, find_device

CARDS = [
    Device(0, "HDA Intel PCH: ALC257 (hw:0,0)", "ALSA", 2, 2, 44_100, False, False),
    Device(1, "Scarlett 2i2 USB: Audio (hw:1,0)", "ALSA", 2, 4, 48_000, False, False),
    Device(2, "default", "ALSA", 32, 32, 44_100, True, True),
    Device(3, "HDMI 0", "ALSA", 0, 8, 44_100, False, False),
    Device(4, "system", "JACK Audio Connection Kit", 2, 2, 48_000, False, False),
    Device(5, "Speakers", "MME", 0, 2, 44_100, False, False),
    Device(6, "Speakers", "Windows WASAPI", 0, 2, 48_000, False, False),
]


@pytest.mark.parametrize(("query", "kind", "index"), [
    ("scarlett", "input", 1),
    ("SCARLETT 2i2", "output", 1),
    (" 4 ", "input", 4),
    ("default", "output", 2),
    (None, "input", 2),
    ("system, JACK Audio Connection Kit", "input", 4),
    ("speakers, windows wasapi", "output", 6),
    ("wasapi", "output", 6),
    ("hw:1,0", "input", 1),
])  # fmt: skip
def test_what_a_person_types_finds_the_device(query: str | None, kind: str, index: int) -> None:
    assert find_device(CARDS, query, kind).index == index


@pytest.mark.parametrize(("query", "kind", "words"), [
    ("speakers", "output", "fits several; choose from 5: Speakers, MME; 6: Speakers, Windows"),
    ("hdmi", "input", "unknown input device"),
    ("3", "input", "has no input"),
    ("7", "output", "no device 7"),
    ("theremin", "input", "unknown input device 'theremin'; choose from 0:"),
])  # fmt: skip
def test_what_fits_nothing_or_several_is_refused(query: str, kind: str, words: str) -> None:
    with pytest.raises(AudioDeviceError, match=words) as caught:
        find_device(CARDS, query, kind)
    assert "\n" not in str(caught.value)


def test_no_device_at_all_says_what_to_look_at() -> None:
    with pytest.raises(AudioDeviceError, match="plugged in"):
        find_device([], None, "input")


def test_without_a_default_the_first_that_can_is_taken() -> None:
    assert find_device(CARDS[3:5], None, "input").index == 4


@given(query=st.text(max_size=20), kind=st.sampled_from(["input", "output"]))
def test_any_text_finds_one_or_is_refused(query: str, kind: str) -> None:
    try:
        device = find_device(CARDS, query, kind)
    except AudioDeviceError as error:
        assert repr(query)[:1] in str(error) or query.strip() in str(error)
    else:
        assert device.inputs if kind == "input" else device.outputs
        asked = query.strip().casefold()
        assert asked in device.full_name.casefold() or int(asked) == device.index
