"""Runs in a process that audio_thread.c is preloaded into; prints what the watch counted as JSON.

watched_session.py LIBRARY SCENARIO     (storm, gil or misbehave)
"""

from __future__ import annotations

import ctypes
import json
import sys

import numpy as np

from realtime.bridge import Bridge
from realtime.callback import compile_all, stream_callback
from realtime.params import TABLE
from realtime.preset import Preset

COUNTS = ("allocations", "frees", "locks", "waits", "calls")
FRAMES = 32
LIMIT_SECONDS = 60.0


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
    blocks = {"storm": 100_000, "gil": 100_000, "misbehave": 1}[scenario]
    if scenario == "misbehave":
        callback = library.watch_misbehaving()
    library.watch_start(
        ctypes.c_size_t(callback), source.ctypes.data_as(ctypes.c_void_p),
        out.ctypes.data_as(ctypes.c_void_p), ctypes.c_ulong(FRAMES),
        ctypes.c_size_t(bridge.address), ctypes.c_long(blocks), ctypes.c_long(0),
    )  # fmt: skip
    published = 0
    if scenario == "storm":
        while bridge.counters()["blocks"] < blocks and published < 1_000_000:
            bridge.set_preset(presets[published % len(presets)])
            bridge.read_input()
            bridge.read_output()
            published += 1
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
                "finite": bool(np.isfinite(out).all()),
            }
        )
    )
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
