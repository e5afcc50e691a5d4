"""A hand that moves afx-live by OSC, and a render that is moved likewise, to compare."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import numpy as np
from pythonosc.udp_client import SimpleUDPClient

from realtime.bridge import Bridge
from realtime.callback import run_block
from realtime.controls import CHANGE_FADE_MS
from realtime.preset import Preset


class Hand:
    """An OSC client: `hand("comp.ratio", 3)` moves, `hand("next")` presses."""

    def __init__(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._client = SimpleUDPClient("127.0.0.1", self.port)

    def __call__(self, target: str, *values: float) -> None:
        self._client.send_message(f"/{target}", [float(value) for value in values])


def rendered(
    x: np.ndarray,
    channels: int,
    preset: Preset,
    rate: int,
    *,
    size: int = 777,
    switches: Sequence[tuple[int, Preset]] = (),
) -> np.ndarray:
    """What a file render gives; each (frame, preset) fades there as a change of preset does.

    size: of the blocks; it matters to a bit while parameters move, and only then.
    """
    source = np.ascontiguousarray(x)
    bridge = Bridge(rate, source.shape[1], channels, preset)
    y = np.empty((len(x), channels), np.float32)
    at = dict(switches)
    for start in range(0, len(x), size):
        if start in at:
            bridge.set_preset(at[start], fade_ms=CHANGE_FADE_MS)
        run_block(bridge.record, source[start : start + size], y[start : start + size], 0)
    return y
