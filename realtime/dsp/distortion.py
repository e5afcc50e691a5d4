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
from realtime.dsp.blocks import CHUNK, STEP
from realtime.dsp.intrinsics import JIT, scratch_f32, scratch_f64
from realtime.dsp.lookahead import one_pole_f64, scaled_pole_f64, settle
from realtime.dsp.simd import (
    LANES_F32,
    LANES_F64,
    first_half,
    frames_from,
    halves,
    late,
    load,
    muladd,
    root,
    second_half,
    store,
)
from realtime.dsp.units import db_to_gain

# Per channel; the histories are those of lookahead.one_pole_f64: what went in, what came out.
DISTORTION_STATE = np.dtype(
    [
        ("last", np.float32, (2,)),  # driven sample
        ("droop", np.float64, (2, 2, LANES_F64)),
        ("tone", np.float64, (2, 2, LANES_F64)),
        ("tone_pole", np.float64),  # with which the tone's histories were made
    ],
    align=True,
)

_GAIN, _LEVEL, _TONE, _MIX = range(4)
_BUFFER = CHUNK + LANES_F64
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


@njit(**JIT)
def distortion_chunk(audio, frames, coefs, coefs_end, state):
    """Distort a chunk in place while the coefficients go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. The tone moves in steps, every
    STEP frames.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_distortion, at the first frame and behind the last
    state: record of DISTORTION_STATE, zeros = at rest
    Source: Parker, Zavalishin and Le Bivic 2016, "Reducing the aliasing of nonlinear
    waveshaping using continuous-time convolution"; Zavalishin, "The art of VA filter design".
    """
    channels = audio.shape[0]
    driven = scratch_f32(CHUNK)
    u = scratch_f64(_BUFFER)
    y = scratch_f64(_BUFFER)
    zero, half = np.float32(0.0), np.float32(0.5)
    per_frame = 1.0 / max(frames, 1)
    gain, level, mix = (
        np.float32(coefs[_GAIN]), np.float32(coefs[_LEVEL]), np.float32(coefs[_MIX]),
    )  # fmt: skip
    d_gain = np.float32((coefs_end[_GAIN] - coefs[_GAIN]) * per_frame)
    d_level = np.float32((coefs_end[_LEVEL] - coefs[_LEVEL]) * per_frame)
    d_mix = np.float32((coefs_end[_MIX] - coefs[_MIX]) * per_frame)
    d_tone = (coefs_end[_TONE] - coefs[_TONE]) * per_frame
    step = STEP if d_tone != 0.0 else frames
    keep = state.tone_pole

    for channel in range(channels):
        samples = audio[channel]
        last = frames_from(zero) * zero + state.last[channel]
        last_f = _antiderivative(last)
        for i in range(0, frames, LANES_F32):
            now = load(samples, i) * muladd(frames_from(i), d_gain, gain)
            store(driven, i, now)
            now_f = _antiderivative(now)
            clipped = (late(last, now, 1) + now) / (late(last_f, now_f, 1) + now_f)
            store(u, LANES_F64 + i, first_half(clipped))
            store(u, 2 * LANES_F64 + i, second_half(clipped))
            last, last_f = now, now_f
        state.last[channel] = driven[frames - 1]
        one_pole_f64(state.droop[channel], u, y, -_DROOP, frames)
        start, keep = 0, state.tone_pole
        while start < frames:
            end = min(start + step, frames)
            tone = 2.0 * (coefs[_TONE] + d_tone * start)
            if keep != 1.0 - tone:
                keep = 1.0 - tone
                settle(state.tone[channel], keep)
            scale = (1.0 + _DROOP) * tone
            scaled_pole_f64(state.tone[channel], y[start:], u[start:], keep, end - start, scale)
            for i in range(start, end, LANES_F32):
                t = frames_from(i)
                first = load(u, LANES_F64 - 1 + i) + load(u, LANES_F64 + i)
                second = load(u, 2 * LANES_F64 - 1 + i) + load(u, 2 * LANES_F64 + i)
                clean = load(samples, i)
                dirty = muladd(t, d_level, level) * (half * halves(first, second))
                store(samples, i, muladd(muladd(t, d_mix, mix), dirty - clean, clean))
            start = end
    state.tone_pole = keep
