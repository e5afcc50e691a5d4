"""Presets: immutable settings of the whole chain, read from and written to TOML.

A preset file names plain values in the table's units; what it does not name stands at the
table's default (or the profile's frozen value). It may name plugins that are hosted in the chain,
too. Standard library only.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from realtime.atomic_file import write_text
from realtime.params import BY_ID, IDS, NEUTRAL, PROFILES, TABLE, BandType, table_hash
from realtime.plugins.setting import PluginError, PluginSetting
from realtime.plugins.setting_toml import TABLE as PLUGINS
from realtime.plugins.setting_toml import plugins_to_toml, read_plugins
from realtime.toml_text import TomlError, line_of, parse, read_text, toml_string

FORMAT = 1
FACTORY = Path(__file__).resolve().parent.parent / "presets" / "factory"


class PresetError(ValueError):
    """A preset that cannot be used; the message names what and where in one line."""


class Preset(Mapping[str, float]):
    """Plain values of every parameter, the profile they belong to, and a name. Immutable.

    preset["comp.threshold_db"] -> float; iterates over the ids in table order, then over those
    of its plugins, of which preset["zamcompx2.threshold"] is one and preset["zamcompx2.mix"].

    Raises: PresetError on an unknown id or profile, or a value outside its range.
    """

    __slots__ = ("_description", "_name", "_plugins", "_profile", "_values")

    def __init__(
        self,
        values: Mapping[str, float] | None = None,
        *,
        plugins: Iterable[PluginSetting] = (),
        name: str = "",
        description: str = "",
        profile: str = "full",
    ) -> None:
        if profile not in PROFILES:
            raise PresetError(f"unknown profile {profile!r}, known are {', '.join(PROFILES)}")
        merged = PROFILES[profile].values()
        plugins = _distinct(tuple(plugins))
        hosted: dict[str, dict[str, float]] = {plugin.name: {} for plugin in plugins}
        merged = _checked_values(values or {}, hosted, merged)
        self._plugins = _set(plugins, hosted)
        for plugin in self._plugins:
            merged.update(plugin.items())
        for label, text in (("name", name), ("description", description)):
            if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
                raise PresetError(f"{label} {text!r} is not valid Unicode")
        self._values = merged
        self._name = name
        self._description = description
        self._profile = profile

    @classmethod
    def neutral(cls) -> Preset:
        """The preset that gives an input below full scale back."""
        return cls(NEUTRAL, name="neutral")

    @property
    def name(self) -> str:
        """What a person calls it; may be empty."""
        return self._name

    @property
    def description(self) -> str:
        """A line for a person; may be empty."""
        return self._description

    @property
    def profile(self) -> str:
        """Name of the profile: decides what each EQ band is."""
        return self._profile

    @property
    def plugins(self) -> tuple[PluginSetting, ...]:
        """The hosted plugins, in the order of the signal where they share a slot."""
        return self._plugins

    @property
    def band_types(self) -> tuple[BandType, ...]:
        """The type of each EQ band, low to high."""
        return PROFILES[self._profile].band_types

    def __getitem__(self, param_id: str) -> float:
        return self._values[param_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Preset):
            return NotImplemented
        mine = self._profile, self._values, self._plugins
        return mine == (other._profile, other._values, other._plugins)

    def __hash__(self) -> int:
        return hash((self._profile, tuple(self._values.values()), self._plugins))

    def __repr__(self) -> str:
        return f"Preset({self._name!r}, profile={self._profile!r})"

    def with_values(self, values: Mapping[str, float], name: str | None = None) -> Preset:
        """A copy with some values changed. Raises: PresetError as the constructor."""
        if name is not None and name != self._name:
            return Preset(
                {**self._values, **values},
                plugins=self._plugins,
                name=name,
                description=self._description,
                profile=self._profile,
            )
        hosted: dict[str, dict[str, float]] = {plugin.name: {} for plugin in self._plugins}
        # A hand calls this a thousand times a second: what is here has been checked.
        changed = _checked_values(values, hosted, self._values)
        return self._copy(changed, _set(self._plugins, hosted))

    def with_plugins(self, plugins: Iterable[PluginSetting]) -> Preset:
        """A copy with these plugins in place of its own. Raises: PresetError"""
        plugins = tuple(plugins)
        if plugins == self._plugins:
            return self
        return self._copy({i: self._values[i] for i in IDS}, _distinct(plugins))

    def _copy(self, values: dict[str, float], plugins: tuple[PluginSetting, ...]) -> Preset:
        """This preset with other values, checked, and plugins, whose own values go over those."""
        copy = object.__new__(Preset)
        for plugin in plugins:
            values.update(plugin.items())
        copy._values, copy._plugins = values, plugins
        copy._name, copy._description = self._name, self._description
        copy._profile = self._profile
        return copy

    def built_in(self) -> Preset:
        """What is left to the chain itself: no plugins, and the effects whose places some of them
        take are neutral."""
        if not self._plugins:
            return self
        replaced = {plugin.replaces for plugin in self._plugins}
        values = {
            i: v for i, v in NEUTRAL.items() if i.partition(".")[0].rstrip("123456") in replaced
        }
        return self.with_plugins(()).with_values(values)

    def dry(self) -> Preset:
        """The neutral preset, with this one's plugins in place but not heard: as late as they."""
        return Preset.neutral().with_plugins(replace(plugin, mix=0.0) for plugin in self._plugins)

    def to_toml(self) -> str:
        """The preset as TOML text that `from_toml` reads back to an equal preset."""
        lines = [
            f"format = {FORMAT}",
            f"name = {toml_string(self._name)}",
            f"description = {toml_string(self._description)}",
            f'profile = "{self._profile}"',
            f'table = "{table_hash()}"',
        ]
        section = ""
        for param in TABLE:
            group, key = param.id.split(".", 1)
            if group != section:
                lines += ["", f"[{group}]"]
                section = group
            unit = f"  # {param.unit}" if param.unit else ""
            lines.append(f"{key} = {float(self._values[param.id])!r}{unit}")
        lines += plugins_to_toml(self._plugins)
        return "\n".join(lines) + "\n"

    @classmethod
    def from_toml(cls, text: str) -> Preset:
        """Read a preset from TOML text.

        Raises: PresetError naming what is wrong and in which line: the syntax, an unknown
        parameter, a value that is no number or outside its range.
        """
        try:
            data = parse(text)
        except TomlError as error:
            raise PresetError(str(error)) from None
        if data.get("format", FORMAT) != FORMAT:
            raise PresetError(
                f"format {data['format']!r} is not {FORMAT}, the one this version reads"
            )
        meta = {}
        for key, default in (("name", ""), ("description", ""), ("profile", "full")):
            meta[key] = data.get(key, default)
            if not isinstance(meta[key], str):
                raise PresetError(f"{key} is {meta[key]!r}, not text")
        try:
            plugins = read_plugins(data.pop(PLUGINS, []), text)
        except PluginError as error:
            raise PresetError(str(error)) from None
        values = {}
        for group, keys in data.items():
            if group in ("format", "name", "description", "profile", "table"):
                continue
            if not isinstance(keys, dict):
                raise PresetError(f"unknown key {group!r}")
            for key, value in keys.items():
                param_id = f"{group}.{key}"
                try:
                    values[param_id] = _checked(param_id, value)
                except PresetError as error:
                    raise PresetError(f"{line_of(text, group, key)}{error}") from None
        return cls(values, plugins=plugins, **meta)


