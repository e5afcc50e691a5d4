"""The byte stream of a port: whatever a cable delivers, messages come out or nothing does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.midi.messages import (
    ControlChange,
    NoteOff,
    NoteOn,
    Parser,
    ProgramChange,
    control_change,
    note,
)

sevens = st.sampled_from([0, 127]) | st.integers(0, 127)
channels = st.integers(1, 16)
# What a sender says, as (status without channel, data), and what it must be understood as.
spoken = st.one_of(
    st.builds(lambda c, n, v: (0xB0, c, (n, v), ControlChange(c, n, v)), channels, sevens, sevens),
    st.builds(
        lambda c, n, v: (0x90, c, (n, v), NoteOn(c, n, v) if v else NoteOff(c, n)),
        channels, sevens, sevens,
    ),
    st.builds(lambda c, n, v: (0x80, c, (n, v), NoteOff(c, n)), channels, sevens, sevens),
    st.builds(lambda c, n: (0xC0, c, (n,), ProgramChange(c, n)), channels, sevens),
    st.builds(lambda c, n: (0xD0, c, (n,), None), channels, sevens),
    st.builds(lambda c, n, v: (0xE0, c, (n, v), None), channels, sevens, sevens),
)  # fmt: skip
realtime_bytes = st.sampled_from([0xF8, 0xFA, 0xFB, 0xFC, 0xFE, 0xFF])


@given(st.lists(spoken, max_size=20), st.data())
def test_running_status_and_realtime_bytes_anywhere(said, data):
    """A sender may leave out a status that stays, and put clock ticks between any two bytes."""
    stream, running = [], None
    for status, channel, values, _ in said:
        byte = status | channel - 1
        if byte != running or data.draw(st.booleans()):
            stream.append(byte)
        running = byte
        stream += values
    ticks = data.draw(st.lists(realtime_bytes, min_size=len(stream), max_size=len(stream)))
    keep = data.draw(st.lists(st.booleans(), min_size=len(stream), max_size=len(stream)))
    ticked = [b for k, t, byte in zip(keep, ticks, stream, strict=True)
              for b in ([t] if k else []) + [byte]]  # fmt: skip
    parser = Parser()
    assert parser.feed(bytes(ticked)) == [m for *_, m in said if m is not None]
    assert parser.ignored == 0
    assert parser.messages == len(said) + sum(keep)


@settings(max_examples=300)
@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_any_bytes_in_any_pieces(stream, cuts):
    whole, pieces = Parser(), Parser()
    at = [0, *sorted(min(c, len(stream)) for c in cuts), len(stream)]
    parts = [pieces.feed(stream[a:b]) for a, b in pairwise(at)]
    assert [m for part in parts for m in part] == whole.feed(stream)
    assert (pieces.messages, pieces.ignored) == (whole.messages, whole.ignored)
    # Whatever came before, the next whole message is understood.
    assert whole.feed(control_change(3, 14, 99)) == [ControlChange(3, 14, 99)]


@given(st.binary(max_size=2_000))
def test_a_sysex_of_any_length_is_one_message_and_disturbs_nothing(body):
    body = bytes(b & 0x7F for b in body)
    parser = Parser()
    stream = b"\xf0" + body + b"\xf7" + note(1, 60, 100)
    assert parser.feed(stream) == [NoteOn(1, 60, 100)]
    assert (parser.messages, parser.ignored) == (2, 0)


def test_a_flood_of_sysex_keeps_nothing():
    parser = Parser()
    parser.feed(b"\xf0")
    for _ in range(100):
        parser.feed(bytes(10_000))
    assert not parser._data
    assert parser.feed(control_change(1, 7, 1)) == [ControlChange(1, 7, 1)]


@pytest.mark.parametrize(
    ("stream", "ignored"),
    [
        (b"\x10\x20", 2),  # data without a status
        (b"\xb0\x07\xb0\x07\x05", 1),  # cut off by its repetition
        (b"\xf4\xf5\xf9\xfd\xb0\x07\x05", 4),  # undefined
        (b"\xf7\xb0\x07\x05", 1),  # the end of a sysex that was not heard
        (b"\xf0\x01\x02\xb0\x07\x05", 1),  # a sysex that never ended
        (b"\xb0\x07\xf6\xb0\x07\x05", 1),  # cut off by a tune request
        (b"\xf2\x01\x02\x03\x04\xb0\x07\x05", 2),  # a song position ends running status
    ],
)
def test_what_means_nothing_is_counted(stream, ignored):
    parser = Parser()
    found = parser.feed(stream)
    assert found == ([ControlChange(1, 7, 5)] if b"\xb0" in stream else [])
    assert parser.ignored == ignored


def test_a_pulled_cable_forgets_running_status():
    parser = Parser()
    parser.feed(b"\xb0\x07")
    parser.reset()
    assert parser.feed(b"\x05\x06") == []
    assert parser.ignored == 3
