"""A plugin's texts, as plugins write them, become plain numbers or named steps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.plugins.curves import curve_of
from realtime.plugins.setting import PluginParam


@dataclass
class Knob:
    """A parameter as pedalboard shows one; `text` is the plugin's own words for a value."""

    text: Callable[[float], str]
    num_steps: int = 2**31 - 1
    label: str = ""
    raw_value: float = 0.25
    silent: bool = False  # says where it stands, not where it would

    def get_text_for_raw_value(self, value: float) -> str:
        return self.text(self.raw_value if self.silent else value)

    @property
    def string_value(self) -> str:
        return self.text(self.raw_value)


def row(knob: Knob) -> PluginParam:
    unit, units, plains, texts, _ = curve_of(knob)
    return PluginParam(
        "a.b", unit, min(plains), max(plains), plains[0], plains[0], "linear", 20.0, -1, "",
        units=units, plains=plains, texts=texts,
    )  # fmt: skip


@given(st.floats(1.0, 100.0), st.floats(2.0, 1000.0), st.floats(0.0, 1.0))
def test_a_logarithmic_knob_in_hertz_and_kilohertz(low: float, octaves: float, unit: float) -> None:
    def text(value: float) -> str:
        hz = low * octaves**value
        return f"{hz / 1000:.4f} kHz" if hz >= 1000 else f"{hz:.3f} Hz"

    found = row(Knob(text))
    assert found.unit == "Hz"
    assert found.from_unit(unit) == pytest.approx(low * octaves**unit, rel=3e-3)


@given(st.floats(-100.0, 0.0), st.floats(1.0, 100.0), st.booleans(), st.floats(0.0, 1.0))
def test_a_linear_knob_needs_two_points(start: float, span: float, down: bool, unit: float) -> None:
    start, span = float(round(start)), float(round(span)) * (-1.0 if down else 1.0)
    found = row(Knob(lambda value: f"{start + span * value:.6f}", label="dB"))
    assert len(found.units) == 2 and found.unit == "dB"
    assert found.from_unit(unit) == pytest.approx(start + span * unit, abs=1e-3)


def test_a_fader_ends_above_minus_infinity() -> None:
    found = row(Knob(lambda v: "-inf dB" if v == 0 else f"{20 * math.log10(v):.2f} dB"))
    assert found.unit == "dB" and found.maximum == 0.0
    assert math.isfinite(found.minimum) and found.to_unit(found.minimum) == 0.0


def test_seconds_and_milliseconds_are_one_unit() -> None:
    found = row(Knob(lambda v: f"{2000 * v:.0f} ms" if v < 0.5 else f"{2 * v:.3f} s"))
    assert found.unit == "ms" and found.maximum == 2000.0
    assert found.to_unit(500.0) == pytest.approx(0.25, abs=1e-3)


@given(st.lists(st.text("abcdef", min_size=1), min_size=2, max_size=20, unique=True), st.booleans())
def test_named_steps_are_numbered(names: list[str], counted: bool) -> None:
    def text(value: float) -> str:
        return names[min(int(value * len(names)), len(names) - 1)]

    found = row(Knob(text, num_steps=len(names) if counted else 2**31 - 1))
    if counted:
        assert len(found.texts) >= 2
    else:
        assert found.texts == tuple(names)
    for step, name in enumerate(found.texts):
        assert text(found.to_unit(step)) == name
        assert found.from_unit(found.to_unit(step)) == step


def test_a_knob_that_only_says_where_it_stands_is_asked_there_and_put_back() -> None:
    knob = Knob(lambda value: f"{10 * value:.3f}", silent=True)
    assert row(knob).maximum == 10.0
    assert knob.raw_value == 0.25


@settings(max_examples=200)
@given(st.lists(st.text(max_size=8), min_size=65, max_size=65), st.integers(0, 200))
def test_whatever_a_plugin_says_there_is_a_curve(words: list[str], steps: int) -> None:
    found = row(Knob(lambda value: words[round(value * 64)], num_steps=steps))
    assert found.units[0] == 0.0 and found.units[-1] == 1.0
    assert list(found.units) == sorted(found.units)
    assert all(math.isfinite(plain) for plain in found.plains)
    assert found.minimum < found.maximum
    assert 0.0 <= found.to_unit(found.from_unit(0.3)) <= 1.0
