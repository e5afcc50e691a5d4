"""What a hosted plugin is, where it sits and how it is set: plain data, standard library only.

`PluginParam` is a row like the table's, so that MIDI, OSC, presets and the screen treat a
plugin's parameters as they treat the chain's own.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from realtime.params import IDS, Param

# The points of the chain where a plugin may sit, in the order of the signal.
POINTS = ("before-eq", "before-comp", "before-dist", "before-reverb", "after-reverb")
SLOTS = {
    **{point: point for point in POINTS},
    "after-eq": "before-comp",
    "after-comp": "before-dist",
    "after-dist": "before-reverb",
}
DEFAULT_SLOT = "before-reverb"
SMOOTHING_MS = 20.0
# The effects whose place a plugin may take, and where it sits then: our own, neutral, is behind it.
PLACES = {
    "eq": "before-eq",
    "comp": "before-comp",
    "dist": "before-dist",
    "reverb": "before-reverb",
}
MIX = "mix"  # every hosted plugin's own blend of dry (0) and plugin (1), beside its parameters
# What stands before a dot in an id, or in an OSC address, and means something else.
TAKEN = frozenset(i.partition(".")[0] for i in IDS) | {"amount", "morph", "revert", "unit"}
_NAME, _KEY = re.compile(r"[a-z0-9-]+"), re.compile(r"[a-z0-9_]+")


class PluginError(ValueError):
    """A plugin that cannot be used; the message names it and what is wrong in one line."""


@dataclass(frozen=True)
class PluginParam(Param):
    """A plugin's parameter in its plain units, through what the plugin itself says of them.

    id: "NAME.KEY", NAME the plugin's in this chain. index: the plugin's own number of it.
    units, plains: equally many points of the plugin's curve from its normalised value (0..1,
        ascending) to the plain one (ascending or descending); a straight line between them.
    texts: what it calls each of its steps; the plain value is then the step's number.
    """

    index: int = 0
    units: tuple[float, ...] = (0.0, 1.0)
    plains: tuple[float, ...] = (0.0, 1.0)
    texts: tuple[str, ...] = ()

    def to_unit(self, value: float) -> float:
        """Plain value -> the plugin's normalised 0..1. Values outside the range are clamped."""
        if self.plains[-1] < self.plains[0]:
            return _along(self.clamp(value), self.plains[::-1], self.units[::-1])
        return _along(self.clamp(value), self.plains, self.units)

    def from_unit(self, unit: float) -> float:
        """The plugin's normalised 0..1 -> plain value. Values outside 0..1 are clamped."""
        value = self.clamp(_along(min(1.0, max(0.0, float(unit))), self.units, self.plains))
        return float(round(value)) if self.texts else value


def _along(x: float, xs: tuple[float, ...], ys: tuple[float, ...]) -> float:
    """Where the straight lines through the points (xs ascending, ys) are at x."""
    right = min(max(bisect.bisect_left(xs, x), 1), len(xs) - 1)
    x0, x1, y0, y1 = xs[right - 1], xs[right], ys[right - 1], ys[right]
    if x1 == x0:
        return y1
    return y0 + (y1 - y0) * min(1.0, max(0.0, (x - x0) / (x1 - x0)))


@dataclass(frozen=True)
class PluginSetting:
    """One plugin in the chain. Immutable and hashable.

    name: its handle in this chain, unique there: [a-z0-9-]+; its parameters are "name.key".
    path: of the plugin's file or bundle. identifier, version: as the plugin gives them, "" where
        not known yet. component: which one of a file that holds several, "" for the only one.
    point: one of POINTS. replaces: the effect whose work it does, one of PLACES, its parameters
        driven by ours through a plugin map; "" for none.
    mix: 0 dry (aligned to the plugin's latency) to 1 the plugin.
    values: key -> plain value, of the parameters that were set; all others stay as `state`, or
        the plugin's own start, has them; in the order of the keys. state: the plugin's own bytes,
        empty for its start.

    Raises: PluginError where no such setting can be.
    """

    name: str
    path: str
    point: str = DEFAULT_SLOT
    identifier: str = ""
    version: str = ""
    component: str = ""
    mix: float = 1.0
    values: tuple[tuple[str, float], ...] = field(default=())
    state: bytes = field(default=b"", repr=False)
    replaces: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in TAKEN:
            why = "taken" if self.name in TAKEN else "not of a-z, 0-9 and -"
            raise PluginError(f"a plugin cannot be called {self.name!r}: {why}")
        if self.point not in POINTS:
            raise PluginError(f"{self.name}: no slot {self.point!r}, there are {', '.join(SLOTS)}")
        if self.replaces and self.replaces not in PLACES:
            known = ", ".join(PLACES)
            raise PluginError(f"{self.name} replaces {self.replaces!r}, which is none of {known}")
        for key, value in ((MIX, self.mix), *self.values):
            _check_value(self.name, key, value)
        if any(key == MIX for key, _ in self.values):
            raise PluginError(f"{self.name}.{MIX} is not one of the plugin's own values")
        values = {key: float(value) for key, value in self.values}
        object.__setattr__(self, "values", tuple(sorted(values.items())))
        object.__setattr__(self, "mix", float(self.mix))

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What settings of one and the same plugin share: name, path, component and place."""
        return self.name, self.path, self.component, self.point

    def items(self) -> Iterator[tuple[str, float]]:
        """(id, plain value) of all that is set: "name.mix" first, then "name.key"."""
        yield f"{self.name}.{MIX}", self.mix
        for key, value in self.values:
            yield f"{self.name}.{key}", value

    def with_values(self, values: Mapping[str, float]) -> PluginSetting:
        """A copy with some of its keys, `mix` among them, at other plain values.

        Raises: PluginError on a key or value that cannot be.
        """
        for key, value in values.items():
            _check_value(self.name, key, value)
        own = dict(self.values) | {k: float(v) for k, v in values.items() if k != MIX}
        # What is taken over has been checked; hands come here a thousand times a second.
        copy = object.__new__(PluginSetting)
        copy.__dict__.update(self.__dict__)
        mix = float(values.get(MIX, self.mix))
        copy.__dict__.update(mix=mix, values=tuple(sorted(own.items())))
        return copy


def handle(name: str, taken: Collection[str]) -> str:
    """What a plugin is called here: "ZamCompX2" -> "zamcompx2", or "zamcompx2-2" beside that."""
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "plugin"
    number, found = 1, stem
    while found in taken or found in TAKEN:
        number += 1
        found = f"{stem}-{number}"
    return found


def _check_value(name: str, key: object, value: object) -> None:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise PluginError(f"{name} has no parameter {key!r}")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PluginError(f"{name}.{key} is {value!r}, not a number")
    # Python compares integers of any size; float() of a huge one would overflow.
    if not -1e300 < value < 1e300:
        raise PluginError(f"{name}.{key} is {'huge' if value == value else value}, no value")
    if key == MIX and not 0.0 <= value <= 1.0:
        raise PluginError(f"{name}.{key} is {value:g}, outside 0..1")
