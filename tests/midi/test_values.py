"""Positions of knobs: 7 and 14 bits, NRPN, banks, as senders of every habit send them."""

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
)
from realtime.midi.values import Decoder, Moved, Program, Stepped, from_unit, to_unit

STEP_7 = 1.0 / 126.0  # the widest step of a 7-bit knob


def decoder(*fine: int, nrpn: tuple[int, ...] = (), plain: tuple[int, ...] = ()) -> Decoder:
    """A decoder for a map with these 14-bit CCs, NRPNs and plain CCs."""

    def bits(kind: str, channel: int, number: int) -> int:
        if kind == "nrpn":
            return 14 if number in nrpn else 0
        return 14 if number in fine else 7 if number in plain else 0

    return Decoder(bits)


def send(to: Decoder, *said: tuple[int, int], at: float = 0.0, channel: int = 1) -> list:
    """The events of these (CC, value), all at one time."""
    return [
        event
        for number, value in said
        for event in to.feed(ControlChange(channel, number, value), at)
    ]


# --- positions -------------------------------------------------------------------------------
@pytest.mark.parametrize("bits", [7, 14])
def test_the_ends_are_reached_and_the_middle_is_the_middle(bits):
    top = 2**bits - 1
    assert [to_unit(v, bits) for v in (0, 2 ** (bits - 1), top)] == [0.0, 0.5, 1.0]
    positions = [to_unit(v, bits) for v in range(top + 1)]
    assert all(a < b for a, b in pairwise(positions))
    assert max(abs(p - v / top) for v, p in enumerate(positions)) < 0.6 / top
    assert [from_unit(p, bits) for p in positions] == list(range(top + 1))


@given(st.floats(0.0, 1.0))
def test_the_nearest_value_is_sent_back(unit):
    for bits in (7, 14):
        value = from_unit(unit, bits)
        assert 0 <= value < 2**bits
        assert abs(to_unit(value, bits) - unit) <= 0.5 / (2**bits - 2) + 1e-12


# --- 14 bits ---------------------------------------------------------------------------------
def both(value: int) -> list[tuple[int, int]]:
    return [(7, value >> 7), (39, value & 127)]


def fine_first(value: int) -> list[tuple[int, int]]:
    return both(value)[::-1]


def sweep(values: list[int], habit: str) -> list[list[tuple[int, int]]]:
    """What a sender of this habit says for each value."""
    said, before = [], None
    for value in values:
        pair = both(value)
        if habit == "fine first":
            pair = fine_first(value)
        elif habit == "only what changed" and before is not None:
            pair = [p for p, q in zip(pair, both(before), strict=True) if p != q]
        said.append(pair)
        before = value
    return said


some_sweeps = st.tuples(
    st.integers(0, 16_383), st.lists(st.integers(1, 400), min_size=1, max_size=60), st.booleans()
)


@settings(max_examples=200)
@given(some_sweeps, st.sampled_from(["both", "fine first"]), st.floats(0.001, 1.0))
def test_a_14_bit_sweep_never_goes_back(moves, habit, pause):
    """Whichever half comes first, and however fast: no jump of a coarse step there and back."""
    start, steps, down = moves
    values = [start]
    for step in steps:
        values.append(max(0, values[-1] - step) if down else min(16_383, values[-1] + step))
    hands, positions, time = decoder(7), [], 0.0
    first, *rest = sweep(values, habit)
    for said in (first, *rest):
        time += pause
        positions += [e.position for e in hands.settle(time - 1e-6)]
        positions += [e.position for e in send(hands, *said, at=time)]
        if said is first:
            positions = positions[-1:]  # before the first whole value nothing is known
    end = positions[-1]
    if down:
        positions = [-p for p in positions]
    assert all(a <= b for a, b in pairwise(positions))
    assert end == to_unit(values[-1], 14)


@given(some_sweeps)
def test_a_sender_that_repeats_only_what_changed_arrives(moves):
    start, steps, down = moves
    values = [start]
    for step in steps:
        values.append(max(0, values[-1] - step) if down else min(16_383, values[-1] + step))
    hands = decoder(7)
    for n, said in enumerate(sweep(values, "only what changed")):
        events = send(hands, *said, at=0.01 * n)
        if events and len(said) == 2:
            assert events[-1].position == to_unit(values[n], 14)
        elif events:
            assert abs(events[-1].position - to_unit(values[n], 14)) <= STEP_7


