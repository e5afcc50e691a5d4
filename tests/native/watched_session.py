"""Runs in a process that audio_thread.c is preloaded into; prints what the watch counted as JSON.

watched_session.py LIBRARY SCENARIO     (storm, gil or misbehave, or the path of a plugin)
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys

import numpy as np

from realtime.bridge import Bridge
from realtime.callback import compile_all, stream_callback
from realtime.params import TABLE
from realtime.plugins.host import PluginHost
from realtime.plugins.setting import PluginSetting
from realtime.preset import Preset

COUNTS = ("allocations", "frees", "locks", "waits", "calls", "posts")
FRAMES = 32
LIMIT_SECONDS = 60.0
PLUGIN_BLOCKS, PLUGIN_PAUSE_NS = 6_000, 200_000


def main(library_path: str, scenario: str) -> None:
    """Run one scenario."""
    compile_all()
    library = ctypes.CDLL(library_path)
    library.watch_misbehaving.restype = ctypes.c_size_t
    rng = np.random.default_rng(0)
    source = (0.3 * rng.standard_normal((FRAMES, 2))).astype(np.float32)
    source[3] = np.nan  # the fault path is held to the same contract
    out = np.zeros_like(source)
    bridge = Bridge(48_000)
    presets = [
        Preset({p.id: p.from_unit(u) for p, u in zip(TABLE, rng.random(len(TABLE)), strict=True)})
        for _ in range(16)
    ]
    callback = stream_callback().address
    blocks = {"storm": 100_000, "gil": 100_000, "misbehave": 1}.get(scenario, PLUGIN_BLOCKS)
    plugin = None if scenario in ("storm", "gil", "misbehave") else inserted(scenario, bridge)
    if scenario == "misbehave":
        callback = library.watch_misbehaving()
    library.watch_start(
        ctypes.c_size_t(callback), source.ctypes.data_as(ctypes.c_void_p),
        out.ctypes.data_as(ctypes.c_void_p), ctypes.c_ulong(FRAMES),
        ctypes.c_size_t(bridge.address), ctypes.c_long(blocks),
        ctypes.c_long(PLUGIN_PAUSE_NS if plugin else 0),
    )  # fmt: skip
    published = 0
    if scenario == "storm":
        while bridge.counters()["blocks"] < blocks and published < 1_000_000:
            bridge.set_preset(presets[published % len(presets)])
            bridge.read_input()
            bridge.read_output()
            published += 1
        finished = library.watch_wait(ctypes.c_double(LIMIT_SECONDS))
    elif plugin:
        abuse(plugin, bridge, blocks)
        finished = library.watch_wait(ctypes.c_double(LIMIT_SECONDS))
    else:
        # PyDLL keeps the GIL: were the callback ever to ask for it, this would time out.
        held = ctypes.PyDLL(library_path)
        finished = held.watch_wait(ctypes.c_double(LIMIT_SECONDS))
    counts = (ctypes.c_long * len(COUNTS))()
    library.watch_counts(counts)
    print(
        json.dumps(
            {
                **dict(zip(COUNTS, counts, strict=True)),
                "finished": bool(finished),
                "published": published,
                "blocks": bridge.counters()["blocks"],
                "resets": bridge.counters()["nonfinite_resets"],
                "plugin": vars(plugin.status()) if plugin else None,
                "finite": bool(np.isfinite(out).all()),
            }
        )
    )
    sys.stdout.flush()
    if plugin:
        plugin.close()


def inserted(path: str, bridge: Bridge) -> PluginHost:
    """The plugin at this path, in the middle of the chain."""
    host = PluginHost(PluginSetting("it", path), 48_000, 2, FRAMES)
    bridge.insert([(host.setting.point, host.record_address)])
    return host


def abuse(host: PluginHost, bridge: Bridge, blocks: int) -> None:
    """Move all of it, ask it, kill it twice, and have it look after itself, while blocks go by."""
    deaths = [blocks // 3, 2 * blocks // 3]
    moves = 0
    while (done := bridge.counters()["blocks"]) < blocks:
        host.move({row.id.partition(".")[2]: row.default for row in host.parameters}, moves % 500)
        host.set_mix(moves % 2, moves % 300)
        host.state()
        if deaths and done > deaths[0]:
            deaths.pop(0)
            os.kill(host.pid, signal.SIGKILL)
        host.tend()
        bridge.read_input()
        bridge.read_output()
        moves += 1


if __name__ == "__main__":
    main(*sys.argv[1:])
