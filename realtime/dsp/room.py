"""The reverb's room: how long its delays are, and what its parameters make of it.

Nothing here is for the audio thread.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from realtime.dsp.biquad import MAX_FREQUENCY
from realtime.dsp.delays import primes

LINES = 8
DIFFUSERS = 3
SAMPLE_RATE_MAX = 192_000
PREDELAY_MAX_MS = 200.0
T60_MIN, T60_SPAN = 0.1, 100.0  # seconds at room size 0, and the factor to room size 1
NO_ROOM_GAIN = 0.36  # of the first line, T60 0.106 s: a room that rings less empties itself
DAMPING_HZ = 5_000.0  # where `damping` states how much faster the treble dies
DAMPING_DEPTH = 0.9  # damping 1: T60 at DAMPING_HZ is a tenth of the bass's

# Mutually prime once rounded; spread like a geometric series so that few echoes coincide.
LINES_MS = (15.7, 18.5, 21.9, 25.8, 30.4, 35.9, 42.3, 49.9)
DIFFUSERS_MS = ((4.77, 7.93, 11.31), (5.39, 8.87, 12.67))
_DIFFUSION = 0.6  # at most: in a room that rings shorter than they do, the allpasses give way

# Coefficients: line gains, line damping, diffusion, then
DIFFUSE = 2 * LINES
LEVEL = DIFFUSE + 2 * DIFFUSERS
WET, DRY, PREDELAY = LEVEL + 1, LEVEL + 2, LEVEL + 3
REVERB_COEFS = PREDELAY + 1


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
    for line, length in enumerate(primes(LINES_MS, sample_rate)):
        seconds = length / sample_rate
        coefs[line] = 10.0 ** (-3.0 * seconds / t60)
        ratio = 10.0 ** (-3.0 * seconds * (1.0 / t60_high - 1.0 / t60))
        power = max(ratio * ratio, 1e-6)
        if power < 1.0 - 1e-12:
            c = (1.0 - power * cosine) / (1.0 - power)
            coefs[LINES + line] = c - math.sqrt(c * c - 1.0)
    # An allpass of coefficient g and delay d rings 60 dB down in 3 d / log10(1/g).
    times = [ms * 1e-3 for row in DIFFUSERS_MS for ms in row]
    coefs[DIFFUSE:LEVEL] = [min(_DIFFUSION, 10.0 ** (-3.0 * d / (0.7 * t60))) for d in times]
    # The energy that goes round is 1 / (1 - mean square gain) of what goes in. Undone before the
    # lines and not behind them, so that a room that shrinks does not turn up what still rings.
    coefs[LEVEL] = math.sqrt((1.0 - np.mean(coefs[:LINES] ** 2)) / LINES)
    coefs[WET], coefs[DRY] = wet, dry
    coefs[PREDELAY] = round(predelay_ms * 1e-3 * sample_rate)
    return coefs
