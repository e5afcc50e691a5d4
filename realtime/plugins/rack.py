"""The hosted plugins of a session: started together, set with the chain, looked after, ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from realtime.plugins.lineup import Lineup
from realtime.plugins.replace import Replacement
from realtime.plugins.requested import Requested, values_of
from realtime.plugins.setting import SMOOTHING_MS, PluginError, PluginSetting
from realtime.plugins.status import PluginStatus
from realtime.preset import Preset

if TYPE_CHECKING:
    from realtime.plugins.host import PluginHost


class Rack(Lineup):
    """hosts: the plugins, running, as they start. requested: what they are there for.

    sample_rate: Hz. say: told what a plugin in an effect's place cannot do.
    asked: id -> plain value of what --plugin-param says.

    Raises: PluginError if it says what no plugin has.
    """

    def __init__(
        self,
        hosts: Sequence[PluginHost],
        requested: Requested,
        sample_rate: int,
        say: Callable[[str], None],
    ) -> None:
        self.hosts = tuple(hosts)
        self._rate = sample_rate
        rows = [row for host in hosts for row in host.parameters]
        starts = [replace(host.setting, values=tuple(host.values.items())) for host in hosts]
        super().__init__(starts, rows, requested.inserted)
        self.asked = values_of(requested.values, self.params)
        self._standing = {start.name: start for start in starts}
        self.settings = tuple(_with(start, self.asked) for start in starts)
        self._before: Mapping[str, PluginStatus] = {}
        self._replacements = {
            (name, found.replaces): Replacement(found, name, self.params, say)
            for name, found in requested.maps
        }

    @property
    def latency_frames(self) -> int:
        """By how much the plugins delay the sound, all together."""
        return sum(host.latency_frames for host in self.hosts)

    @property
    def inserts(self) -> list[tuple[str, int]]:
        """(point of the chain, address of the record) of every plugin, in order."""
        return [(host.setting.point, host.record_address) for host in self.hosts]

    def begin(self, preset: Preset) -> Preset:
        """As `Hosted.begin`, with what --plugin-param says."""
        return self.complete(preset).with_values(self.asked)

    def complete(self, preset: Preset) -> Preset:
        """As `Lineup.complete`.

        Raises: PluginError also where a plugin replaces what it does not in this session.
        """
        complete = super().complete(preset)
        for plugin in complete.plugins:
            if plugin.replaces and (plugin.name, plugin.replaces) not in self._replacements:
                raise PluginError(f"{plugin.name} does not replace {plugin.replaces} here")
        return complete

    def driven(self, preset: Preset) -> dict[str, float]:
        """As `Hosted.driven`: of plugins in an effect's place, but for what --plugin-param says."""
        return self._driven(preset, self._rate)

    def follow(self, preset: Preset, sample_rate: int) -> Preset:
        """As `Hosted.follow`."""
        return preset.with_values(self._driven(preset, sample_rate))

    def _driven(self, preset: Preset, sample_rate: int) -> dict[str, float]:
        found: dict[str, float] = {}
        for plugin in preset.plugins:
            if plugin.replaces:
                replacement = self._replacements[plugin.name, plugin.replaces]
                found |= replacement.values(preset, sample_rate)
        return {target: value for target, value in found.items() if target not in self.asked}

    def publish(self, preset: Preset, fade_ms: float | None) -> None:
        """Set the plugins as a complete preset has them, within `fade_ms` or their smoothing."""
        frames = round((SMOOTHING_MS if fade_ms is None else fade_ms) * 1e-3 * self._rate)
        for host, plugin in zip(self.hosts, preset.plugins, strict=True):
            standing, self._standing[plugin.name] = self._standing[plugin.name], plugin
            if plugin.state and plugin.state != standing.state:
                host.load(plugin.state, dict(plugin.values))
            else:
                before = dict(standing.values)
                moved = {key: v for key, v in plugin.values if before.get(key) != v}
                if moved:
                    host.move(moved, frames)
            if plugin.mix != standing.mix:
                host.set_mix(plugin.mix, frames)

    def kept(self, preset: Preset) -> Preset:
        """As `Hosted.kept`: with the plugins' present states, without those that are not heard."""
        states = {host.setting.name: host.state() for host in self.hosts}
        return preset.with_plugins(
            replace(plugin, state=states[plugin.name])
            for plugin in preset.plugins
            if plugin.mix > 0.0 or plugin.name in self.inserted
        )

    def tend(self) -> None:
        """Look after the plugins' processes; called by the control loop, 20 to 50 ms apart."""
        for host in self.hosts:
            host.tend()

    def status(self) -> tuple[PluginStatus, ...]:
        """How they are doing, counted over engines before this one too."""
        return tuple(_together(self._before, host.status()) for host in self.hosts)

    def resume(self, before: Iterable[PluginStatus]) -> None:
        """Count on from what another rack gave as `status`."""
        self._before = {status.name: status for status in before}

    def close(self) -> None:
        """End the plugins' processes."""
        for host in self.hosts:
            host.close()


def open_rack(
    requested: Requested,
    *,
    sample_rate: int,
    channels: int,
    block_frames: int,
    say: Callable[[str], None],
    offline: bool = False,
) -> Rack:
    """Start all plugins at once, and wait for them.

    offline: for a file, which waits for them.

    Raises: PluginError where one cannot be loaded; none is left running then.
    """
    if not requested.settings:
        return Rack((), requested, sample_rate, say)
    if sys.platform == "win32":
        raise PluginError("plugins cannot be hosted on Windows yet")
    from realtime.plugins.host import PluginHost

    hosts: list[PluginHost] = []

    def start(setting: PluginSetting) -> None:
        hosts.append(PluginHost(setting, sample_rate, channels, block_frames, say, offline))

    try:
        with ThreadPoolExecutor(len(requested.settings)) as pool:
            for _ in pool.map(start, requested.settings):
                pass
        order = [setting.name for setting in requested.settings]
        hosts.sort(key=lambda host: order.index(host.setting.name))
        return Rack(hosts, requested, sample_rate, say)
    except BaseException:
        for host in hosts:
            host.close()
        raise


def describe_rack(requested: Requested, say: Callable[[str], None]) -> Rack:
    """A rack that knows its plugins' parameters and states, with none of them left running.

    Raises: PluginError as `open_rack`.
    """
    rack = open_rack(
        requested, sample_rate=48_000, channels=2, block_frames=1024, say=say, offline=True
    )
    with contextlib.closing(rack):
        states = {host.setting.name: host.state() for host in rack.hosts}
    rack.hosts = ()  # of which nothing is left; so it can go to another process
    rack.settings = tuple(
        replace(start, state=start.state or states[start.name]) for start in rack.settings
    )
    return rack


def _with(start: PluginSetting, values: Mapping[str, float]) -> PluginSetting:
    """A plugin's start with those of `values` (id -> plain) that are its own."""
    head = f"{start.name}."
    return start.with_values(
        {i.removeprefix(head): v for i, v in values.items() if i.startswith(head)}
    )


def _together(before: Mapping[str, PluginStatus], now: PluginStatus) -> PluginStatus:
    then = before.get(now.name)
    if then is None:
        return now
    counts: dict[str, Any] = {
        name: getattr(then, name) + getattr(now, name)
        for name in ("dry_blocks", "late_blocks", "nonfinite_blocks", "restarts")
    }
    return replace(now, **counts)
