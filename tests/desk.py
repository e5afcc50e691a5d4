"""Controls on a real bridge, and what comes of moving them."""

from __future__ import annotations

import numpy as np

from realtime.bridge import Bridge
from realtime.callback import run_block
from realtime.controls import Change, Controls
from realtime.preset import Preset
from tests.support import rms

RATE = 48_000


class Desk:
    """Controls on a real bridge; `published` and `told` are what came of it, in order."""

    def __init__(self, preset: Preset, **options: object) -> None:
        self.bridge = Bridge(RATE, preset=preset)
        self.published: list[tuple[Preset, float | None]] = []
        self.told: list[Change] = []
        self.controls = Controls(preset, self.publish, **options)
        self.controls.listen(self.told.append)

    def publish(self, preset: Preset, fade_ms: float | None) -> None:
        self.published.append((preset, fade_ms))
        self.bridge.set_preset(preset, fade_ms)

    def heard(self, seconds: float = 0.3, level: float = 0.1) -> float:
        """Level of a 1 kHz tone through the real block function, at the end of some seconds."""
        t = np.arange(round(seconds * RATE / 64) * 64) / RATE
        source = np.ascontiguousarray(level * np.sin(2e3 * np.pi * t)[:, None].repeat(2, 1), "f4")
        out = np.empty_like(source)
        for start in range(0, len(source), 64):
            block = slice(start, start + 64)
            run_block(self.bridge.record, source[block], out[block], 0)
        return rms(out[-RATE // 20 :]) / (level / 2**0.5)