def test_a_sender_that_changes_its_habit_is_followed():
    """Another controller on the same cable: fine half first, then only the fine half."""
    hands = decoder(7)
    send(hands, *fine_first(1_000))
    assert send(hands, (39, 100), at=1.0) == []
    assert hands.settle(1.05) == [Moved("cc", 1, 7, to_unit(1_000 // 128 * 128 + 100, 14))]
    (moved,) = send(hands, (39, 101), at=1.1)
    assert moved.position == to_unit(1_000 // 128 * 128 + 101, 14)


def test_the_coarse_half_moves_at_once():
    hands = decoder(7)
    send(hands, *both(8_192))
    (moved,) = send(hands, (7, 80), at=1.0)
    assert abs(moved.position - 80 / 127) < 2 * STEP_7


def test_a_coarse_half_alone_ends_at_fine_0():
    """MIDI 1.0: so a sender that leaves out a fine half of 0 gets its knob to the very bottom."""
    hands = decoder(7)
    send(hands, *both(200))
    (moved,) = send(hands, (7, 0), at=1.0)
    assert 0.0 < moved.position < STEP_7
    assert hands.settle(1.01) == []
    assert hands.settle(1.05) == [Moved("cc", 1, 7, 0.0)]
    assert hands.settle(2.0) == []


def test_a_7_bit_knob_on_a_14_bit_control_reaches_both_ends():
    hands = decoder(7)
    moved = [send(hands, (7, value), at=0.01 * value)[0].position for value in range(128)]
    assert moved == [to_unit(value, 7) for value in range(128)]
    assert hands.settle(9.0) == []


def test_cc_32_to_63_are_controls_of_their_own_where_no_map_pairs_them():
    hands = decoder(7, plain=(40,))
    assert send(hands, (40, 64)) == [Moved("cc", 1, 40, 0.5)]
    assert send(hands, (41, 127)) == [Moved("cc", 1, 41, 1.0)]


def test_channels_are_apart():
    hands = decoder(7)
    send(hands, *both(16_383), channel=1)
    (moved,) = send(hands, (7, 0), channel=2)
    assert moved == Moved("cc", 2, 7, 0.0)
    (moved,) = send(hands, (39, 127), channel=1)
    assert moved.position == 1.0


# --- parameter numbers -----------------------------------------------------------------------
def select(number: int) -> list[tuple[int, int]]:
    return [(99, number >> 7), (98, number & 127)]


@given(st.integers(0, 16_382), st.integers(0, 16_383), st.booleans())
def test_nrpn(number, value, low_first):
    hands = decoder(nrpn=(number,))
    assert send(hands, *(select(number)[::-1] if low_first else select(number))) == []
    events = send(hands, (6, value >> 7), (38, value & 127))
    assert events[-1] == Moved("nrpn", 1, number, to_unit(value, 14))


def test_nrpn_stays_selected_counts_up_and_down_and_ends():
    hands = decoder(nrpn=(300, 301))
    send(hands, *select(300))
    assert send(hands, (6, 64)) == [Moved("nrpn", 1, 300, 0.5)]
    assert send(hands, (6, 127)) == [Moved("nrpn", 1, 300, 1.0)]
    assert send(hands, (96, 0), (97, 0)) == [Stepped(1, 300, 1), Stepped(1, 300, -1)]
    send(hands, (98, 301 & 127))  # only the half that changes
    assert send(hands, (6, 0)) == [Moved("nrpn", 1, 301, 0.0)]
    send(hands, (99, 127), (98, 127))
    assert send(hands, (6, 1), (38, 1), (96, 1), (97, 1)) == []
    send(hands, *select(300))
    assert send(hands, (6, 1), channel=2) == []
    send(hands, (101, 0), (100, 0))  # a registered number: pitch bend range
    assert send(hands, (6, 2), (38, 0), (96, 0)) == []


def test_half_a_number_selects_nothing():
    for half in (98, 99):
        hands = decoder(nrpn=(0,))
        assert send(hands, (half, 0), (6, 5), (96, 0)) == []


def test_a_map_may_have_plain_controls_where_parameter_numbers_and_banks_are():
    numbers = (0, 6, 32, 38, 96, 97, 98, 99, 100, 101)
    hands = decoder(plain=numbers)
    for number in numbers:
        assert send(hands, (number, 127)) == [Moved("cc", 1, number, 1.0)]
    assert hands.feed(ProgramChange(1, 5), 0.0) == [Program(1, 0, 5)]


# --- programs and notes ----------------------------------------------------------------------
@given(st.integers(0, 127), st.integers(0, 127), st.integers(0, 127))
def test_bank_and_program(coarse, fine, number):
    hands = decoder()
    assert send(hands, (0, coarse), (32, fine), channel=4) == []
    assert hands.feed(ProgramChange(4, number), 0.0) == [Program(4, coarse * 128 + fine, number)]
    assert hands.feed(ProgramChange(4, 0), 0.0) == [Program(4, coarse * 128 + fine, 0)]
    assert hands.feed(ProgramChange(5, number), 0.0) == [Program(5, 0, number)]


def test_notes_pass():
    hands = decoder()
    for message in (NoteOn(1, 60, 3), NoteOff(1, 60)):
        assert hands.feed(message, 0.0) == [message]


@settings(max_examples=200)
@given(st.binary(max_size=300))
def test_any_bytes_give_positions_between_0_and_1(stream):
    hands, parser = decoder(0, 6, 7, nrpn=(0, 1, 129), plain=(32,)), Parser()
    for n, message in enumerate(parser.feed(bytes(b % 0xC0 for b in stream))):
        for event in [*hands.feed(message, 0.02 * n), *hands.settle(0.02 * n)]:
            if isinstance(event, Moved):
                assert 0.0 <= event.position <= 1.0