def load_preset(name_or_path: str) -> Preset:
    """A factory preset by name, or any preset by its file's path.

    Raises: PresetError naming the file and what is wrong with it.
    """
    path = Path(name_or_path)
    if name_or_path in factory_presets():
        path = FACTORY / f"{name_or_path}.toml"
    try:
        text = read_text(path)
    except TomlError as error:
        known = ", ".join(factory_presets())
        raise PresetError(f"preset {name_or_path!r}: {error} (factory presets: {known})") from None
    try:
        return Preset.from_toml(text)
    except PresetError as error:
        raise PresetError(f"preset {str(path)!r}: {error}") from None


def factory_presets() -> list[str]:
    """Names that `load_preset` knows, sorted."""
    return sorted(path.stem for path in FACTORY.glob("*.toml"))


def save_preset(preset: Preset, path: str | os.PathLike[str]) -> None:
    """Write `preset` to `path` atomically: a kill in the middle leaves the old file.

    Raises: PresetError where the file cannot be written.
    """
    try:
        write_text(path, preset.to_toml())
    except OSError as error:
        raise PresetError(f"cannot write preset {str(path)!r}: {error.strerror}") from None


def _checked_values(
    values: Mapping[str, float], hosted: dict[str, dict[str, float]], before: Mapping[str, float]
) -> dict[str, float]:
    """`before` with those of `values` that are the table's; all others go to their plugin's."""
    found = dict(before)
    for param_id, value in values.items():
        owner, _, key = param_id.partition(".")
        if owner not in hosted:
            found[param_id] = _checked(param_id, value)
        elif value != before.get(param_id):
            hosted[owner][key] = value
    return found


def _distinct(plugins: tuple[PluginSetting, ...]) -> tuple[PluginSetting, ...]:
    if len({plugin.name for plugin in plugins}) < len(plugins):
        raise PresetError(f"plugins need names of their own: {[p.name for p in plugins]}")
    return plugins


def _set(
    plugins: tuple[PluginSetting, ...], values: Mapping[str, Mapping[str, float]]
) -> tuple[PluginSetting, ...]:
    """The plugins with what `values` has for each by its name."""
    try:
        return tuple(p.with_values(values[p.name]) if values[p.name] else p for p in plugins)
    except PluginError as error:
        raise PresetError(str(error)) from None


def _checked(param_id: str, value: object) -> float:
    if param_id not in BY_ID:
        close = difflib.get_close_matches(param_id, IDS, n=1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        raise PresetError(f"unknown parameter {param_id!r}{hint}")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PresetError(f"{param_id} is {value!r}, not a number")
    param = BY_ID[param_id]
    # Python compares integers of any size; float() of a huge one would overflow.
    if not param.minimum <= value <= param.maximum:
        unit = f" {param.unit}" if param.unit else ""
        shown = f"{value:g}" if abs(value) < 1e300 else "huge"
        raise PresetError(
            f"{param_id} is {shown}, outside {param.minimum:g}..{param.maximum:g}{unit}"
        )
    return float(value)
