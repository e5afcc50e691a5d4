"""Loudness as it goes: the K-weighted power of what is played, as BS.1770 weighs it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.intrinsics import JIT

SECTIONS = 2


def design_k_weighting(sample_rate: float) -> npt.NDArray[np.float64]:
    """The two sections, float64 (2, 5), rows b0 b1 b2 a1 a2 with a0 = 1.

    Source: ITU-R BS.1770-4, annex 1, tables 1 and 2: the analogue filters that its coefficients
    for 48 kHz come from by the bilinear transform, transformed for this rate.
    """
    return np.stack([_head(sample_rate), _high_pass(sample_rate)])


def _head(sample_rate: float) -> npt.NDArray[np.float64]:
    """The shelf that stands for a head: +4 dB above 1.7 kHz."""
    high, q = 10.0 ** (3.99984385397 / 20.0), 0.7071752369554193
    middle = high**0.4996667741545416
    k = math.tan(math.pi * 1681.974450955533 / sample_rate)
    b = (high + middle * k / q + k * k, 2.0 * (k * k - high), high - middle * k / q + k * k)
    a = (1.0 + k / q + k * k, 2.0 * (k * k - 1.0), 1.0 - k / q + k * k)
    return np.array([*b, *a[1:]]) / a[0]


def _high_pass(sample_rate: float) -> npt.NDArray[np.float64]:
    """The revised low-frequency curve: -3 dB at 60 Hz. Its numerator is the standard's."""
    q, k = 0.5003270373238773, math.tan(math.pi * 38.13547087602444 / sample_rate)
    a = (1.0 + k / q + k * k, 2.0 * (k * k - 1.0), 1.0 - k / q + k * k)
    return np.array([1.0, -2.0, 1.0, a[1] / a[0], a[2] / a[0]])


@njit(**JIT)
def k_weighted_power(x, sections, state):
    """The sum of squares of `x` once K-weighted, over all frames and channels. Changes `state`.

    x: float32 (frames, channels), full scale +-1.0, channels 1 or 2
    sections: float64 (2, 5); state: float64 (2, 2, 2) section, delay, channel; zeros = at rest
    """
    total = 0.0
    for channel in range(x.shape[1]):
        for i in range(x.shape[0]):
            v = np.float64(x[i, channel])
            for s in range(SECTIONS):
                y = sections[s, 0] * v + state[s, 0, channel]
                state[s, 0, channel] = (
                    sections[s, 1] * v - sections[s, 3] * y + state[s, 1, channel]
                )
                state[s, 1, channel] = sections[s, 2] * v - sections[s, 4] * y
                v = y
            total += v * v
    return total
