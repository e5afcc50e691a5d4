"""What a rendering and its reference say of each other, in numbers for the model of `goal`.

Of every band: what the sounds that both have say of a filter between them, and how sure that is;
how far quiet, middling and loud moments are apart; what was done to the input so far. Of the
whole: the same of levels, and how the levels of all three are spread and move. Down to
digital silence no number depends on how loud a recording is, only on how much louder than another.
NumPy only.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from realtime import matching
from realtime.matching import Matched, match
from realtime.style_space import BANDS, MOMENTS, QUANTILES, Heard, StyleSpace

Vector = npt.NDArray[np.float64]

# (level_weight, alike_db): by sounds alike in level, too, and by those alike in shape.
WAYS = ((0.5, 1.5), (0.15, 1.0))
AT_QUANTILES = tuple(QUANTILES.index(q) for q in (0.03, 0.1, 0.3, 0.5, 0.7, 0.9))
OF_A_BAND = len(WAYS) * 8 + len(AT_QUANTILES) + 5
# Among the numbers of a band: the filter that lies between the two, and the means' difference.
FILTER, MEAN = 0, len(WAYS) * 7 + len(AT_QUANTILES)
OF_ALL = 2 + len(WAYS) * 9 + 2 * len(QUANTILES) + 3 * MOMENTS + 2


def fingerprint() -> str:
    """16 hex digits that name what the numbers mean; stands in the model's file."""
    rows = (
        WAYS, AT_QUANTILES, QUANTILES, BANDS, MOMENTS, OF_A_BAND, OF_ALL,
        (matching.ROUNDS, matching.SMOOTHING, matching.OUTLIER_DB, matching.NEAR_DB),
    )  # fmt: skip
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Comparison:
    """bands: float32 (BANDS, OF_A_BAND), FILTER and MEAN among them; whole: float32 (OF_ALL,), the
    first two of which are how much louder the reference is."""

    bands: npt.NDArray[np.float32]
    whole: npt.NDArray[np.float32]


def compare(space: StyleSpace, dry: Heard, heard: Heard, wanted: Heard) -> Comparison:
    """The numbers of a rendering.

    dry: the input, heard: what became of it, wanted: the reference.
    """
    ways = [match(heard.frames_db, wanted.frames_db, *way) for way in WAYS]
    apart = wanted.spectrum_db - heard.spectrum_db
    mean = wanted.mean_db - heard.mean_db
    shapes = [
        *(curve for way in ways for curve in _curves(way)),
        *(apart[n] for n in AT_QUANTILES),
        mean, heard.mean_db - dry.mean_db, heard.mean_db, wanted.mean_db,
    ]  # fmt: skip
    bands = [shape - shape @ space.weight for shape in shapes]
    bands += [*(way.spread for way in ways), np.log(space.hz)]
    whole = np.concatenate(
        [
            [space.middle(mean), wanted.loudness_lufs - heard.loudness_lufs],
            *(_levels(way) for way in ways),
            [space.middle(row) for row in apart],
            apart @ space.weight,
            heard.dynamics_db, wanted.dynamics_db, dry.dynamics_db,
            [np.abs(ways[0].curve).mean(), np.log(space.hz[-1])],
        ]
    )  # fmt: skip
    return Comparison(np.stack(bands, axis=1).astype(np.float32), whole.astype(np.float32))


def _curves(way: Matched) -> list[Vector]:
    return [way.curve, way.near_curve, *way.sides, *way.by_level]


def _levels(way: Matched) -> Vector:
    gains = [way.gain, way.near_gain, *way.gains_by_level, way.gain_spread]
    return np.concatenate([gains, way.apart])
