"""A plugin's parameter goes from the plugin's normalised value to a plain one and back."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from realtime.plugins.setting import POINTS, SLOTS, PluginParam

UNIT = st.floats(0.0, 1.0, allow_nan=False)
STEPS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=12)


def param(start: float, steps: list[float], rising: bool) -> PluginParam:
    plains = list(itertools.accumulate(steps, initial=start))
    if not rising:
        plains.reverse()
    units = tuple(i / len(steps) for i in range(len(plains)))
    return PluginParam(
        "comp.threshold", "dB", min(plains), max(plains), plains[0], plains[0], "linear", 20.0, 0,
        "", index=3, units=units, plains=tuple(plains),
    )  # fmt: skip


@given(st.floats(-100.0, 100.0), STEPS, st.booleans(), UNIT)
def test_normalised_to_plain_and_back(
    start: float, steps: list[float], rising: bool, unit: float
) -> None:
    row = param(start, steps, rising)
    value = row.from_unit(unit)
    assert row.contains(value)
    assert abs(row.to_unit(value) - unit) < 1e-6


@given(st.floats(-100.0, 100.0), STEPS, st.booleans(), UNIT, UNIT)
def test_a_knob_turned_up_moves_one_way(
    start: float, steps: list[float], rising: bool, a: float, b: float
) -> None:
    row = param(start, steps, rising)
    low, high = sorted((a, b))
    difference = row.from_unit(high) - row.from_unit(low)
    assert difference >= 0.0 if rising else difference <= 0.0


def test_what_lies_outside_is_clamped() -> None:
    row = param(-60.0, [30.0, 30.0], rising=True)
    assert row.from_unit(-1.0) == -60.0
    assert row.from_unit(2.0) == 0.0
    assert row.to_unit(-1e9) == 0.0
    assert row.to_unit(1e9) == 1.0
    assert row.to_unit(-30.0) == 0.5


def test_a_step_is_a_whole_number() -> None:
    row = PluginParam(
        "verb.room", "", 0.0, 2.0, 0.0, 0.0, "linear", 20.0, 0, "",
        plains=(0.0, 2.0), texts=("small", "hall", "plate"),
    )  # fmt: skip
    assert [row.from_unit(u) for u in (0.0, 0.2, 0.3, 0.7, 0.8, 1.0)] == [0, 0, 1, 1, 2, 2]


def test_every_slot_is_a_point_of_the_chain() -> None:
    assert set(SLOTS.values()) == set(POINTS)
    effects = ("eq", "comp", "dist", "reverb")
    assert set(SLOTS) == {f"{side}-{effect}" for effect in effects for side in ("before", "after")}
