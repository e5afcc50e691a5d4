"""Subnormals: zero on the audio thread, where they would be slow, and nowhere else."""

from __future__ import annotations

import time

import numpy as np
import pytest
from numba import njit

from realtime.chain import Chain
from realtime.native import flush_to_zero, restore_float_mode
from tests.chain_presets import PRESETS
from tests.support import noise

SMALLEST = np.float32(1.2e-38)  # the smallest normal float32


@njit
def halved(x, flush):
    """x / 2 of float32, with subnormals flushed or not."""
    before = flush_to_zero() if flush else 0
    x[0] *= np.float32(0.5)
    if flush:
        restore_float_mode(before)


@njit
def decay(x, count, flush):
    """A recursion that keeps its numbers where they are."""
    before = flush_to_zero() if flush else 0
    for _ in range(count):
        for i in range(x.shape[0]):
            x[i] = x[i] * np.float32(0.999) + np.float32(1e-3) * x[i]
    if flush:
        restore_float_mode(before)


def test_a_subnormal_is_zero_inside_and_a_number_again_outside() -> None:
    inside, outside = np.array([SMALLEST]), np.array([SMALLEST])
    halved(inside, True)
    halved(outside, False)
    assert inside[0] == 0.0
    assert 0.0 < outside[0] < SMALLEST


@pytest.mark.parametrize("sound", [0.2, 1e-40])
def test_a_block_gives_the_float_mode_back(sound: float) -> None:
    """Python's own arithmetic has subnormals before and after."""
    chain = Chain(48_000, 2, PRESETS["all"])
    for _ in range(3):
        chain.process(noise(64, 2, 1.0) * np.float32(sound))
        half = np.array([SMALLEST])
        halved(half, False)
        assert half[0] > 0.0
        assert SMALLEST * np.float32(0.5) > 0.0


def test_a_subnormal_recursion_is_not_slower() -> None:
    """Medians of runs in turn; on many CPUs it is tens of times slower without the flush."""
    times: dict[float, list[int]] = {1.0: [], 1e-40: []}
    for _ in range(30):
        for value, taken in times.items():
            x = np.full(64, value, np.float32)
            decay(x, 1, True)
            began = time.perf_counter_ns()
            decay(x, 500, True)
            taken.append(time.perf_counter_ns() - began)
    normal, subnormal = (float(np.median(taken)) for taken in times.values())
    assert subnormal < 3.0 * normal
