"""Whether the time of a block depends on the values in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.signals import PRESET, swelling_noise
from realtime.chain import Chain
from realtime.params import TABLE
from realtime.preset import Preset

RATE, CHANNELS, BLOCK_SIZE = 48_000, 2, 128
SOUND_BLOCKS = 200  # before silence
REST_BLOCKS = 50  # between two presets of extremes


def measure_values(
    blocks: int, passes: int, summary: Callable[[np.ndarray, int, int], dict[str, float]]
) -> dict[str, Any]:
    """The chain's time for the plain case and for hostile ones, block by block in turn.

    `blocks` times a case, in so many passes over the same blocks and changes. Returns a row a
    case: `summary` of its times, and its figures over those of the plain case.
    """
    rng = np.random.default_rng(0)
    sound = swelling_noise(RATE, CHANNELS)
    starts = np.arange(-(-blocks // passes)) * BLOCK_SIZE % (len(sound) - BLOCK_SIZE)
    full = rng.uniform(-1.0, 1.0, (BLOCK_SIZE, CHANNELS)).astype(np.float32)
    subnormal = np.full((BLOCK_SIZE, CHANNELS), 1e-40, np.float32)
    corners = [Preset({p.id: p.from_unit(rng.choice([0, 1])) for p in TABLE}) for _ in range(16)]

    def plain(index: int) -> np.ndarray:
        start = starts[index]
        return sound[start : start + BLOCK_SIZE]

    cases: dict[str, Callable[[int], np.ndarray]] = {
        "plain": plain,
        "full-scale noise": lambda index: full,
        "silence into subnormals": lambda i: plain(i) if i < SOUND_BLOCKS else subnormal,
        "extremes at rest": plain,
        "extremes, moved every 50 blocks": plain,
    }
    elapsed = {name: np.zeros((passes, len(starts)), np.int64) for name in cases}
    block = np.zeros((BLOCK_SIZE, CHANNELS), np.float32)
    for number in range(passes):
        chains = {name: Chain(RATE, CHANNELS, PRESET) for name in cases}
        chains["extremes at rest"] = Chain(RATE, CHANNELS, corners[0])
        for index in range(len(starts)):
            rest = index // REST_BLOCKS
            if index % REST_BLOCKS == 0:
                chains["extremes, moved every 50 blocks"].set_preset(corners[rest % len(corners)])
                time.sleep(1e-3)
            # Whoever comes first after the pause finds the caches cold: each in turn.
            first = (rest + number) % len(cases)
            for name in [*cases][first:] + [*cases][:first]:
                block[:] = cases[name](index)
                began = time.perf_counter_ns()
                chains[name].process(block)
                elapsed[name][number, index] = time.perf_counter_ns() - began
    rows: dict[str, Any] = {
        name: summary(times, BLOCK_SIZE, RATE) for name, times in elapsed.items()
    }
    for row in rows.values():
        for figure in ("p50", "p999", "steady_p999"):
            of_plain = row[f"{figure}_us"] / rows["plain"][f"{figure}_us"]
            row[f"{figure}_of_plain"] = round(of_plain, 2)
    return rows
