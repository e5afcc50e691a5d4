"""Reverb: pre-delay, diffusing allpasses and a feedback delay network of eight lines.

Linear and time-invariant while its parameters rest. Its stationary loudness does not depend on
room size or damping's bass: at wet = 1 the reverb of a steady mono noise is as loud as the noise.

`wet` is the gain of the send, before the pre-delay: turned down, or with a preset without reverb,
what was sent rings on, as long as the room that stands now lets it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.biquad import MAX_FREQUENCY
from realtime.dsp.blocks import CHUNK
from realtime.dsp.delays import allpass, hadamard, onward, read_ring, write_ring, write_sum
from realtime.dsp.intrinsics import JIT, JIT_EXACT, frame_f32, scratch_f32, shaped
from realtime.dsp.lookahead import LANES_F32, one_pole_f32, settle

LINES = 8
DIFFUSERS = 3
SAMPLE_RATE_MAX = 192_000
PREDELAY_MAX_MS = 200.0
T60_MIN, T60_SPAN = 0.1, 100.0  # seconds at room size 0, and the factor to room size 1
NO_ROOM_GAIN = 0.36  # of the first line, T60 0.106 s: a room that rings less empties itself
DAMPING_HZ = 5_000.0  # where `damping` states how much faster the treble dies
DAMPING_DEPTH = 0.9  # damping 1: T60 at DAMPING_HZ is a tenth of the bass's

# Mutually prime once rounded; spread like a geometric series so that few echoes coincide.
_LINES_MS = (15.7, 18.5, 21.9, 25.8, 30.4, 35.9, 42.3, 49.9)
_DIFFUSERS_MS = ((4.77, 7.93, 11.31), (5.39, 8.87, 12.67))
_DIFFUSION = 0.6  # at most: in a room that rings shorter than they do, the allpasses give way
_CROSSFADE_MS = 20.0  # between two pre-delays

_PAIR_SCRATCH = 2 * CHUNK
_BUFFER = CHUNK + LANES_F32  # a line's piece behind its history
_LINE_SCRATCH = LINES * _BUFFER
# Coefficients: line gains, line damping, diffusion, then
_DIFFUSE = 2 * LINES
_LEVEL = _DIFFUSE + 2 * DIFFUSERS
_WET, _DRY, _PREDELAY = _LEVEL + 1, _LEVEL + 2, _LEVEL + 3
REVERB_COEFS = _PREDELAY + 1

_LINE_MAX = int(_LINES_MS[-1] * 1e-3 * SAMPLE_RATE_MAX) + 256
_DIFFUSER_MAX = int(_DIFFUSERS_MS[1][-1] * 1e-3 * SAMPLE_RATE_MAX) + 256
_PREDELAY_MAX = int(PREDELAY_MAX_MS * 1e-3 * SAMPLE_RATE_MAX) + 2 * CHUNK

# One size for every sample rate, so that one compiled function serves them all; only the first
# `*_length` samples of a delay are touched.
REVERB_STATE = np.dtype(
    [
        ("predelay", np.float32, (2, _PREDELAY_MAX)),
        ("diffusers", np.float32, (2, DIFFUSERS, _DIFFUSER_MAX)),
        ("lines", np.float32, (LINES, _LINE_MAX)),
        ("damping", np.float32, (LINES, 2, LANES_F32)),  # lookahead's histories
        ("poles", np.float32, (LINES,)),  # with which they were made
        ("fade", np.float64),  # 0..1 from tap_old to tap_new
        ("fade_step", np.float64),
        ("predelay_length", np.int64),
        ("predelay_at", np.int64),
        ("tap_old", np.int64),
        ("tap_new", np.int64),
        ("diffuser_length", np.int64, (2, DIFFUSERS)),
        ("diffuser_at", np.int64, (2, DIFFUSERS)),
        ("line_length", np.int64, (LINES,)),
        ("line_at", np.int64, (LINES,)),
    ],
    align=True,
)


@functools.cache  # asked for the same few numbers at every change of a parameter
def _next_prime(number: int) -> int:
    while any(number % d == 0 for d in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def _lengths(times_ms: Sequence[float], sample_rate: float) -> list[int]:
    return [_next_prime(round(ms * 1e-3 * sample_rate)) for ms in times_ms]


def prepare_reverb(state: np.void, sample_rate: float, predelay_ms: float = 0.0) -> None:
    """Set up one record of REVERB_STATE for a sample rate, at rest. Not on the audio thread."""
    tap = round(predelay_ms * 1e-3 * sample_rate)
    state["fade"] = 1.0
    state["fade_step"] = 1.0 / (_CROSSFADE_MS * 1e-3 * sample_rate)
    state["predelay_length"] = round(PREDELAY_MAX_MS * 1e-3 * sample_rate) + CHUNK + 1
    state["predelay_at"] = state["diffuser_at"] = state["line_at"] = 0
    state["tap_old"] = state["tap_new"] = tap
    state["diffuser_length"] = [_lengths(row, sample_rate) for row in _DIFFUSERS_MS]
    state["line_length"] = _lengths(_LINES_MS, sample_rate)
    reset_reverb(state)


def reverb_state(sample_rate: float, predelay_ms: float = 0.0) -> np.void:
    """A new record of REVERB_STATE, at rest."""
    state = np.zeros(1, dtype=REVERB_STATE)[0]
    prepare_reverb(state, sample_rate, predelay_ms)
    return state


def design_reverb(
    room_size: float,
    damping: float,
    predelay_ms: float,
    wet: float,
    dry: float,
    sample_rate: float,
) -> npt.NDArray[np.float64]:
    """Coefficients: float64 (26,): eight line gains, eight dampings, six diffusions, level into
    the lines, wet, dry, pre-delay frames.

    room_size 0..1: T60 = 0.1 * 100**room_size seconds in the bass. damping 0..1: T60 at 5 kHz
    (or 0.45 sample_rate if lower) is 1 - 0.9 damping of that. predelay_ms 0..200.
    Source: Jot and Chaigne 1991, "Digital delay networks for designing artificial
    reverberators"; the one-pole's coefficient is solved exactly at the damping frequency.
    """
    t60 = T60_MIN * T60_SPAN**room_size
    t60_high = t60 * (1.0 - DAMPING_DEPTH * damping)
    cosine = math.cos(2.0 * math.pi * min(DAMPING_HZ / sample_rate, MAX_FREQUENCY))
    coefs = np.zeros(REVERB_COEFS)
    for line, length in enumerate(_lengths(_LINES_MS, sample_rate)):
        seconds = length / sample_rate
        coefs[line] = 10.0 ** (-3.0 * seconds / t60)
        ratio = 10.0 ** (-3.0 * seconds * (1.0 / t60_high - 1.0 / t60))
        power = max(ratio * ratio, 1e-6)
        if power < 1.0 - 1e-12:
            c = (1.0 - power * cosine) / (1.0 - power)
            coefs[LINES + line] = c - math.sqrt(c * c - 1.0)
    # An allpass of coefficient g and delay d rings 60 dB down in 3 d / log10(1/g).
    times = [ms * 1e-3 for row in _DIFFUSERS_MS for ms in row]
    coefs[_DIFFUSE:_LEVEL] = [min(_DIFFUSION, 10.0 ** (-3.0 * d / (0.7 * t60))) for d in times]
    # The energy that goes round is 1 / (1 - mean square gain) of what goes in. Undone before the
    # lines and not behind them, so that a room that shrinks does not turn up what still rings.
    coefs[_LEVEL] = math.sqrt((1.0 - np.mean(coefs[:LINES] ** 2)) / LINES)
    coefs[_WET], coefs[_DRY] = wet, dry
    coefs[_PREDELAY] = round(predelay_ms * 1e-3 * sample_rate)
    return coefs


@njit(**JIT)
def reset_reverb(state):
    """Silence every delay; lengths and parameters stay. [audio-thread] allocates nothing."""
    for channel in range(2):
        state.predelay[channel, : state.predelay_length] = np.float32(0.0)
        for k in range(DIFFUSERS):
            state.diffusers[channel, k, : state.diffuser_length[channel, k]] = np.float32(0.0)
    for line in range(LINES):
        state.lines[line, : state.line_length[line]] = np.float32(0.0)
    state.damping[:] = np.float32(0.0)


@njit(inline="always", **JIT_EXACT)
def _predelay(state, sound, count, spare):
    """Delay both channels of sound[:, :count] by the tap, fading over where it has moved."""
    length, at = state.predelay_length, state.predelay_at
    old_at = onward(at, length - state.tap_old, length)
    new_at = onward(at, length - state.tap_new, length)
    fade, step = state.fade, state.fade_step
    for channel in range(2):
        ring, samples = state.predelay[channel], sound[channel, :count]
        write_ring(ring, length, at, samples)
        read_ring(ring, length, new_at, samples)
        if fade < 1.0:
            read_ring(ring, length, old_at, spare[:count])
            for i in range(count):
                w = np.float32(min(fade + i * step, 1.0))
                samples[i] = spare[i] + w * (samples[i] - spare[i])
    state.predelay_at = onward(at, count, length)
    if fade < 1.0:
        fade = min(fade + count * step, 1.0)
        state.fade = fade
        if fade >= 1.0:
            state.tap_old = state.tap_new


@njit(inline="always", **JIT_EXACT)
def _diffuse(state, sound, count, coefs):
    """Three allpasses in series on each channel of sound[:, :count]."""
    for channel in range(2):
        samples = sound[channel, :count]
        for k in range(DIFFUSERS):
            ring = state.diffusers[channel, k]
            length, at = state.diffuser_length[channel, k], state.diffuser_at[channel, k]
            g = np.float32(coefs[_DIFFUSE + channel * DIFFUSERS + k])
            state.diffuser_at[channel, k] = allpass(samples, ring, length, at, g)


@njit(inline="always", **JIT_EXACT)
def _damp(state, lines, damped, count, coefs):
    """damped = the one-poles over the lines; both are buffers of lookahead.one_pole_f32."""
    for line in range(LINES):
        history = state.damping[line]
        pole = np.float32(coefs[LINES + line])
        if pole != state.poles[line]:
            settle(history, pole)
            state.poles[line] = pole
        one_pole_f32(history, lines[line], damped[line], pole, count)


@njit(inline="always", **JIT_EXACT)
def _listen(lines, tails, count):
    """What the two channels hear of the lines: orthogonal signs, so their tails differ."""
    for i in range(count):
        k = LANES_F32 + i
        same = lines[0, k] - lines[3, k] + lines[4, k] - lines[7, k]
        swap = lines[1, k] - lines[2, k] + lines[5, k] - lines[6, k]
        tails[0, i] = same + swap
        tails[1, i] = same - swap


@njit(**JIT_EXACT)
def reverb_chunk(audio, frames, coefs, coefs_end, state):
    """Reverberate a chunk in place while the gains go linearly from `coefs` to `coefs_end`.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. Damping and diffusion stay at
    `coefs` for the whole chunk; a new pre-delay of `coefs_end` is faded to over 20 ms.

    audio: a chunk of 1 or 2 channels, full scale +-1.0, of so many frames
    coefs, coefs_end: of design_reverb, at the first frame and behind the last
    state: record of REVERB_STATE, of reverb_state
    """
    channels = audio.shape[0]
    lines = shaped(scratch_f32(_LINE_SCRATCH), (LINES, _BUFFER))
    damped = shaped(scratch_f32(_LINE_SCRATCH), (LINES, _BUFFER))
    sound = shaped(scratch_f32(_PAIR_SCRATCH), (2, CHUNK))
    tails = shaped(scratch_f32(_PAIR_SCRATCH), (2, CHUNK))
    spare = scratch_f32(CHUNK)
    per_frame = 1.0 / max(frames, 1)
    wet, dry = np.float32(coefs[_WET]), np.float32(coefs[_DRY])
    d_wet = np.float32((coefs_end[_WET] - coefs[_WET]) * per_frame)
    d_dry = np.float32((coefs_end[_DRY] - coefs[_DRY]) * per_frame)
    level = np.float32(coefs[_LEVEL])
    d_level = np.float32((coefs_end[_LEVEL] - coefs[_LEVEL]) * per_frame)
    limit = min(CHUNK, state.line_length[0])
    tap = min(max(np.int64(coefs_end[_PREDELAY]), 0), state.predelay_length - CHUNK - 1)

    start = 0
    while start < frames:
        count = min(limit, frames - start)
        if state.fade >= 1.0 and tap != state.tap_new:
            state.tap_new = tap
            state.fade = 0.0
        for channel in range(2):
            samples = audio[min(channel, channels - 1), start : start + count]
            send = sound[channel, :count]
            for i in range(count):
                send[i] = (wet + frame_f32(start + i) * d_wet) * samples[i]
        _predelay(state, sound, count, spare)
        _diffuse(state, sound, count, coefs)
        for line in range(LINES):
            read_ring(
                state.lines[line],
                state.line_length[line],
                state.line_at[line],
                lines[line, LANES_F32 : LANES_F32 + count],
            )
        _listen(lines, tails, count)
        for channel in range(channels):
            samples, tail = audio[channel, start : start + count], tails[channel, :count]
            for i in range(count):
                samples[i] = (dry + frame_f32(start + i) * d_dry) * samples[i] + tail[i]
        for line in range(LINES):
            pole = np.float32(1.0 - coefs[LINES + line])
            gain = np.float32(coefs[line]) * pole
            d_gain = np.float32((coefs_end[line] - coefs[line]) * per_frame) * pole
            u = lines[line, LANES_F32 : LANES_F32 + count]
            for i in range(count):
                u[i] *= gain + frame_f32(start + i) * d_gain
        _damp(state, lines, damped, count, coefs)
        hadamard(damped, count)
        for channel in range(2):
            send = sound[channel, :count]
            for i in range(count):
                send[i] *= level + frame_f32(start + i) * d_level
        for line in range(LINES):
            # The two halves of the lines take opposite signs, so no line adds up in phase.
            sign = np.float32(1.0 if line < 4 else -1.0)
            mixed = damped[line, LANES_F32 : LANES_F32 + count]
            length, at = state.line_length[line], state.line_at[line]
            write_sum(state.lines[line], length, at, mixed, sign, sound[line & 1, :count])
            state.line_at[line] = onward(at, count, length)
        start += count
