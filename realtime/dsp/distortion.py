"""Distortion: an antialiased soft clipper, level-compensated, with a tone control and a mix.

The clipper is f(u) = u / sqrt(1 + u^2). Its antiderivative F(u) = sqrt(1 + u^2) makes first-order
antiderivative antialiasing a closed form without a singular case:
(F(u1) - F(u0)) / (u1 - u0) = (u1 + u0) / (F(u1) + F(u0)).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.biquad import MAX_FREQUENCY
from realtime.dsp.blocks import CHUNK, STEP, ramp
from realtime.dsp.intrinsics import JIT, scratch_f32, shaped
from realtime.dsp.lookahead import (
    POLE_F32,
    POWERS,
    cut_pole_f32,
    load_pole_f32,
    pole_f32,
    powers_of,
    settle_pole_f32,
    store_pole_f32,
)
from realtime.dsp.simd import A_VECTOR_ON, LANES_F32, frames_from, late, load, muladd, root, store
from realtime.dsp.units import db_to_gain

_POLE = (2, POLE_F32, 1, LANES_F32)  # a memory of lookahead's for each channel
DISTORTION_STATE = np.dtype(
    [
        ("droop", np.float32, _POLE),
        ("tone", np.float32, _POLE),
        ("last", np.float32, (2,)),  # driven sample
        ("tone_pole", np.float64),  # with which the tone's memories were made
    ],
    align=True,
)

_GAIN, _LEVEL, _TONE, _MIX = range(4)
_REFERENCE = 0.25  # a peak of -12 dBFS keeps its level
# The quotient averages two samples, which dulls the treble; this pole undoes most of it.
_DROOP = 0.5


def design_distortion(
    drive_db: float, tone_hz: float, mix: float, sample_rate: float
) -> npt.NDArray[np.float64]:
    """Coefficients: float64 (4,): drive gain, level compensation, tone coefficient, mix.

    tone_hz: -3 dB point of a one-pole low-pass (topology-preserving transform), clamped to
    0.45 sample_rate; mix: 0 leaves the input untouched, 1 is only the clipper.
    """
    gain = db_to_gain(drive_db)
    level = math.sqrt(1.0 + (gain * _REFERENCE) ** 2) / gain
    warped = math.tan(math.pi * min(tone_hz / sample_rate, MAX_FREQUENCY))
    return np.array([gain, level, warped / (1.0 + warped), mix])


@njit(inline="always", **JIT)
def _antiderivative(u):
    return root(muladd(u, u, np.float32(1.0)))


@njit(inline="always", **JIT)
def _clip(samples, frames, gain, step, last, clipped):
    """clipped = what the clipper makes of the driven samples; returns the last vector of those.

    last: the vector before the first one
    """
    t = frames_from(np.float32(0.0))
    last_f = _antiderivative(last)
    for i in range(0, frames, LANES_F32):
        now = load(samples, i) * muladd(t, step, gain)
        now_f = _antiderivative(now)
        store(clipped, i, (late(last, now, 1) + now) / (late(last_f, now_f, 1) + now_f))
        last, last_f = now, now_f
        t = t + A_VECTOR_ON
    return last


@njit(inline="always", **JIT)
def _lift(clipped, frames, rows, powers):
    """Undo the droop, in place."""
    droop = load_pole_f32(rows, 0)
    before = droop
    for i in range(0, frames, LANES_F32):
        before = droop
        droop = pole_f32(before, powers, 0, load(clipped, i))
        store(clipped, i, droop[4])
    store_pole_f32(rows, 0, droop)
    over = frames % LANES_F32
    if over:
        cut_pole_f32(rows, 0, before, powers, over)


@njit(**JIT)
def distortion_chunk(audio, frames, coefs, coefs_end, state):
    """Distort a chunk in place while the coefficients go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. The tone moves in steps, every
    STEP frames.

    Three short loops, not one: so many instructions can wait at a time and no more, and in one loop
    each of them waits for all those before.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_distortion, at the first frame and behind the last
    state: record of DISTORTION_STATE, zeros = at rest
    Source: Parker, Zavalishin and Le Bivic 2016, "Reducing the aliasing of nonlinear
    waveshaping using continuous-time convolution"; Zavalishin, "The art of VA filter design".
    """
    wet, driven = scratch_f32(CHUNK), scratch_f32(LANES_F32)
    droop_powers = shaped(scratch_f32(POWERS), (POWERS, 1))
    tone_powers = shaped(scratch_f32(POWERS), (POWERS, 1))
    powers_of(-_DROOP, droop_powers)
    per_frame = 1.0 / max(frames, 1)
    gain, d_gain = ramp(coefs, coefs_end, _GAIN, per_frame)
    level, d_level = ramp(coefs, coefs_end, _LEVEL, per_frame)
    mix, d_mix = ramp(coefs, coefs_end, _MIX, per_frame)
    d_tone = (coefs_end[_TONE] - coefs[_TONE]) * per_frame
    step = STEP if d_tone != 0.0 else frames
    over = frames % LANES_F32
    pole = state.tone_pole

    for channel in range(audio.shape[0]):
        samples = audio[channel]
        store(driven, 0, state.last[channel])
        store(driven, 0, _clip(samples, frames, gain, d_gain, load(driven, 0), wet))
        state.last[channel] = driven[(frames - 1) % LANES_F32]
        _lift(wet, frames, state.droop[channel], droop_powers)
        rows = state.tone[channel]
        start, pole = 0, state.tone_pole
        while start < frames:
            end = min(start + step, frames)
            tone = coefs[_TONE] + d_tone * start
            powers_of(1.0 - 2.0 * tone, tone_powers)
            if pole != 1.0 - 2.0 * tone:
                pole = 1.0 - 2.0 * tone
                settle_pole_f32(rows, 0, tone_powers)
            scale = np.float32((1.0 + _DROOP) * tone)
            low = load_pole_f32(rows, 0)
            before = low
            t = frames_from(start)
            for i in range(start, end, LANES_F32):
                before = low
                low = pole_f32(before, tone_powers, 0, scale * load(wet, i))
                clean = load(samples, i)
                dirty = muladd(t, d_level, level) * (late(before[4], low[4], 1) + low[4])
                store(samples, i, muladd(muladd(t, d_mix, mix), dirty - clean, clean))
                t = t + A_VECTOR_ON
            store_pole_f32(rows, 0, low)
            if end == frames and over:
                cut_pole_f32(rows, 0, before, tone_powers, over)
            start = end
    state.tone_pole = pole
