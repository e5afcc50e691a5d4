"""Plugin maps as TOML files: those that come with the player, and a person's own.

How to write one: presets/README.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from realtime.params import IDS
from realtime.plugins.plugin_map import (
    BAND_KINDS,
    DERIVED,
    Curve,
    Drive,
    MapBand,
    PluginMap,
    Point,
)
from realtime.plugins.setting import PLACES, PluginError
from realtime.toml_text import TomlError, line_of, parse, read_text
from realtime.user_files import user_folder

FORMAT = 1
FACTORY = Path(__file__).resolve().parent.parent.parent / "presets" / "plugins"

_HEAD = ("format", "plugin", "replaces", "description", "level", "wet_gain_db", "set", "drive",
         "band", "graphic")  # fmt: skip
_CURVES = ("points", "nearest")
_DRIVE = ("from", "scale", "offset", "log", *_CURVES)
_BAND = ("kind", "frequency", "gain", "q", "q_points", "narrows")


def load_map(path: str | Path) -> PluginMap:
    """The map in a file. Raises: PluginError naming the file, and what is wrong where."""
    try:
        text = read_text(Path(path))
    except TomlError as error:
        raise PluginError(f"plugin map {str(path)!r}: {error}") from None
    return read_map(text, f"plugin map {str(path)!r}: ")


def find_map(plugin: str, effect: str, own: Sequence[PluginMap] = ()) -> PluginMap:
    """The map for a plugin of that name in an effect's place.

    `own` go first, then a person's own folder, then the maps that come with the player.

    Raises: PluginError naming the maps that there are.
    """
    folders = (user_folder("plugins"), FACTORY)
    files = [path for folder in folders for path in sorted(folder.glob("*.toml"))]
    maps = [*own, *(load_map(path) for path in files)]
    for found in maps:
        if found.plugin.casefold() == plugin.casefold() and found.replaces == effect:
            return found
    known = ", ".join(dict.fromkeys(f"{m.replaces}={m.plugin}" for m in maps))
    raise PluginError(
        f"no plugin map has {plugin} for {effect}: write one and give it by --plugin-map "
        f"(there are {known})"
    )


def read_map(text: str, where: str = "") -> PluginMap:
    """A map from TOML text. where: what goes before every error, such as the file.

    Raises: PluginError naming the line and what is wrong there.
    """
    try:
        data = parse(text)
    except TomlError as error:
        raise PluginError(f"{where}{error}") from None
    try:
        return _Reader(text, where).map_of(data)
    except _WrongError as error:
        raise PluginError(f"{where}{error.line}{error}") from None


class _WrongError(ValueError):
    def __init__(self, line: str, message: str) -> None:
        super().__init__(message)
        self.line = line


class _Reader:
    """Checks a map's parts, and knows the line of each."""

    def __init__(self, text: str, where: str) -> None:
        self.text, self.where = text, where
        self.lines: dict[str, str] = {}

    def line(self, section: str, key: str = "", number: int = 0) -> str:
        exact = line_of(self.text, section, key, number)
        return exact or (line_of(self.text, section, "", number) if section else "")

    def map_of(self, data: dict[str, Any]) -> PluginMap:
        for key in data:
            _known(key, _HEAD, self.line("", key) or self.line(key))
        if data.get("format", FORMAT) != FORMAT:
            raise _WrongError(
                self.line("", "format"), f"format is not {FORMAT}, which this version reads"
            )
        for key in ("plugin", "replaces", "description", "level"):
            if not isinstance(data.get(key, ""), str):
                raise _WrongError(self.line("", key), f"{key} is not text")
        if not data.get("plugin"):
            raise _WrongError("", "plugin does not say which plugin this map is for")
        effect = data.get("replaces", "")
        if effect not in PLACES:
            line = self.line("", "replaces")
            raise _WrongError(line, f"replaces is none of {', '.join(PLACES)}")
        wet_gain_db = _number(data.get("wet_gain_db", 0.0), "wet_gain_db",
                              self.line("", "wet_gain_db"), effect == "reverb")  # fmt: skip
        constants = {}
        for key, value in _table(data, "set", self).items():
            constants[key] = _number(value, f"set.{key}", self.target(key, "set", key))
        drives = {key: self.drive(key, entry, effect)
                  for key, entry in _table(data, "drive", self).items()}  # fmt: skip
        bands = data.get("band", [])
        if not isinstance(bands, list):
            raise _WrongError(self.line("band"), "band is not a list: write [[band]]")
        graphic = {}
        for key, value in _table(data, "graphic", self).items():
            line = self.target(key, "graphic", key)
            graphic[key] = _number(value, f"graphic.{key}", line, low=1.0)
        self.equaliser(data, effect, graphic)
        return PluginMap(
            data["plugin"], effect, constants, drives,
            tuple(self.band(entry, number) for number, entry in enumerate(bands)),
            graphic, data.get("level", ""), wet_gain_db, self.where, self.lines,
        )  # fmt: skip

    def target(self, key: str, section: str, at: str = "", number: int = 0) -> str:
        """The line of a parameter of the plugin, which nothing else may set."""
        line = self.line(section, at, number)
        if key in self.lines:
            raise _WrongError(line, f"{key} is set twice")
        self.lines[key] = line
        return line

    def equaliser(self, data: dict[str, Any], effect: str, graphic: dict[str, float]) -> None:
        for key in ("band", "graphic", "level"):
            if key in data and effect != "eq":
                line = self.line("", key) or self.line(key)
                raise _WrongError(line, f"{key} is for a map that replaces eq")
        if effect == "eq" and ("band" in data) == ("graphic" in data):
            raise _WrongError("", "an equaliser has either [[band]] or [graphic]")
        if graphic and (len(graphic) < 2 or sorted(graphic.values()) != list(graphic.values())):
            raise _WrongError(self.line("graphic"), "graphic needs two bands or more, ascending")
        if data.get("level"):
            self.target(data["level"], "", "level")

    def drive(self, key: str, entry: Any, effect: str) -> Drive:
        section = f"drive.{key}"
        line = self.target(key, section)
        if not isinstance(entry, dict):
            raise _WrongError(self.line("drive", key), f"drive.{key} is not a table")
        for name in entry:
            _known(name, _DRIVE, self.line(section, name))
        own = [i for i in IDS if i.startswith(effect)] + list(DERIVED.get(effect, ()))
        _known(entry.get("from"), own, self.line(section, "from"), f"{section}: from")
        return Drive(entry["from"], self.curve(entry, section), line)

    def curve(self, entry: dict[str, Any], section: str) -> Curve:
        """Of a drive."""
        shapes = [name for name in ("scale", *_CURVES) if name in entry]
        if "offset" in entry and "scale" not in entry:
            shapes.append("offset")
        line = self.line(section, shapes[-1]) if shapes else ""
        if len(shapes) > 1:
            raise _WrongError(line, f"{section} has both {shapes[0]} and {shapes[-1]}")
        log = entry.get("log", False)
        if not isinstance(log, bool) or (log and not {*_CURVES} & {*shapes}):
            raise _WrongError(
                self.line(section, "log"), f"{section}: log is true or false of points"
            )
        if shapes and shapes[0] in _CURVES:
            nearest = shapes[0] == "nearest"
            points = _points(entry[shapes[0]], f"{section}: {shapes[0]}", line, log, nearest)
            return Curve(points=points, nearest=nearest, log=log)
        scale = _number(entry.get("scale", 1.0), f"{section}: scale", self.line(section, "scale"))
        return Curve(scale, _number(entry.get("offset", 0.0), f"{section}: offset",
                                    self.line(section, "offset")))  # fmt: skip

    def band(self, entry: Any, number: int) -> MapBand:
        name = f"band {number + 1}"
        if not isinstance(entry, dict):
            raise _WrongError("", f"{name} is not a table")
        for key in entry:
            _known(key, _BAND, self.line("band", key, number))
        line = self.line("band", "", number)
        kind = entry.get("kind")
        _known(kind, BAND_KINDS, self.line("band", "kind", number), f"{name}: kind")
        for key in ("frequency", "gain", "q"):
            value, at = entry.get(key), self.line("band", key, number)
            if isinstance(value, str):
                self.target(value, "band", key, number)
            elif key == "gain":
                raise _WrongError(at, f"{name}: gain must name a parameter of the plugin")
            else:
                _number(value, f"{name}: {key}", at, low=1e-3)
        points = entry.get("q_points")
        at = self.line("band", "q_points", number)
        if points is not None and not isinstance(entry["q"], str):
            raise _WrongError(at, f"{name}: q_points goes with a q that is a parameter")
        curve = Curve()
        if points is not None:
            curve = Curve(points=_points(points, f"{name}: q_points", at, True, False), log=True)
        narrows = entry.get("narrows", True)
        if not isinstance(narrows, bool):
            at = self.line("band", "narrows", number)
            raise _WrongError(at, f"{name}: narrows is true or false")
        return MapBand(
            str(kind), entry["frequency"], entry["gain"], entry["q"], curve, narrows, line
        )


