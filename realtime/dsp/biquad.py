"""Parametric equaliser: second-order sections after the Audio EQ Cookbook."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

# Corner frequencies are clamped to this part of the sample rate.
MAX_FREQUENCY = 0.45


def design_biquad(
    kind: str, freq_hz: float, gain_db: float, q: float, sample_rate: float
) -> npt.NDArray[np.float64]:
    """Coefficients of one section: float64 (5,), b0 b1 b2 a1 a2 with a0 = 1.

    kind: 'low_shelf', 'peak' or 'high_shelf'; freq_hz is clamped to 0.45 sample_rate.
    A gain of 0 dB gives b = a: the section does nothing.
    Raises: ValueError on another kind.
    Source: Bristow-Johnson, Audio EQ Cookbook.
    """
    w0 = 2.0 * math.pi * min(freq_hz / sample_rate, MAX_FREQUENCY)
    amplitude = 10.0 ** (gain_db / 40.0)
    cos_w0 = math.cos(w0)
    alpha = math.sin(w0) / (2.0 * q)
    if kind == "peak":
        b = (1.0 + alpha * amplitude, -2.0 * cos_w0, 1.0 - alpha * amplitude)
        a = (1.0 + alpha / amplitude, -2.0 * cos_w0, 1.0 - alpha / amplitude)
    elif kind in ("low_shelf", "high_shelf"):
        # The high shelf is the low shelf with the frequency axis turned round.
        turn = 1.0 if kind == "low_shelf" else -1.0
        up, down = amplitude + 1.0, amplitude - 1.0
        slope = 2.0 * math.sqrt(amplitude) * alpha
        tilt = turn * cos_w0
        b = (
            amplitude * (up - down * tilt + slope),
            turn * 2.0 * amplitude * (down - up * tilt),
            amplitude * (up - down * tilt - slope),
        )
        a = (up + down * tilt + slope, turn * -2.0 * (down + up * tilt), up + down * tilt - slope)
    else:
        raise ValueError(f"unknown band type {kind!r}")
    return np.array([b[0], b[1], b[2], a[1], a[2]]) / a[0]


def design_peq(
    bands: Sequence[tuple[str, float, float, float]], sample_rate: float
) -> npt.NDArray[np.float64]:
    """Sections of a whole equaliser: float64 (bands, 5).

    bands: (kind, freq_hz, gain_db, q) each. Raises: ValueError as design_biquad.
    """
    return np.stack([design_biquad(*band, sample_rate) for band in bands])
