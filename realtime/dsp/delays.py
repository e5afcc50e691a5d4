"""Delay lines as rings that are read and written a vector at a time.

Rings come in groups of one period, all written at the same place; each is read at its own delay
behind it. A ring has a margin before it and one behind: what is put across the rings' end, or
within a vector of their beginning, is written there as well (`mirror`), so that a vector can be
read and put at any place. The period is at least a vector longer than the longest delay: then what
is written behind the last frame of a block lands where nothing is read. [audio-thread] Everything
here works on contiguous float32 arrays and allocates nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numba import njit

from realtime.dsp.intrinsics import JIT_EXACT
from realtime.dsp.simd import LANES_F32, load, muladd, store

MARGINS = 3 * LANES_F32  # what a ring's array holds beyond its period: one before, two behind


def period_of(delay: int) -> int:
    """The least period of rings whose longest delay is a vector or more. Whole vectors: as long as
    blocks are, writing stays aligned, and across cache lines it takes 2.4 times as long."""
    return -(-(delay + LANES_F32) // LANES_F32) * LANES_F32


@functools.cache  # asked for the same few numbers at every change of a parameter
def _next_prime(number: int) -> int:
    while any(number % d == 0 for d in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def primes(times_ms: Sequence[float], sample_rate: float) -> list[int]:
    """Delays in frames: for each of these times the next prime. Not on the audio thread."""
    return [_next_prime(round(ms * 1e-3 * sample_rate)) for ms in times_ms]


@njit(inline="always", **JIT_EXACT)
def onward(at, count, period):
    """The place `count` places further, at most a period."""
    at += count
    return at - period if at >= period else at


@njit(inline="always", **JIT_EXACT)
def ago(at, frames, period):
    """The place that was written so many frames, at most a period, before place `at`."""
    at -= frames
    return at + period if at < 0 else at


@njit(inline="always", **JIT_EXACT)
def read(ring, at):
    """The vector from place `at` on."""
    return load(ring, LANES_F32 + at)


@njit(inline="always", **JIT_EXACT)
def put(ring, at, v):
    """Put a vector from place `at` on; to be mirrored once each ring of the group has its own."""
    store(ring, LANES_F32 + at, v)


@njit(inline="always", **JIT_EXACT)
def mirror(rings, at, period):
    """Write again what has been put at place `at` of each ring, if it lies near either end."""
    if np.uint64(at - LANES_F32) > np.uint64(period - 2 * LANES_F32):
        there = at + period if at < LANES_F32 else at - period
        for ring in range(rings.shape[0]):
            put(rings[ring], there, read(rings[ring], at))


@njit(inline="always", **JIT_EXACT)
def allpass(ring, at, delayed_at, g, v):
    """One Schroeder allpass over a vector, as long as its ring's delay: (z^-d - g) / (1 - g z^-d).

    Source: Schroeder 1962, "Natural sounding artificial reverberation".
    """
    delayed = read(ring, delayed_at)
    inside = muladd(g, delayed, v)
    put(ring, at, inside)
    return muladd(-g, inside, delayed)


@njit(inline="always", **JIT_EXACT)
def hadamard(v):
    """The 8 x 8 Hadamard matrix times eight vectors."""
    a0, a1, a2, a3 = v[0] + v[1], v[0] - v[1], v[2] + v[3], v[2] - v[3]
    a4, a5, a6, a7 = v[4] + v[5], v[4] - v[5], v[6] + v[7], v[6] - v[7]
    b0, b2, b1, b3 = a0 + a2, a0 - a2, a1 + a3, a1 - a3
    b4, b6, b5, b7 = a4 + a6, a4 - a6, a5 + a7, a5 - a7
    return b0 + b4, b1 + b5, b2 + b6, b3 + b7, b0 - b4, b1 - b5, b2 - b6, b3 - b7
