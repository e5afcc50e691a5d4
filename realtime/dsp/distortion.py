"""Distortion: an antialiased soft clipper, level-compensated, with a tone control and a mix.

The clipper is f(u) = u / sqrt(1 + u^2). Its antiderivative F(u) = sqrt(1 + u^2) makes first-order
antiderivative antialiasing a closed form without a singular case:
(F(u1) - F(u0)) / (u1 - u0) = (u1 + u0) / (F(u1) + F(u0)).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import carray, njit

from realtime.dsp.biquad import MAX_FREQUENCY
from realtime.dsp.intrinsics import JIT, scratch_f32
from realtime.dsp.units import db_to_gain

DISTORTION_STATE = (3, 2)  # float64: input, droop filter, tone filter; per channel, 0 at rest

_GAIN, _LEVEL, _TONE, _MIX = range(4)
_CHUNK = 128
_SLOTS = 129  # one chunk and the sample before it
_PAIR_SLOTS = 258
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
def distortion_ramp(x, coefs, coefs_end, state):
    """Distort x in place while the coefficients go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `x` and `state`. The tone stays at `coefs` for the
    whole block.

    x: float32 (frames, channels 1..2); coefs, coefs_end: float64 (4,); state: float64 (3, 2)
    Source: Parker, Zavalishin and Le Bivic 2016, "Reducing the aliasing of nonlinear
    waveshaping using continuous-time convolution"; Zavalishin, "The art of VA filter design".
    """
    frames, channels = x.shape
    inputs = carray(scratch_f32(_PAIR_SLOTS), (2, _SLOTS))
    roots = carray(scratch_f32(_SLOTS), (_SLOTS,))
    one = np.float32(1.0)
    per_frame = 1.0 / max(frames, 1)
    gain, level, mix = (
        np.float32(coefs[_GAIN]), np.float32(coefs[_LEVEL]), np.float32(coefs[_MIX]),
    )  # fmt: skip
    d_gain = np.float32((coefs_end[_GAIN] - coefs[_GAIN]) * per_frame)
    d_level = np.float32((coefs_end[_LEVEL] - coefs[_LEVEL]) * per_frame)
    d_mix = np.float32((coefs_end[_MIX] - coefs[_MIX]) * per_frame)
    tone = 2.0 * coefs[_TONE]
    keep = 1.0 - tone

    for start in range(0, frames, _CHUNK):
        count = min(_CHUNK, frames - start)
        for channel in range(channels):
            u = inputs[channel]
            u[0] = np.float32(state[0, channel])
            for i in range(count):
                u[i + 1] = x[start + i, channel] * (gain + np.float32(start + i) * d_gain)
            for i in range(count + 1):
                roots[i] = math.sqrt(one + u[i] * u[i])
            state[0, channel] = np.float64(u[count])
            for i in range(count):
                u[i] = (u[i] + u[i + 1]) / (roots[i] + roots[i + 1])
        # Two recursions a channel, each waiting for its own last step: the channels run side by
        # side. Mono computes the same thing twice.
        left, right = inputs[0], inputs[channels - 1]
        v0, v1, s0, s1 = state[1, 0], state[1, channels - 1], state[2, 0], state[2, channels - 1]
        for i in range(count):
            v0 = (1.0 + _DROOP) * np.float64(left[i]) - _DROOP * v0
            v1 = (1.0 + _DROOP) * np.float64(right[i]) - _DROOP * v1
            old0, old1 = s0, s1
            s0 = keep * s0 + tone * v0
            s1 = keep * s1 + tone * v1
            left[i] = np.float32(0.5 * (old0 + s0))
            right[i] = np.float32(0.5 * (old1 + s1))
        state[1, 0], state[1, channels - 1], state[2, 0], state[2, channels - 1] = v0, v1, s0, s1
        for channel in range(channels):
            wet = inputs[channel]
            for i in range(count):
                t = np.float32(start + i)
                clean = x[start + i, channel]
                dirty = (level + t * d_level) * wet[i]
                x[start + i, channel] = clean + (mix + t * d_mix) * (dirty - clean)


@njit(**JIT)
def distortion_block(x, coefs, state):
    """Distort one block in place.

    [audio-thread] Allocates nothing. Changes `x` and `state`.

    x: float32 (frames, channels 1..2), full scale +-1.0; coefs: of design_distortion
    state: float64 (3, 2), zeros = at rest
    """
    distortion_ramp(x, coefs, coefs, state)
