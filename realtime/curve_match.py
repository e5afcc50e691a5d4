"""Setting the equaliser's six bands so that they give a curve, from where they stand."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from realtime.params import BY_ID, EQ_BANDS, PROFILES
from realtime.plugins.equaliser import response_db
from realtime.preset import Preset

Vector = npt.NDArray[np.float64]

_KEYS = ("freq_hz", "gain_db", "q")
_SOFT_DB = 1.5  # residuals beyond this count by their size, not by its square
# How far from where they stand bands may go for nothing much: log Hz, dB, log q, for a dB of fit
# at a third of the spectrum. Also keeps bands that do nothing in place.
_REACH = np.array([1.5, 18.0, 1.5])
_THRIFT = 0.03
_STEP = 1e-4


def equaliser_db(preset: Preset, at_hz: Vector, sample_rate: float) -> Vector:
    """Magnitude of the preset's equaliser in dB at `at_hz`, (frequencies,)."""
    return _curve(preset, _vectors(preset)[0], at_hz, sample_rate)


def match_curve(
    preset: Preset, wanted_db: Vector, at_hz: Vector, weight: Vector, sample_rate: float
) -> Preset:
    """The preset with its equaliser as close to a curve as its bands come, the level aside.

    wanted_db, weight: (frequencies,) at `at_hz`; a constant in `wanted_db` is of no account.
    """
    start, low, high = _vectors(preset)
    root = np.sqrt(weight)
    reach = np.tile(_REACH, EQ_BANDS)
    begin = np.clip(start, low + 1e-6, high - 1e-6)

    def residuals(x: Vector) -> Vector:
        """(..., 18) -> (..., frequencies + 18)."""
        left = wanted_db - _curve(preset, x, at_hz, sample_rate)
        left = left - (left @ weight)[..., None]
        return np.concatenate([left * root / _SOFT_DB, _THRIFT * (x - begin) / reach], axis=-1)

    def slopes(x: Vector) -> Vector:
        moved = residuals(x + _STEP * np.concatenate([np.zeros((1, len(x))), np.eye(len(x))]))
        return ((moved[1:] - moved[0]) / _STEP).T

    found = least_squares(
        residuals, begin, slopes, bounds=(low, high), x_scale=reach, max_nfev=60, ftol=1e-4
    )
    values = {}
    for (param_id, log), x in zip(_ids(), found.x, strict=True):
        values[param_id] = BY_ID[param_id].clamp(np.exp(x) if log else x)
    return preset.with_values(values)


def _ids() -> list[tuple[str, bool]]:
    return [(f"eq{b}.{key}", key != "gain_db") for b in range(1, EQ_BANDS + 1) for key in _KEYS]


def _vectors(preset: Preset) -> tuple[Vector, Vector, Vector]:
    """Where the bands stand, and how far they may go: log Hz, dB, log q of each, (18,)."""
    rows = []
    for param_id, log in _ids():
        low, high = PROFILES[preset.profile].range_of(param_id)
        row = np.array([preset[param_id], low, high])
        rows.append(np.log(row) if log else row)
    start, low, high = np.transpose(rows)
    return start, low, high


def _curve(preset: Preset, x: Vector, at_hz: Vector, sample_rate: float) -> Vector:
    """(..., 18) -> dB (..., frequencies)."""
    settings = x.reshape(*x.shape[:-1], EQ_BANDS, 3)
    total = np.zeros((*x.shape[:-1], len(at_hz)))
    for band, kind in enumerate(preset.band_types):
        freq, gain, q = (settings[..., band, k, None] for k in range(3))
        total += response_db(kind, np.exp(freq), gain, np.exp(q), at_hz, sample_rate)
    return total
