"""Delay lines as rings that are read and written a vector at a time.

A ring of `period` places has a margin before it and one behind. What is written across its end,
or near its beginning, is written there as well, so that as many frames as the ring's `reach` can
be read and written from any place on without a look at where the ring wraps. The period is at
least a vector longer than the delay: then what is written behind the last frame of a block lands
where nothing is read. [audio-thread] Everything here works on contiguous float32 arrays and
allocates nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numba import njit

from realtime.dsp.intrinsics import JIT_EXACT
from realtime.dsp.simd import LANES_F32, load, muladd, store

REACH = 64  # at most; no ring is shorter than its reach and a vector
MARGINS = REACH + 2 * LANES_F32  # what a ring's array holds beyond its period


def period_of(delay):  # type: ignore[no-untyped-def]
    """The least period of a ring for a delay, or for each of an array. Whole vectors: as long as
    blocks are, writing stays aligned, and across cache lines it takes 2.4 times as long."""
    return -(-np.maximum(delay + LANES_F32, REACH + LANES_F32) // LANES_F32) * LANES_F32


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
    """The place `count` places further in a ring; both are at most its period."""
    at += count
    return at - period if at >= period else at


@njit(inline="always", **JIT_EXACT)
def read(ring, at):
    """The vector from place `at` on."""
    return load(ring, LANES_F32 + at)


@njit(inline="always", **JIT_EXACT)
def write(ring, period, reach, at, v):
    """Put a vector from place `at` on, which is less than period + reach - a vector."""
    store(ring, LANES_F32 + at, v)
    if np.uint64(at - reach) > np.uint64(period - LANES_F32 - reach):  # near either end
        store(ring, LANES_F32 + (at + period if at < reach else at - period), v)


@njit(inline="always", **JIT_EXACT)
def put(ring, at, v):
    """`write` without the margins, for REACH frames at most: `mirror` them before they are read."""
    store(ring, LANES_F32 + at, v)


@njit(inline="always", **JIT_EXACT)
def mirror(ring, period, at, count):
    """Write again what was `put` from place `at` on and lies near either end."""
    if np.uint64(at - REACH) > np.uint64(period - 2 * REACH):
        for i in range(at, at + count, LANES_F32):
            write(ring, period, REACH, i, read(ring, i))


@njit(inline="always", **JIT_EXACT)
def allpass(ring, places, i, g, v):
    """One Schroeder allpass over a vector: (z^-d - g) / (1 - g z^-d).

    places: where the piece goes, where the one lies that went in d frames ago, the period; i: how
    far into the piece the vector is.
    Source: Schroeder 1962, "Natural sounding artificial reverberation".
    """
    at, delay_at, period = places
    delayed = read(ring, delay_at + i)
    inside = muladd(g, delayed, v)
    write(ring, period, REACH, at + i, inside)
    return muladd(-g, inside, delayed)


@njit(inline="always", **JIT_EXACT)
def hadamard(v):
    """The 8 x 8 Hadamard matrix times eight vectors."""
    a0, a1, a2, a3 = v[0] + v[1], v[0] - v[1], v[2] + v[3], v[2] - v[3]
    a4, a5, a6, a7 = v[4] + v[5], v[4] - v[5], v[6] + v[7], v[6] - v[7]
    b0, b2, b1, b3 = a0 + a2, a0 - a2, a1 + a3, a1 - a3
    b4, b6, b5, b7 = a4 + a6, a4 - a6, a5 + a7, a5 - a7
    return b0 + b4, b1 + b5, b2 + b6, b3 + b7, b0 - b4, b1 - b5, b2 - b6, b3 - b7