def _table(data: dict[str, Any], key: str, reader: _Reader) -> dict[str, Any]:
    table = data.get(key, {})
    if not isinstance(table, dict):
        raise _WrongError(reader.line("", key) or reader.line(key), f"{key} is not a table")
    return table


def _known(key: Any, known: Sequence[str], line: str, what: str = "") -> None:
    """Refuse what is not one of `known`; a key of the file, or what a key of it names."""
    if key in known:
        return
    if key is None:
        raise _WrongError(line, f"{what} is missing")
    close = difflib.get_close_matches(str(key), known, n=1)
    hint = f", did you mean {close[0]!r}?" if close else ""
    shown = repr(key) if len(repr(key)) < 60 else "too long"
    raise _WrongError(line, f"{what} is {shown}, which is unknown{hint}" if what
                      else f"unknown key {shown}{hint}")  # fmt: skip


def _number(
    value: Any, what: str, line: str, allowed: bool = True, low: float = -1e6, high: float = 1e6
) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise _WrongError(line, f"{what} is no number within {low:g}..{high:g}")
    if not allowed and value:
        raise _WrongError(line, f"{what} is not for this effect")
    return float(value)


def _points(value: Any, what: str, line: str, log: bool, nearest: bool) -> tuple[Point, ...]:
    if not isinstance(value, list) or len(value) < 2:
        raise _WrongError(line, f"{what} needs two points or more, [[ours, theirs], ...]")
    points = []
    for point in value:
        if not isinstance(point, list) or len(point) != 2:
            raise _WrongError(line, f"{what}: a point is [ours, theirs]")
        ours, theirs = (_number(n, what, line) for n in point)
        if log and (ours <= 0.0 or (theirs <= 0.0 and not nearest)):
            raise _WrongError(line, f"{what}: on logarithmic axes points are above 0")
        points.append((ours, theirs))
    if any(b[0] <= a[0] for a, b in pairwise(points)):
        raise _WrongError(line, f"{what}: ours must ascend from point to point")
    rising = [b[1] - a[1] for a, b in pairwise(points)]
    if not nearest and min(rising) < 0.0 < max(rising):
        raise _WrongError(line, f"{what}: theirs must only rise or only fall")
    return tuple(points)
