"""A real plugin behind the chain: in fixed pieces as for files, or in real time as on stage."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from realtime.chain import Chain
from realtime.plugins.host import PluginHost
from realtime.plugins.setting import PluginSetting

RATE = 48_000
Audio = npt.NDArray[np.float32]


@contextmanager
def hosted(
    path: str, block: int = 128, channels: int = 2, *, offline: bool = True, mix: float = 1.0,
    state: bytes = b"", said: list[str] | None = None, **values: float,
) -> Iterator[PluginHost]:  # fmt: skip
    setting = PluginSetting("it", path, mix=mix, values=tuple(values.items()), state=state)
    lines = said if said is not None else []
    host = PluginHost(setting, RATE, channels, block, lines.append, offline)
    try:
        yield host
    finally:
        host.close()


def through(host: PluginHost, x: Audio, cuts: list[int]) -> Audio:
    chain = Chain(RATE, x.shape[1])
    chain.insert([("before-comp", host.record_address)])
    y, start, block = x.copy(), 0, 0
    while start < len(x):
        cut = cuts[block % len(cuts)]
        chain.process(y[start : start + cut])
        host.wait()
        start, block = start + cut, block + 1
    return y


class Player:
    """Plays blocks at their time, and looks after the plugin as a session does."""

    def __init__(self, host: PluginHost, x: Audio, block: int = 256) -> None:
        self.host, self.x, self.block = host, x, block
        self.y = np.zeros_like(x)
        self.chain = Chain(RATE)
        self.chain.process(np.zeros((block, 2), np.float32))
        self.chain.insert([("before-comp", host.record_address)])
        self.at = 0

    def play(self, seconds: float) -> None:
        until, began, first = self.at + int(seconds * RATE), time.perf_counter(), self.at
        while self.at + self.block <= min(until, len(self.x)):
            piece = slice(self.at, self.at + self.block)
            self.y[piece] = self.x[piece]
            self.chain.process(self.y[piece])
            self.at += self.block
            self.host.tend()
            time.sleep(max(0.0, (self.at - first) / RATE - (time.perf_counter() - began)))

    def play_until(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Play until it holds; a busy machine may take a while. Fails after `seconds`."""
        end = self.at + int(seconds * RATE)
        while not condition():
            assert self.at < end, f"not after {seconds:g} s of sound"
            self.play(0.05)

    def hears(self, gain_db: float) -> bool:
        """Whether the last that was played is the input with this gain, at the host's latency."""
        if self.at < 2000 + self.host.latency_frames:
            return False
        last = slice(self.at - 2000, self.at)
        dry = self.x[self.at - 2000 - self.host.latency_frames :][:2000]
        loud = np.abs(dry) > 0.05
        gain = np.median(self.y[last][loud] / dry[loud])
        return bool(abs(20 * np.log10(max(gain, 1e-3)) - gain_db) < 0.1)
