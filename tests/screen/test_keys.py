"""Keys from bytes, in whatever pieces they come."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.screen.hands import BINDINGS
from realtime.screen.keys import KeyParser

# What terminals send: xterm, its application mode, the Linux console, rxvt.
SENT = {
    b"\x1b[A": "up", b"\x1bOA": "up", b"\x1b[B": "down", b"\x1bOB": "down",
    b"\x1b[C": "right", b"\x1b[D": "left", b"\x1b[1;2C": "shift-right", b"\x1b[1;2D": "shift-left",
    b"\x1b[Z": "shift-tab", b"\t": "tab", b"\r": "enter", b"\n": "enter",
    b"\x1b[5~": "page-up", b"\x1b[6~": "page-down", b"\x1b[H": "home", b"\x1b[1~": "home",
    b"q": "q", b" ": " ", b"?": "?", "ü".encode(): "ü", "€".encode(): "€",
}  # fmt: skip
# Function keys, Insert, Delete, Ctrl and Alt with something, a mouse, a report: no keys of ours.
UNKNOWN = (
    b"\x1b[15~", b"\x1bOP", b"\x1b[[A", b"\x1b[2~", b"\x1b[3~", b"\x1b[1;5C", b"\x1bb",
    b"\x1b[<0;3;4M", b"\x1b[?62;4c", b"\x01", b"\x7f", b"\x1b[1;2A\x00",
)  # fmt: skip


def keys_of(*pieces: bytes) -> list[str]:
    parser = KeyParser()
    found = [key for piece in pieces for key in parser.feed(piece)]
    return found + parser.timed_out()


@pytest.mark.parametrize("sequence", UNKNOWN)
def test_what_is_no_key_does_nothing_and_lets_the_next_through(sequence: bytes) -> None:
    assert keys_of(sequence + b"b") == ["b"]


@given(st.lists(st.sampled_from([*SENT, *UNKNOWN]), max_size=12), st.data())
def test_however_the_bytes_are_cut_the_keys_are_the_same(
    sequences: list[bytes], data: st.DataObject
) -> None:
    sent = b"".join(sequences)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=8)))
    pieces = [sent[a:b] for a, b in itertools.pairwise([0, *cuts, len(sent)])]
    assert keys_of(*pieces) == [SENT[s] for s in sequences if s in SENT]


@given(st.lists(st.binary(max_size=40), max_size=10))
def test_no_bytes_break_it(pieces: list[bytes]) -> None:
    parser = KeyParser()
    for piece in pieces:
        parser.feed(piece)
    parser.timed_out()
    assert not parser.pending
    assert parser.feed(b" \x1b[A") == [" ", "up"]


def test_escape_is_a_key_when_nothing_follows() -> None:
    parser = KeyParser()
    assert parser.feed(b"\x1b") == [] and parser.pending
    assert parser.timed_out() == ["escape"] and not parser.pending
    assert parser.feed(b"\x1b\x1b[A") == ["escape", "up"]


def test_a_sequence_torn_by_a_slow_line_does_nothing() -> None:
    bound = {key for binding in BINDINGS for key in binding.keys}
    for sequence in SENT:
        if sequence.startswith(b"\x1b"):
            for at in range(2, len(sequence)):
                parser = KeyParser()
                torn = parser.feed(sequence[:at]) + parser.timed_out() + parser.feed(sequence[at:])
                assert not bound.intersection(torn), sequence
            leftover = KeyParser().feed(sequence[1:])  # after a lone escape, which does no harm
            assert not bound.intersection(leftover), sequence
