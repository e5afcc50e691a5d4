"""The same input through the chain again and again, each time set otherwise; on several threads.

Plugins are loaded once for each thread and go on from one render to the next: what they still
hold rings out into a lead of silence that is thrown away.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from realtime.chain import Chain
from realtime.features import mono
from realtime.params import Param
from realtime.plugins.setting import PluginSetting
from realtime.preset import Preset

if TYPE_CHECKING:
    from realtime.plugins.host import PluginHost

Audio = npt.NDArray[np.float32]

BLOCK_FRAMES = 4096
RENDER_SECONDS = 5.0
_LEAD_SECONDS = 0.25


class Renders:
    """count: how many were made. params: id -> row, of what the plugins can be moved by."""

    def __init__(self, x: Audio, sample_rate: int, racks: Iterable[tuple[PluginHost, ...]]) -> None:
        self._x, self._rate = x, sample_rate
        self._free: queue.SimpleQueue[tuple[PluginHost, ...]] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self.count = 0
        self.params: dict[str, Param] = {}
        for rack in racks:
            self._free.put(rack)
            self.params = {row.id: row for host in rack for row in host.parameters}

    def render(self, preset: Preset) -> Audio:
        """The input as `preset` makes it sound, float32 (frames, 1). From any thread.

        Raises: PluginError where a plugin ends in the middle.
        """
        with self._counting:
            self.count += 1
        chain = Chain(self._rate, 1, preset)
        if not preset.plugins:
            return chain.process(self._x.copy())
        rack = self._free.get()
        try:
            return self._with_plugins(chain, preset, rack)
        finally:
            self._free.put(rack)

    def _with_plugins(self, chain: Chain, preset: Preset, rack: tuple[PluginHost, ...]) -> Audio:
        for host, plugin in zip(rack, preset.plugins, strict=True):
            host.move(dict(plugin.values), 0)
            host.set_mix(plugin.mix, 0)
        chain.insert([(host.setting.point, host.record_address) for host in rack])
        lead = round(_LEAD_SECONDS * self._rate)
        late = lead + sum(host.latency_frames for host in rack)
        y = np.zeros((lead + len(self._x) + late - lead, 1), np.float32)
        y[lead : lead + len(self._x)] = self._x
        for start in range(0, len(y), BLOCK_FRAMES):
            chain.process(y[start : start + BLOCK_FRAMES])
            for host in rack:
                host.wait()
        return y[late:]


@contextmanager
def renders_of(
    x: Audio, sample_rate: int, settings: tuple[PluginSetting, ...], threads: int
) -> Iterator[Renders]:
    """Renders of x (frames, 1) with these plugins ready for so many threads; ends their processes.

    Raises: PluginError where a plugin cannot be loaded.
    """
    with ExitStack() as stack:
        racks = []
        for _ in range(threads if settings else 0):
            from realtime.plugins.host import PluginHost  # only POSIX has what it needs

            hosts = []
            for setting in settings:
                host = PluginHost(setting, sample_rate, 1, BLOCK_FRAMES, offline=True)
                stack.callback(host.close)
                hosts.append(host)
            racks.append(tuple(hosts))
        yield Renders(x, sample_rate, racks)


def loudest_piece(audio: npt.ArrayLike, sample_rate: int) -> Audio:
    """The loudest stretch that a render takes, float32 (frames, 1)."""
    x = mono(audio)
    size = round(RENDER_SECONDS * sample_rate)
    if len(x) > size:
        energy = np.concatenate([[0.0], np.cumsum(np.square(x, dtype=np.float64))])
        start = int(np.argmax(energy[size:] - energy[:-size]))
        x = x[start : start + size]
    return np.ascontiguousarray(x[:, None])
