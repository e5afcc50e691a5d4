"""Which plugins a session has: what --insert, --plugin-param and the presets ask for."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.plugins.lineup import check_places, check_value
from realtime.plugins.map_files import find_map, load_map
from realtime.plugins.plugin_map import PluginMap
from realtime.plugins.setting import (
    DEFAULT_SLOT,
    PLACES,
    POINTS,
    SLOTS,
    PluginError,
    PluginParam,
    PluginSetting,
    handle,
)
from realtime.preset import Preset

if TYPE_CHECKING:
    from realtime.plugins.found import Found

_TARGET = re.compile(r"([a-z0-9-]+)\.([a-z0-9_]+)")


@dataclass(frozen=True)
class Requested:
    """settings: the plugins in the order of the signal, as they start by themselves or by the
    state that a preset has. inserted: names of those that --insert and --replace bring. values:
    what --plugin-param says, as `parse_value` takes it. maps: the name of each plugin that
    replaces an effect, and how.
    """

    settings: tuple[PluginSetting, ...] = ()
    inserted: frozenset[str] = frozenset()
    values: tuple[str, ...] = ()
    maps: tuple[tuple[str, PluginMap], ...] = ()


def parse_insert(text: str) -> tuple[str, str]:
    """`PATH[@SLOT]` -> (path or name, point). A path may have an @ of its own.

    Raises: PluginError
    """
    path, at, slot = text.rpartition("@")
    if not at or re.search(r"[./\\:]", slot):
        path, slot = text, DEFAULT_SLOT
    if not path:
        raise PluginError(f"{text!r} names no plugin: it is PATH or PATH@SLOT")
    if slot not in SLOTS:
        close = difflib.get_close_matches(slot, SLOTS, n=1)
        hint = f", did you mean {close[0]!r}?" if close else ""
        raise PluginError(f"there is no slot {slot!r}{hint} (there are {', '.join(SLOTS)})")
    return path, SLOTS[slot]


def parse_replace(text: str) -> tuple[str, str]:
    """`EFFECT=PLUGIN` -> (effect, path or name). Raises: PluginError"""
    effect, equals, path = text.partition("=")
    if not equals or not path:
        raise PluginError(f"{text!r} is not EFFECT=PLUGIN, such as comp=ZamCompX2")
    if effect not in PLACES:
        raise PluginError(f"{effect!r} cannot be replaced: {', '.join(PLACES)} can")
    return effect, path


def parse_value(text: str) -> tuple[str, str]:
    """`NAME.PARAM=VALUE` -> (id, value as it was written). Raises: PluginError"""
    target, equals, value = text.partition("=")
    target, value = target.strip().lower(), value.strip()
    if not equals or not value or not _TARGET.fullmatch(target):
        raise PluginError(f"{text!r} is not NAME.PARAM=VALUE, such as zamcompx2.threshold=-20")
    return target, value


def plain_value(param: PluginParam, text: str) -> float:
    """What a person wrote for a parameter: a plain value, with or without its unit, or the
    plugin's own word for a step.

    Raises: PluginError
    """
    words = [word.casefold() for word in param.texts]
    if text.casefold() in words:
        return float(words.index(text.casefold()))
    number = text.casefold().removesuffix(param.unit.casefold()).strip()
    try:
        value = float(number)
    except ValueError:
        steps = f" (its steps are {', '.join(param.texts)})" if param.texts else ""
        raise PluginError(f"{param.id}: {text!r} is not a number{steps}") from None
    if param.texts and param.contains(value) and value != round(value):
        raise PluginError(f"{param.id}: {text!r} is between two steps ({', '.join(param.texts)})")
    check_value(param.id, value, {param.id: param})
    return value


def request(
    inserts: Sequence[str],
    values: Sequence[str],
    presets: Iterable[tuple[str, Preset]],
    say: Callable[[str], None],
    replaced: Sequence[str] = (),
    map_paths: Sequence[str] = (),
) -> Requested:
    """What a session needs whose presets are `presets`, each with its name for a person.

    inserts, values, replaced, map_paths: as --insert, --plugin-param, --replace and --plugin-map
    have them. say: told where a plugin is not quite the one that a preset was made with, and of
    what takes long.

    Raises: PluginError where a plugin is not there, cannot be used or has no map.
    """
    own = [load_map(path) for path in map_paths]
    needed = _Needed(own, say)
    for name, preset in presets:
        for plugin in preset.plugins:
            needed.of_preset(plugin, f"preset {name!r}")
    inserted = [needed.insert(*parse_insert(text)) for text in inserts]
    for text in replaced:
        effect, path = parse_replace(text)
        inserted.append(needed.insert(path, PLACES[effect], effect))
    settings = needed.settings
    check_places(settings[name] for name in inserted)
    for text in values:
        name = parse_value(text)[0].partition(".")[0]
        if name not in settings:
            raise PluginError(f"--plugin-param {text}: {_unknown(name, settings)}")
    for unused in own:
        if unused not in needed.maps.values():
            raise PluginError(f"{unused.where}{unused.plugin} replaces no {unused.replaces} here")
    in_order = sorted(settings.values(), key=lambda plugin: POINTS.index(plugin.point))
    maps = tuple((name, found) for (name, _), found in needed.maps.items())
    return Requested(tuple(in_order), frozenset(inserted), tuple(values), maps)


class _Needed:
    """The plugins of a session by their names there, and the maps of those that replace."""

    def __init__(self, own: Sequence[PluginMap], say: Callable[[str], None]) -> None:
        self.settings: dict[str, PluginSetting] = {}
        self.maps: dict[tuple[str, str], PluginMap] = {}
        self._own, self._say = own, say

    def of_preset(self, plugin: PluginSetting, whose: str) -> None:
        """One that a preset names."""
        other = self.settings.get(plugin.name)
        if other is None:
            found = _installed(plugin, whose, self._say)
            fitting = replace(plugin, identifier=found.identifier, version=found.version)
            self.settings[plugin.name] = replace(fitting, mix=1.0, values=())
        elif other.identity != plugin.identity:
            raise PluginError(
                f"{whose}: {plugin.name!r} is {plugin.path!r} {plugin.point}, and "
                f"{other.path!r} {other.point} in another preset: give it another name"
            )
        if plugin.replaces:
            self._map(plugin.name, _installed(plugin, whose, self._say).name, plugin.replaces)

    def insert(self, path: str, point: str, effect: str = "") -> str:
        """One that an option names: what it is called here. A preset may have it already."""
        from realtime.plugins.scan import find_plugin

        found = find_plugin(path, say=self._say)
        for known in self.settings.values():
            same = (known.path, known.component) == (found.path, found.component)
            if effect and same and known.replaces == effect:
                return known.name
        name = handle(found.name, self.settings)
        if effect:
            self._map(name, found.name, effect)
        self.settings[name] = PluginSetting(
            name, found.path, point, found.identifier, found.version, found.component,
            replaces=effect,
        )  # fmt: skip
        return name

    def _map(self, name: str, plugin: str, effect: str) -> None:
        if (name, effect) not in self.maps:
            self.maps[name, effect] = find_map(plugin, effect, self._own)


def values_of(texts: Iterable[str], params: Mapping[str, PluginParam]) -> dict[str, float]:
    """id -> plain value of what --plugin-param says. Raises: PluginError"""
    found = {}
    for text in texts:
        target, value = parse_value(text)
        row = params.get(target)
        try:
            if row is None:
                check_value(target, 0.0, params)
            else:
                found[target] = plain_value(row, value)
        except PluginError as error:
            raise PluginError(f"--plugin-param {text}: {error}") from None
    return found


def _installed(plugin: PluginSetting, whose: str, say: Callable[[str], None]) -> Found:
    """A preset's plugin as it is installed here."""
    from realtime.plugins.scan import find_plugin

    if not Path(plugin.path).exists():
        raise PluginError(f"{whose}: the plugin {plugin.name!r} is not there: {plugin.path!r}")
    named = f"{plugin.path}:{plugin.component}" if plugin.component else plugin.path
    try:
        found = find_plugin(named)
    except PluginError as error:
        raise PluginError(f"{whose}: {error}") from None
    if plugin.identifier and found.identifier != plugin.identifier:
        raise PluginError(
            f"{whose}: {plugin.path!r} is another plugin than {plugin.name!r} was "
            f"({found.identifier}, not {plugin.identifier})"
        )
    if plugin.version and found.version != plugin.version:
        say(
            f"{whose}: {plugin.name} is version {found.version} here, and was {plugin.version}; "
            "it is used as it is"
        )
    return found


def _unknown(name: str, settings: Mapping[str, PluginSetting]) -> str:
    close = difflib.get_close_matches(name, settings, n=1)
    if close:
        return f"there is no plugin {name!r}, did you mean {close[0]!r}?"
    return f"there is no plugin {name!r} (there is {', '.join(settings) or 'none'})"
