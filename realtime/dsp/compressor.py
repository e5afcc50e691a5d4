"""Compressor: feed-forward, linked over the channels, soft knee, separate attack and release."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.blocks import CHUNK, STEP, ramp
from realtime.dsp.intrinsics import JIT, scratch_f32, scratch_f64, shaped
from realtime.dsp.lookahead import lower_pole_f64, settle
from realtime.dsp.simd import (
    A_VECTOR_ON,
    LANES_F32,
    LANES_F64,
    first_half,
    frames_from,
    halves,
    larger,
    load,
    magnitude,
    muladd,
    second_half,
    smaller,
    store,
)
from realtime.dsp.simd_math import exp2, log2
from realtime.dsp.units import one_pole

# float64, 0 at rest: the gain reduction in dB, the poles with which the histories of lookahead
# were made, and those: what was wanted and what was done.
COMPRESSOR_HISTORY = 3
COMPRESSOR_STATE = (COMPRESSOR_HISTORY + 2 * LANES_F64,)

_THRESHOLD, _SLOPE, _KNEE, _ATTACK, _RELEASE, _MAKEUP = range(6)
_BUFFER = CHUNK + LANES_F64
_FLOOR = np.float32(1e-6)  # -120 dBFS: what silence counts as
_DB_PER_OCTAVE = np.float32(6.0205999132796239)  # dB in a doubling of amplitude
_OCTAVES_PER_DB = 1.0 / 6.0205999132796239


def design_compressor(
    threshold_db: float,
    ratio: float,
    knee_db: float,
    attack_ms: float,
    release_ms: float,
    makeup_gain_db: float,
    sample_rate: float,
) -> npt.NDArray[np.float64]:
    """Coefficients: float64 (6,): threshold dBFS, slope, knee dB, attack, release, make-up dB.

    slope is 1 - 1/ratio; attack and release are one-pole coefficients whose time constants
    (63 % of a step of the gain reduction in dB) are attack_ms and release_ms.
    """
    return np.array(
        [
            threshold_db,
            1.0 - 1.0 / ratio,
            knee_db,
            one_pole(attack_ms, sample_rate),
            one_pole(release_ms, sample_rate),
            makeup_gain_db,
        ]
    )


@njit(**JIT)
def compressor_chunk(audio, frames, coefs, coefs_end, state):
    """Compress a chunk in place while the coefficients go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. Attack and release move in
    steps, every STEP frames.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_compressor, at the first frame and behind the last
    Source: Giannoulis, Massberg and Reiss 2012, "Digital dynamic range compressor design",
    gain computer (4) and smooth branching detector, on the gain reduction in dB.
    """
    channels = audio.shape[0]
    wanted, done = scratch_f64(_BUFFER), scratch_f64(_BUFFER)
    over = scratch_f32(CHUNK)
    per_frame = 1.0 / max(frames, 1)
    threshold, d_threshold = ramp(coefs, coefs_end, _THRESHOLD, per_frame)
    slope, d_slope = ramp(coefs, coefs_end, _SLOPE, per_frame)
    knee, d_knee = ramp(coefs, coefs_end, _KNEE, per_frame)
    makeup, d_makeup = ramp(coefs, coefs_end, _MAKEUP, per_frame)
    zero, half, tiny = np.float32(0.0), np.float32(0.5), np.float32(1e-9)

    left, right = audio[0], audio[channels - 1]
    # Short loops, for so many instructions can wait at a time and no more.
    t = frames_from(zero)
    for i in range(0, frames, LANES_F32):
        level = larger(magnitude(load(left, i)), magnitude(load(right, i)))
        level = larger(level, _FLOOR)
        store(over, i, log2(level) * _DB_PER_OCTAVE - muladd(t, d_threshold, threshold))
        t = t + A_VECTOR_ON
    t = frames_from(zero)
    for i in range(0, frames, LANES_F32):
        beyond = load(over, i)
        width = muladd(t, d_knee, knee)
        bend = smaller(larger(muladd(half, width, beyond), zero), width)
        beyond = larger(beyond - half * width, zero)
        reduction = muladd(bend * bend, half / larger(width, tiny), beyond)
        reduction = (zero - muladd(t, d_slope, slope)) * reduction
        store(wanted, LANES_F64 + i, first_half(reduction))
        store(wanted, 2 * LANES_F64 + i, second_half(reduction))
        t = t + A_VECTOR_ON
    # Attack where the target lies below r, else release: of the two one-pole steps that is
    # the lower one where attack is the faster, and the higher one where it is the slower.
    d_attack = (coefs_end[_ATTACK] - coefs[_ATTACK]) * per_frame
    d_release = (coefs_end[_RELEASE] - coefs[_RELEASE]) * per_frame
    history = shaped(state[COMPRESSOR_HISTORY:], (2, LANES_F64))
    start, step = 0, STEP if d_attack != 0.0 or d_release != 0.0 else frames
    while start < frames:
        end = min(start + step, frames)
        attack = coefs[_ATTACK] + d_attack * start
        release = coefs[_RELEASE] + d_release * start
        if attack != state[1] or release != state[2]:
            settle(history, 0.0)  # at a target that is reached, whatever the poles
            state[1], state[2] = attack, release
        sign = 1.0 if attack <= release else -1.0
        lower_pole_f64(history, wanted[start:], done[start:], attack, release, sign, end - start)
        t = frames_from(start)
        for i in range(start, end, LANES_F32):
            db = halves(load(done, LANES_F64 + i), load(done, 2 * LANES_F64 + i))
            db = db + muladd(t, d_makeup, makeup)
            gain = exp2(db * np.float32(_OCTAVES_PER_DB))
            for channel in range(channels):
                store(audio[channel], i, gain * load(audio[channel], i))
            t = t + A_VECTOR_ON
        start = end
    state[0] = history[1, LANES_F64 - 1]
