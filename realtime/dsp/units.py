"""Decibels and time constants, for design functions (not for the audio thread)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def db_to_gain(db: float) -> float:
    """dB (20 log10) -> amplitude ratio."""
    return 10.0 ** (db / 20.0)


def gain_to_db(gain: npt.ArrayLike, floor_db: float = -200.0) -> npt.NDArray[np.float64]:
    """Amplitude ratio(s) -> dB (20 log10), never below `floor_db`. Any shape."""
    floor = 10.0 ** (floor_db / 20.0)
    return 20.0 * np.log10(np.maximum(np.abs(np.asarray(gain, dtype=np.float64)), floor))


def one_pole(time_ms: float, sample_rate: float) -> float:
    """Coefficient a of y = a*y + (1-a)*x that does 63 % of a step within `time_ms`."""
    return math.exp(-1.0 / (time_ms * 1e-3 * sample_rate))
