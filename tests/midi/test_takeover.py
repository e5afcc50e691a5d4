"""Takeover: a knob gets hold of its value, and the sound never leaps."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.midi.takeover import STEP, Takeover

positions = st.integers(0, 127).map(lambda v: v / 127.0)
units = st.floats(0.0, 1.0)


def play(mode: str, path: list[float], value: float) -> list[float]:
    """The value after every position of the knob."""
    knob, values = Takeover(mode), []
    for position in path:
        moved = knob.move(position, value)
        value = value if moved is None else moved
        values.append(value)
    return values


def turned(*ends: float) -> list[float]:
    """A knob turned from end to end, step by step of 7 bits."""
    path = [ends[0]]
    for start, stop in pairwise(ends):
        count = max(1, round(abs(stop - start) * 127))
        path += [start + (stop - start) * n / count for n in range(1, count + 1)]
    return path


@given(st.lists(positions, min_size=1), units)
def test_jump_is_where_the_knob_is(path, value):
    assert play("jump", path, value) == path


@given(st.sampled_from(["pickup", "scaled"]), st.lists(positions, min_size=1), units)
def test_the_sound_moves_no_more_than_the_hand(mode, path, value):
    """However wildly the knob is turned: pickup as far as the hand, scaled twice, and one step."""
    values = [value, *play(mode, path, value)]
    hand = [0.0, *(abs(b - a) for a, b in pairwise(path))]
    for moved, (a, b) in zip(hand, pairwise(values), strict=True):
        assert abs(b - a) <= (2.0 if mode == "scaled" else 1.0) * moved + STEP + 1e-9
        assert 0.0 <= b <= 1.0


@given(st.sampled_from(["pickup", "scaled"]), positions, units)
def test_the_first_touch_of_a_knob_is_no_leap(mode, position, value):
    moved = Takeover(mode).move(position, value)
    assert moved is None or abs(moved - value) <= STEP


@given(st.sampled_from(["pickup", "scaled"]), units, units, units)
def test_monotone_where_the_hand_is(mode, start, stop, value):
    path = turned(start, stop)
    values = [value, *play(mode, path, value)]
    sign = 1.0 if stop >= start else -1.0
    # Where they meet, the value takes the knob's place: less than a step, either way.
    assert all(sign * (b - a) >= -STEP - 1e-9 for a, b in pairwise(values))
    assert sum(sign * (b - a) < -1e-9 for a, b in pairwise(values)) <= 1


@given(st.sampled_from(["pickup", "scaled"]), units, units)
def test_once_over_the_whole_way_and_they_are_one(mode, start, value):
    path = turned(start, 1.0, 0.0, 0.4)
    assert play(mode, path, value)[-1] == pytest.approx(0.4)


@given(units, units, units)
def test_pickup_does_nothing_until_the_knob_is_there(start, stop, value):
    path = turned(start, stop)
    values = play("pickup", path, value)
    there = False
    for before, position, now in zip([path[0], *path], path, values, strict=False):
        between = min(before, position) - STEP <= value <= max(before, position) + STEP
        there = there or between
        if not there:
            assert now == value
    if min(start, stop) + 1e-9 < value < max(start, stop) - 1e-9:
        assert values[-1] == path[-1]


@given(units, st.floats(0.05, 0.95), st.floats(0.01, 0.99))
def test_scaled_moves_at_once_the_way_the_hand_turns(start, by, value):
    stop = min(1.0, max(0.0, start + by - 0.5))
    values = play("scaled", turned(start, stop), value)
    if abs(stop - start) > 3 * STEP and abs(start - value) > 3 * STEP:
        assert (values[-1] - value) * (stop - start) > 0.0


def test_scaled_gets_to_the_end_with_the_knob():
    values = play("scaled", turned(0.5, 0.0), 0.7)
    assert values[-1] == pytest.approx(0.0)
    halfway = play("scaled", turned(0.5, 0.25), 0.7)
    assert halfway[-1] == pytest.approx(0.35, abs=STEP)


@given(st.sampled_from(["pickup", "scaled"]), units)
def test_a_held_knob_lets_go_when_something_else_moves_the_value(mode, other):
    knob, value = Takeover(mode), 0.5
    value = knob.move(0.5, value)
    assert value == 0.5
    moved = knob.move(0.5 + STEP / 2, other)
    assert moved is None or abs(moved - other) <= 2.0 * STEP


@pytest.mark.parametrize("mode", ["pickup", "scaled"])
def test_a_knob_that_stands_at_the_value_has_it(mode):
    """Brought there by chance or by its motor, to within a step: then it may be turned fast."""
    knob = Takeover(mode)
    knob.move(0.5 + STEP / 2, 0.1)
    assert knob.move(0.9, 0.5) == 0.9


def test_waiting_says_where_the_knob_stands():
    knob = Takeover("pickup")
    assert knob.waiting(0.5) is None
    knob.move(0.1, 0.5)
    assert knob.waiting(0.5) == 0.1
    assert knob.waiting(0.1 + STEP / 2) is None
    knob.move(0.7, 0.5)
    assert knob.waiting(0.7) is None
    assert Takeover("jump").waiting(0.5) is None
