"""Delay lines as rings, and what a reverb does with pieces of them.

[audio-thread] Everything here works on contiguous float32 arrays and allocates nothing. Rings
are cut into at most two slices before the loops over them: an index that might be negative would
keep LLVM from vectorising.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from realtime.dsp.intrinsics import JIT_EXACT
from realtime.dsp.lookahead import LANES_F32


@njit(inline="always", **JIT_EXACT)
def _copy(source, out):
    for i in range(out.shape[0]):
        out[i] = source[i]


@njit(inline="always", **JIT_EXACT)
def onward(at, count, length):
    """The place `count` samples further in a ring of `length`; both below it."""
    at += count
    return at - length if at >= length else at


@njit(inline="always", **JIT_EXACT)
def read_ring(ring, length, at, out):
    """Fill `out` with the samples from `at` on of a ring of `length` samples."""
    count = out.shape[0]
    first = min(count, length - at)
    _copy(ring[at : at + first], out[:first])
    _copy(ring[: count - first], out[first:])


@njit(inline="always", **JIT_EXACT)
def write_ring(ring, length, at, source):
    """The reverse of read_ring."""
    count = source.shape[0]
    first = min(count, length - at)
    _copy(source[:first], ring[at : at + first])
    _copy(source[first:], ring[: count - first])


@njit(inline="always", **JIT_EXACT)
def _add(source, factor, more, out):
    for i in range(out.shape[0]):
        out[i] = source[i] + factor * more[i]


@njit(inline="always", **JIT_EXACT)
def write_sum(ring, length, at, source, factor, more):
    """write_ring of source + factor * more."""
    count = source.shape[0]
    first = min(count, length - at)
    _add(source[:first], factor, more[:first], ring[at : at + first])
    _add(source[first:], factor, more[first:], ring[: count - first])


@njit(inline="always", **JIT_EXACT)
def _allpass_piece(samples, delayed, g):
    for i in range(samples.shape[0]):
        d = delayed[i]
        w = samples[i] + g * d
        samples[i] = d - g * w
        delayed[i] = w


@njit(inline="always", **JIT_EXACT)
def allpass(samples, ring, length, at, g):
    """One Schroeder allpass in place: (z^-length - g) / (1 - g z^-length); returns the new `at`.

    Source: Schroeder 1962, "Natural sounding artificial reverberation".
    """
    done = 0
    while done < samples.shape[0]:
        count = min(samples.shape[0] - done, length - at)
        _allpass_piece(samples[done : done + count], ring[at : at + count], g)
        done += count
        at = onward(at, count, length)
    return at


@njit(inline="always", **JIT_EXACT)
def hadamard(lines, count):
    """The 8 x 8 Hadamard matrix over sqrt 8 (orthogonal: it loses nothing), frame by frame.

    lines: eight buffers of lookahead.one_pole_f32
    """
    scale = np.float32(0.35355339059327373)
    for i in range(count):
        k = LANES_F32 + i
        a0, a1 = lines[0, k] + lines[1, k], lines[0, k] - lines[1, k]
        a2, a3 = lines[2, k] + lines[3, k], lines[2, k] - lines[3, k]
        a4, a5 = lines[4, k] + lines[5, k], lines[4, k] - lines[5, k]
        a6, a7 = lines[6, k] + lines[7, k], lines[6, k] - lines[7, k]
        b0, b2, b1, b3 = a0 + a2, a0 - a2, a1 + a3, a1 - a3
        b4, b6, b5, b7 = a4 + a6, a4 - a6, a5 + a7, a5 - a7
        lines[0, k], lines[4, k] = scale * (b0 + b4), scale * (b0 - b4)
        lines[1, k], lines[5, k] = scale * (b1 + b5), scale * (b1 - b5)
        lines[2, k], lines[6, k] = scale * (b2 + b6), scale * (b2 - b6)
        lines[3, k], lines[7, k] = scale * (b3 + b7), scale * (b3 - b7)
