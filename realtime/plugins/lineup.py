"""The plugins of a session as the controls see them: their parameters, and what presets make of
them. Plain data, standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from realtime.hosted import Hosted
from realtime.plugins.setting import MIX, SMOOTHING_MS, PluginError, PluginParam, PluginSetting
from realtime.preset import Preset


class Lineup(Hosted):
    """settings: each plugin as it starts, every one of its values named.

    rows: of the plugins' own parameters. inserted: names of those that belong to every preset,
    those that do not mention them too; any other is dry where a preset does not use it.
    """

    def __init__(
        self,
        settings: Iterable[PluginSetting],
        rows: Iterable[PluginParam],
        inserted: Collection[str] = (),
    ) -> None:
        self.settings = tuple(settings)
        self.inserted = frozenset(inserted)
        by_id = {row.id: row for row in rows}
        self.params = {}
        for setting in self.settings:
            mix = mix_row(setting.name)
            own = {i: row for i, row in by_id.items() if i.startswith(f"{setting.name}.")}
            self.params |= {mix.id: mix, **own}

    def complete(self, preset: Preset) -> Preset:
        """As `Hosted.complete`.

        Raises: PluginError also where a value is none of its plugin's.
        """
        asked = {plugin.name: plugin for plugin in preset.plugins}
        plugins = []
        for start in self.settings:
            plugin = asked.pop(start.name, None)
            if plugin is not None:
                plugins.append(self._completed(start, plugin))
            elif start.name in self.inserted:
                plugins.append(start)
            else:
                plugins.append(replace(start, mix=0.0, replaces=""))
        for plugin in asked.values():
            raise PluginError(f"{plugin.name!r} from {plugin.path!r} is not in this session")
        check_places(plugins)
        return preset.with_plugins(plugins)

    def _completed(self, start: PluginSetting, plugin: PluginSetting) -> PluginSetting:
        if plugin.identity != start.identity:
            raise PluginError(
                f"{plugin.name!r} is {plugin.path!r} {plugin.point} here, and {start.path!r} "
                f"{start.point} in this session: give one of them another name"
            )
        for target, value in plugin.items():
            check_value(target, value, self.params)
        values = dict(start.values)
        if plugin.state != start.state:  # what that state has nobody knows before it is loaded
            values = {key: self.params[f"{start.name}.{key}"].default for key in values}
        return replace(
            start,
            mix=plugin.mix,
            values=tuple({**values, **dict(plugin.values)}.items()),
            state=plugin.state,
            replaces=plugin.replaces or (start.replaces if start.name in self.inserted else ""),
        )


def check_places(plugins: Iterable[PluginSetting]) -> None:
    """Raises: PluginError where two plugins have taken one effect's place."""
    taken: dict[str, str] = {}
    for plugin in plugins:
        if plugin.replaces in taken:
            both = f"{taken[plugin.replaces]} and {plugin.name}"
            raise PluginError(f"{both} both replace {plugin.replaces}: one of them can")
        if plugin.replaces:
            taken[plugin.replaces] = plugin.name


def mix_row(name: str) -> PluginParam:
    """The row of a plugin's blend of dry and plugin."""
    return PluginParam(
        f"{name}.{MIX}", "", 0.0, 1.0, 1.0, 0.0, "linear", SMOOTHING_MS, -1,
        f"0 is without {name}, 1 is only {name}", index=-1,
    )  # fmt: skip


def check_value(target: str, value: float, params: Mapping[str, PluginParam]) -> None:
    """Raises: PluginError if no plugin has `target`, or it does not go as far as `value`."""
    name, _, key = target.partition(".")
    row = params.get(target)
    if row is None:
        keys = [i.partition(".")[2] for i in params if i.startswith(f"{name}.")]
        close = difflib.get_close_matches(key, keys, n=1)
        hint = f", did you mean {close[0]!r}?" if close else f" (it has {', '.join(keys)})"
        raise PluginError(f"{name} has no parameter {key!r}{hint}")
    if not row.contains(value):
        unit = f" {row.unit}" if row.unit else ""
        raise PluginError(f"{target} is {value:g}, outside {row.minimum:g}..{row.maximum:g}{unit}")
