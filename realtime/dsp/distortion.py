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
from realtime.dsp.blocks import CHUNK
from realtime.dsp.intrinsics import JIT, frame_f32, scratch_f32, scratch_f64
from realtime.dsp.lookahead import LANES_F64, one_pole_f64, settle
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
_DRIVEN = CHUNK + 1  # one chunk and the sample before it
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


@njit(**JIT)
def distortion_chunk(audio, frames, coefs, coefs_end, state):
    """Distort a chunk in place while the coefficients go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. The tone stays at `coefs` for
    the whole chunk.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_distortion, at the first frame and behind the last
    state: record of DISTORTION_STATE, zeros = at rest
    Source: Parker, Zavalishin and Le Bivic 2016, "Reducing the aliasing of nonlinear
    waveshaping using continuous-time convolution"; Zavalishin, "The art of VA filter design".
    """
    channels = audio.shape[0]
    driven = scratch_f32(_DRIVEN)
    roots = scratch_f32(_DRIVEN)
    u = scratch_f64(_BUFFER)
    y = scratch_f64(_BUFFER)
    one, half = np.float32(1.0), np.float32(0.5)
    per_frame = 1.0 / max(frames, 1)
    gain, level, mix = (
        np.float32(coefs[_GAIN]), np.float32(coefs[_LEVEL]), np.float32(coefs[_MIX]),
    )  # fmt: skip
    d_gain = np.float32((coefs_end[_GAIN] - coefs[_GAIN]) * per_frame)
    d_level = np.float32((coefs_end[_LEVEL] - coefs[_LEVEL]) * per_frame)
    d_mix = np.float32((coefs_end[_MIX] - coefs[_MIX]) * per_frame)
    tone = 2.0 * coefs[_TONE]
    keep = 1.0 - tone

    for channel in range(channels):
        samples = audio[channel]
        driven[0] = state.last[channel]
        for i in range(frames):
            driven[i + 1] = samples[i] * (gain + frame_f32(i) * d_gain)
        state.last[channel] = driven[frames]
        for i in range(frames + 1):
            roots[i] = math.sqrt(one + driven[i] * driven[i])
        for i in range(frames):
            clipped = (driven[i] + driven[i + 1]) / (roots[i] + roots[i + 1])
            u[LANES_F64 + i] = (1.0 + _DROOP) * np.float64(clipped)
        one_pole_f64(state.droop[channel], u, y, -_DROOP, frames)
        for i in range(frames):
            u[LANES_F64 + i] = tone * y[LANES_F64 + i]
        if keep != state.tone_pole:
            settle(state.tone[channel], keep)
        one_pole_f64(state.tone[channel], u, y, keep, frames)
        for i in range(frames):
            t = frame_f32(i)
            wet = half * np.float32(y[LANES_F64 - 1 + i] + y[LANES_F64 + i])
            clean = samples[i]
            dirty = (level + t * d_level) * wet
            samples[i] = clean + (mix + t * d_mix) * (dirty - clean)
    state.tone_pole = keep
