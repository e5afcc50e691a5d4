"""What a plugin says of a parameter, in texts -> its curve from normalised to plain values."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

_POINTS = 65  # on a logarithmic knob over three decades a straight line is then 0.2 % off
_STEPS_MAX = 128  # a parameter of more is continuous, whatever the plugin says
_TRIAL_POINTS = 5
_RELATIVE, _OF_SPAN = 1e-4, 1e-6  # how far off a point that is left out may be
_NUMBER = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|[-+]?inf)\s*(.*?)\s*", re.I)
_SCALES = {
    "hz": ("Hz", 1.0), "khz": ("Hz", 1e3), "k": ("Hz", 1e3),
    "ms": ("ms", 1.0), "s": ("ms", 1e3), "sec": ("ms", 1e3), "seconds": ("ms", 1e3),
}  # fmt: skip
_UNITS = {"db": "dB", "hz": "Hz", "ms": "ms"}


class Curve(NamedTuple):
    """As in PluginParam: points from normalised to plain, and the steps' names if it has some.

    stepped: whether there is nothing between the steps, named or not.
    """

    unit: str
    units: tuple[float, ...]
    plains: tuple[float, ...]
    texts: tuple[str, ...] = ()
    stepped: bool = False


_UNKNOWN = Curve("", (0.0, 1.0), (0.0, 1.0))


def curve_of(parameter: Any) -> Curve:
    """The curve of one of pedalboard's parameters.

    Texts that are numbers give plain values in their unit, kilohertz as Hz and seconds as ms;
    other texts give numbered steps; a plugin that says nothing of use gives 0..1.
    """
    steps = int(parameter.num_steps)
    stepped = 2 <= steps <= _STEPS_MAX
    count = steps if stepped else _POINTS
    units = [i / (count - 1) for i in range(count)]
    texts = _texts(parameter, units)
    if len(set(texts)) < 2:
        return _UNKNOWN
    numbers = [_NUMBER.fullmatch(text) for text in texts]
    if not all(numbers):
        return _named(units, texts)
    if count == 2 and {float(n[1]) for n in numbers if n} == {0.0, 1.0}:
        return _named(units, ["off", "on"] if float(texts[0].split()[0]) == 0.0 else ["on", "off"])
    numeric = _numeric(units, [(n[1], n[2]) for n in numbers if n], parameter.label.strip())
    return numeric._replace(stepped=stepped)


def _texts(parameter: Any, units: Sequence[float]) -> list[str]:
    """What the plugin calls these normalised values; of some only where they stand there."""
    texts = [str(parameter.get_text_for_raw_value(unit)).strip() for unit in units]
    if len(set(texts)) > 1:
        return texts
    stood = parameter.raw_value

    def standing(unit: float) -> str:
        parameter.raw_value = unit
        return str(parameter.string_value).strip()

    try:
        trial = {standing(i / (_TRIAL_POINTS - 1)) for i in range(_TRIAL_POINTS)}
        return [standing(unit) for unit in units] if len(trial) > 1 else texts
    finally:
        parameter.raw_value = stood


def _named(units: Sequence[float], texts: Sequence[str]) -> Curve:
    """Steps: each text once, in the middle of where it stands; the ends stay 0 and 1."""
    starts = [i for i in range(len(texts)) if i == 0 or texts[i] != texts[i - 1]]
    ends = [*(start - 1 for start in starts[1:]), len(texts) - 1]
    middles = [(units[a] + units[b]) / 2.0 for a, b in zip(starts, ends, strict=True)]
    middles[0], middles[-1] = 0.0, 1.0
    names = tuple(texts[start] for start in starts)
    return Curve("", tuple(middles), tuple(float(i) for i in range(len(names))), names, True)


def _numeric(units: Sequence[float], found: Sequence[tuple[str, str]], label: str) -> Curve:
    """Numbers with what stands behind them, of which `label` is the plugin's own word."""
    suffixes = {suffix.lower() for _, suffix in found}
    scaled = suffixes <= _SCALES.keys()
    plains = [float(number) * (_SCALES[s.lower()][1] if scaled else 1.0) for number, s in found]
    unit = _SCALES[min(suffixes)][0] if scaled else label or found[0][1]
    points = [(u, p) for u, p in zip(units, plains, strict=True) if math.isfinite(p)]
    steps = [b[1] - a[1] for a, b in itertools.pairwise(points)]
    one_way = all(s >= 0.0 for s in steps) or all(s <= 0.0 for s in steps)
    if not one_way or not any(steps):
        return _UNKNOWN
    kept = _thinned(points)
    kept[0], kept[-1] = (0.0, kept[0][1]), (1.0, kept[-1][1])  # minus infinity dB has no number
    return Curve(
        _UNITS.get(unit.lower(), unit), tuple(u for u, _ in kept), tuple(p for _, p in kept)
    )


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points without those that a straight line between the others passes through."""
    (u0, p0), (u1, p1) = points[0], points[-1]
    span = abs(p1 - p0)

    def off(i: int) -> float:
        u, p = points[i]
        line = p0 + (p1 - p0) * (u - u0) / (u1 - u0)
        return abs(p - line) - _RELATIVE * abs(p) - _OF_SPAN * span

    worst = max(range(1, len(points) - 1), key=off, default=0)
    if not worst or off(worst) <= 0.0:
        return [points[0], points[-1]]
    return _thinned(points[: worst + 1])[:-1] + _thinned(points[worst:])
