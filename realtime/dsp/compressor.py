"""Compressor: feed-forward, linked over the channels, soft knee, separate attack and release."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.blocks import CHUNK
from realtime.dsp.intrinsics import (
    JIT,
    exp2_f32,
    frame_f32,
    log2_f32,
    scratch_f32,
    scratch_f64,
    shaped,
)
from realtime.dsp.lookahead import LANES_F64, lower_pole_f64, settle
from realtime.dsp.units import one_pole

# float64, 0 at rest: the gain reduction in dB, the poles with which the histories of lookahead
# were made, and those: what was wanted and what was done.
COMPRESSOR_STATE = (3 + 2 * LANES_F64,)

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

    [audio-thread] Allocates nothing. Changes `audio` and `state`. Attack and release stay at
    `coefs` for the whole chunk.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_compressor, at the first frame and behind the last
    Source: Giannoulis, Massberg and Reiss 2012, "Digital dynamic range compressor design",
    gain computer (4) and smooth branching detector, on the gain reduction in dB.
    """
    channels = audio.shape[0]
    gains = scratch_f32(CHUNK)
    wanted, done = scratch_f64(_BUFFER), scratch_f64(_BUFFER)
    per_frame = 1.0 / max(frames, 1)
    threshold, slope, knee, makeup = (
        np.float32(coefs[_THRESHOLD]), np.float32(coefs[_SLOPE]),
        np.float32(coefs[_KNEE]), np.float32(coefs[_MAKEUP]),
    )  # fmt: skip
    d_threshold = np.float32((coefs_end[_THRESHOLD] - coefs[_THRESHOLD]) * per_frame)
    d_slope = np.float32((coefs_end[_SLOPE] - coefs[_SLOPE]) * per_frame)
    d_knee = np.float32((coefs_end[_KNEE] - coefs[_KNEE]) * per_frame)
    d_makeup = np.float32((coefs_end[_MAKEUP] - coefs[_MAKEUP]) * per_frame)
    zero, half, tiny = np.float32(0.0), np.float32(0.5), np.float32(1e-9)

    left, right = audio[0], audio[channels - 1]
    for i in range(frames):
        t = frame_f32(i)
        level = max(max(abs(left[i]), abs(right[i])), _FLOOR)
        over = log2_f32(level) * _DB_PER_OCTAVE - (threshold + t * d_threshold)
        width = knee + t * d_knee
        bend = min(max(over + half * width, zero), width)
        beyond = max(over - half * width, zero)
        reduction = bend * bend * (half / max(width, tiny)) + beyond
        wanted[LANES_F64 + i] = np.float64(-(slope + t * d_slope) * reduction)
    # Attack where the target lies below r, else release: of the two one-pole steps that is
    # the lower one where attack is the faster, and the higher one where it is the slower.
    attack, release = coefs[_ATTACK], coefs[_RELEASE]
    history = shaped(state[3:], (2, LANES_F64))
    if attack != state[1] or release != state[2]:
        settle(history, 0.0)  # at a target that is reached, whatever the poles
        state[1], state[2] = attack, release
    sign = 1.0 if attack <= release else -1.0
    lower_pole_f64(history, wanted, done, attack, release, sign, frames)
    state[0] = history[1, LANES_F64 - 1]
    for i in range(frames):
        db = np.float32(done[LANES_F64 + i]) + makeup + frame_f32(i) * d_makeup
        gains[i] = exp2_f32(db * np.float32(_OCTAVES_PER_DB))
    for channel in range(channels):
        samples = audio[channel]
        for i in range(frames):
            samples[i] *= gains[i]
