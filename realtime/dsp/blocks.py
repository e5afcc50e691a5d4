"""Audio into the chain and out of it: blocks as they come, chunks as the effects take them.

A block is float32 (frames, channels), as PortAudio and files have it. A chunk is float32
(channels, CHUNK) of which the first frames are sound and the rest is room: each channel
contiguous, so that loops become vectors, and all of it in the first-level cache.
[audio-thread] Everything here allocates nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from realtime.dsp.intrinsics import JIT, shaped
from realtime.dsp.simd import (
    A_VECTOR_ON,
    LANES_F32,
    LANES_F64,
    cards_first,
    cards_second,
    evens,
    frames_from,
    lanes,
    load,
    muladd,
    odds,
    outside,
    store,
    within,
)

CHUNK = 512
STEP = 64  # frames for which what cannot move with each of them stays: poles
FAULT_LEVEL = np.float32(32.0)  # +30 dBFS: no converter gives more, so it is no sound


@njit(inline="always", **JIT)
def take_in(x, gain, gain_end):
    """Silence the samples of x that are no sound, not finite or beyond +30 dBFS, and apply a gain
    that goes linearly from `gain` to `gain_end`; returns how many were silenced."""
    frames, channels = x.shape
    faults = 0
    flat = shaped(x, (frames * channels,))
    first = np.float32(gain)
    whole = frames * channels // LANES_F32 * LANES_F32
    for i in range(0, whole, LANES_F32):
        v = load(flat, i)
        faults += outside(v, FAULT_LEVEL)
        store(flat, i, first * within(v, FAULT_LEVEL))
    for i in range(whole, frames * channels):
        sound = abs(flat[i]) <= FAULT_LEVEL
        faults += 0 if sound else 1
        flat[i] = first * flat[i] if sound else np.float32(0.0)
    if gain != gain_end:
        step, one = np.float32((gain_end / gain - 1.0) / frames), np.float32(1.0)
        doubled = channels - 1  # bits by which a sample's number is more than its frame's
        for i in range(0, whole, LANES_F32):
            t = frames_from(i >> doubled)
            if channels == 2:
                t = cards_first(t, t)
            store(flat, i, muladd(t, step, one) * load(flat, i))
        for i in range(whole, frames * channels):
            flat[i] *= one + np.float32(i >> doubled) * step
    return faults


@njit(inline="always", **JIT)
def ramp(coefs, coefs_end, index, per_frame):
    """A coefficient that goes linearly: what it is at the first frame, its change a frame."""
    now = coefs[index]
    return np.float32(now), np.float32((coefs_end[index] - now) * per_frame)


@njit(inline="always", **JIT)
def all_finite(numbers):
    """Whether every one of a contiguous array is, whose size is that of whole vectors."""
    flat = shaped(numbers, (numbers.size,))
    v = load(flat, 0)
    faults = v - v
    for i in range(lanes(v), numbers.size, lanes(v)):
        v = load(flat, i)
        faults = faults + (v - v)
    return outside(faults, 0.0) == 0


@njit(inline="always", **JIT)
def differ(numbers, others, first, count):
    """Whether any of `count` finite float64 from `first` on do, of a vector's worth or more."""
    found = 0
    for i in range(first, first + count - LANES_F64, LANES_F64):
        found += outside(load(numbers, i) - load(others, i), 0.0)
    end = first + count - LANES_F64  # once more what the last ones overlap
    return found + outside(load(numbers, end) - load(others, end), 0.0) != 0


@njit(inline="always", **JIT)
def split(x, audio):
    """Chunk = block."""
    frames, channels = x.shape
    samples = shaped(x, (frames * channels,))
    left, right = audio[0], audio[channels - 1]
    whole = frames // LANES_F32 * LANES_F32
    if channels == 2:
        for i in range(0, whole, LANES_F32):
            v, w = load(samples, 2 * i), load(samples, 2 * i + LANES_F32)
            store(left, i, evens(v, w))
            store(right, i, odds(v, w))
        for i in range(whole, frames):
            left[i], right[i] = samples[2 * i], samples[2 * i + 1]
    else:
        for i in range(0, whole, LANES_F32):
            store(left, i, load(samples, i))
        for i in range(whole, frames):
            left[i] = samples[i]


@njit(inline="always", **JIT)
def join(audio, x, gain, gain_end):
    """Block = chunk, turned up by a gain that goes linearly from `gain` to `gain_end`; returns how
    many samples of it lie beyond full scale, or are no number."""
    frames, channels = x.shape
    samples = shaped(x, (frames * channels,))
    left, right = audio[0], audio[channels - 1]
    whole = frames // LANES_F32 * LANES_F32
    first, step = np.float32(gain), np.float32((gain_end - gain) / max(frames, 1))
    t, one, over = frames_from(np.float32(0.0)), np.float32(1.0), 0
    if channels == 2:
        for i in range(0, whole, LANES_F32):
            volume = muladd(t, step, first)
            v, w = volume * load(left, i), volume * load(right, i)
            over += outside(v, one) + outside(w, one)
            store(samples, 2 * i, cards_first(v, w))
            store(samples, 2 * i + LANES_F32, cards_second(v, w))
            t = t + A_VECTOR_ON
    else:
        for i in range(0, whole, LANES_F32):
            v = muladd(t, step, first) * load(left, i)
            over += outside(v, one)
            store(samples, i, v)
            t = t + A_VECTOR_ON
    for i in range(whole, frames):
        for channel in range(channels):
            v = (np.float32(i) * step + first) * audio[channel, i]
            over += 0 if abs(v) <= one else 1
            x[i, channel] = v
    return over
