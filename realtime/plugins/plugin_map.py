"""Plugin maps: which parameters of a plugin follow which of ours. As files: `map_files`.

Standard library only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from realtime.plugins.setting import PluginError

# What an effect of ours is beside the parameters of the table: see `replace.sources`.
DERIVED = {"reverb": ("reverb.t60_s", "reverb.balance", "reverb.level_db")}
BAND_KINDS = ("low_shelf", "peak", "high_shelf")

Point = tuple[float, float]


@dataclass(frozen=True)
class Curve:
    """From a value of ours to one of theirs: scale * ours + offset, or through points.

    points: (ours, theirs), ours ascending: straight lines between them, level beyond their ends.
    nearest: the theirs of the point whose ours is nearest. log: both axes are logarithmic.
    """

    scale: float = 1.0
    offset: float = 0.0
    points: tuple[Point, ...] = ()
    nearest: bool = False
    log: bool = False

    def __call__(self, ours: float) -> float:
        """Theirs."""
        if not self.points:
            return self.scale * ours + self.offset
        axis = _log if self.log else float
        x = axis(ours)
        if self.nearest:
            return min(self.points, key=lambda point: abs(axis(point[0]) - x))[1]
        (x0, y0), *more = self.points
        if x <= axis(x0):
            return y0
        for x1, y1 in more:
            if x <= axis(x1):
                part = (x - axis(x0)) / (axis(x1) - axis(x0))
                between = axis(y0) + (axis(y1) - axis(y0)) * part
                return math.exp(between) if self.log else between
            x0, y0 = x1, y1
        return y0


def _log(value: float) -> float:
    return math.log(value) if value > 0.0 else -math.inf


@dataclass(frozen=True)
class Drive:
    """A plugin's parameter that follows one of ours. line: where the map says so."""

    source: str
    curve: Curve = Curve()
    line: str = ""


@dataclass(frozen=True)
class MapBand:
    """A band of a parametric equaliser. A text names the plugin's parameter, a number is fixed.

    kind, q: as in the Audio EQ Cookbook. q_curve: from that q to the plugin's parameter.
    narrows: towards half the sample rate, as the cookbook's bands do.
    """

    kind: str
    frequency: str | float
    gain: str
    q: str | float
    q_curve: Curve = Curve()
    narrows: bool = True
    line: str = ""


@dataclass(frozen=True)
class PluginMap:
    """How a plugin takes the place of one of our effects.

    plugin: its name, as the plugin gives it. replaces: one of PLACES. constants: parameters
    that stand still. drives: parameters that follow. bands or graphic: of an equaliser; graphic
    names each band's centre in Hz; level its gain over all. wet_gain_db: of a reverb, how loud
    steady noise is through it alone. lines: where a parameter stands in the file.
    """

    plugin: str
    replaces: str
    constants: Mapping[str, float] = field(default_factory=dict)
    drives: Mapping[str, Drive] = field(default_factory=dict)
    bands: tuple[MapBand, ...] = ()
    graphic: Mapping[str, float] = field(default_factory=dict)
    level: str = ""
    wet_gain_db: float = 0.0
    where: str = ""
    lines: Mapping[str, str] = field(default_factory=dict)

    def error(self, key: str, message: str) -> PluginError:
        """What is wrong with a parameter of the plugin, with the file and line that name it."""
        return PluginError(f"{self.where}{self.lines.get(key, '')}{message}")

    @property
    def targets(self) -> tuple[str, ...]:
        """Every parameter of the plugin that the map names, in its order."""
        return tuple(self.lines)
