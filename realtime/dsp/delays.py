"""Delay lines as rings that are read and written a vector at a time.

A ring of `period` places has a margin before it and one behind. What is written across its end,
or within a vector of its beginning, is written there as well, so that a vector can be read and
written at any place. The period is at least a vector longer than the delay: then what is written
behind the last frame of a block lands where nothing is read. [audio-thread] Everything here works
on contiguous float32 arrays and allocates nothing.
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


def period_of(delay):  # type: ignore[no-untyped-def]
    """The least period of a ring for a delay, or for each of an array, of a vector or more. Whole
    vectors: as long as blocks are, writing stays aligned, and across cache lines it takes 2.4 times
    as long."""
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
    """The place `count` places further in a ring; both are at most its period."""
    at += count
    return at - period if at >= period else at


@njit(inline="always", **JIT_EXACT)
def behind(at, frames, period):
    """The place of the last of a piece's frames, and one: `at` is where its vectors ended."""
    at -= -frames % LANES_F32
    return at + period if at < 0 else at


@njit(inline="always", **JIT_EXACT)
def places_of(at, delay, period):
    """Where a vector goes, where the one lies that went in `delay` frames ago, the period."""
    return at, onward(at, period - delay, period), period


@njit(inline="always", **JIT_EXACT)
def next_vector(places):
    """Both places a vector further."""
    at, delayed_at, period = places
    return onward(at, LANES_F32, period), onward(delayed_at, LANES_F32, period), period


@njit(inline="always", **JIT_EXACT)
def read(ring, at):
    """The vector from place `at` on."""
    return load(ring, LANES_F32 + at)


@njit(inline="always", **JIT_EXACT)
def put(ring, at, v):
    """`write` without the margins, in a run of vectors: `mirror` the run behind it."""
    store(ring, LANES_F32 + at, v)


@njit(inline="always", **JIT_EXACT)
def write(ring, at, period, v):
    """Put a vector from place `at` on."""
    put(ring, at, v)
    if np.uint64(at - LANES_F32) > np.uint64(period - 2 * LANES_F32):  # near either end
        put(ring, at + period if at < LANES_F32 else at - period, v)


@njit(inline="always", **JIT_EXACT)
def mirror(ring, at, period, count):
    """Write again what of a run of vectors, `count` frames from place `at` on, lies near either
    end. Of a run only the last vector may reach across the ring's."""
    if at < LANES_F32:
        put(ring, at + period, read(ring, at))
    last = at + count - LANES_F32
    if last > period - LANES_F32:
        put(ring, last - period, read(ring, last))


@njit(inline="always", **JIT_EXACT)
def allpass(ring, places, g, v):
    """One Schroeder allpass over a vector: (z^-d - g) / (1 - g z^-d). places: of d frames.

    Source: Schroeder 1962, "Natural sounding artificial reverberation".
    """
    at, delayed_at, period = places
    delayed = read(ring, delayed_at)
    inside = muladd(g, delayed, v)
    write(ring, at, period, inside)
    return muladd(-g, inside, delayed)


@njit(inline="always", **JIT_EXACT)
def hadamard(v):
    """The 8 x 8 Hadamard matrix times eight vectors."""
    a0, a1, a2, a3 = v[0] + v[1], v[0] - v[1], v[2] + v[3], v[2] - v[3]
    a4, a5, a6, a7 = v[4] + v[5], v[4] - v[5], v[6] + v[7], v[6] - v[7]
    b0, b2, b1, b3 = a0 + a2, a0 - a2, a1 + a3, a1 - a3
    b4, b6, b5, b7 = a4 + a6, a4 - a6, a5 + a7, a5 - a7
    return b0 + b4, b1 + b5, b2 + b6, b3 + b7, b0 - b4, b1 - b5, b2 - b6, b3 - b7
