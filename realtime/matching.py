"""The filter between two recordings of different content, told from the sounds that both have.

Averages of two recordings differ by what is said or played as much as by what a filter did. So
every spectrum of the one is laid beside those of the other that are most like it, and the
differences of such pairs, which hardly depend on the content, say what the filter did. Which are
alike shows better the more of the filter is known: so it goes in rounds, as the iterative
closest point algorithm does for shapes. NumPy only.

Source of the latter: P. Besl, N. McKay, "A method for registration of 3-D shapes", IEEE Trans.
PAMI 14 (1992).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Spectra = npt.NDArray[np.floating]
Curve = npt.NDArray[np.float64]

ROUNDS = 6
ALIKE_DB = 1.5  # RMS over the bands; spectra this far apart are still taken for one sound
LEVEL_WEIGHT = 0.5  # of a difference in level beside one in shape: compressors move levels
SMOOTHING = (0.15, 0.5, 0.85, 1.0, 0.85, 0.5, 0.15)  # of the curve, over bands, between rounds
OUTLIER_DB = 1.0  # pairs much further than this from the rest count for less
NEAR_DB = 2.0  # pairs further apart than this hardly count for what near ones say
NEAR_QUANTILES = (0.25, 0.5, 0.75)
THIRDS = (1.0 / 3.0, 2.0 / 3.0)


@dataclass(frozen=True)
class Matched:
    """What stands between two recordings, and how sure that is. In dB; curves are (bands,) of
    mean 0, gains are medians.

    curve, gain: the filter and the gain beside it. near_curve, near_gain: by those pairs that
    are most alike. sides: (2, bands) by what the first recording finds in the second, and the
    other way round. by_level, gains_by_level: (3, bands) and (3,) by quiet, middling and loud
    sounds. spread, gain_spread: (bands,) and a number, how far pairs are from what they say
    together. apart: NEAR_QUANTILES of how far the nearest spectra are apart.
    """

    curve: Curve
    gain: float
    near_curve: Curve
    near_gain: float
    sides: Curve
    by_level: Curve
    gains_by_level: Curve
    spread: Curve
    gain_spread: float
    apart: Curve


def match(
    before: Spectra,
    after: Spectra,
    level_weight: float = LEVEL_WEIGHT,
    alike_db: float = ALIKE_DB,
) -> Matched:
    """Lay two recordings beside each other.

    before, after: (spectra, bands) in dB, as many of each as there are; nothing is said of which
    belong together.
    """
    x, y = before.astype(np.float64), after.astype(np.float64)
    x_level, y_level = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    x, y = x - x_level, y - y_level
    bands = x.shape[1]
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    unfiltered = (squares - 2.0 * x @ y.T) / bands
    share = np.repeat([0.5 / len(x), 0.5 / len(y)], [len(x), len(y)])
    curve, gain = np.zeros(bands), 0.0
    for _ in range(ROUNDS):
        known = _smooth(curve)
        apart = unfiltered + 2.0 * ((x @ known)[:, None] - y @ known) / bands
        apart += np.square(level_weight * (x_level + gain - y_level.T))
        likely = -apart / (2.0 * alike_db**2)
        to_y, to_x = _shares(likely), _shares(likely.T)
        pairs = np.concatenate([to_y @ y - x, y - to_x @ x])
        gains = np.concatenate([to_y @ y_level - x_level, y_level - to_x @ x_level])[:, 0]
        curve, gain = share @ pairs, float(share @ gains)
    trust = share[:, None] / (np.abs(pairs - curve) + OUTLIER_DB)
    told = _mean(pairs, trust)
    level = np.concatenate([x_level, y_level - gain])[:, 0]
    part = np.searchsorted(np.quantile(level, THIRDS), level)
    thirds = [np.where(part == n, 1.0, 1e-9) for n in range(len(THIRDS) + 1)]
    nearest = np.maximum(np.concatenate([apart.min(axis=1), apart.min(axis=0)]), 0.0)
    near = share * np.exp(-nearest / (2.0 * NEAR_DB**2)) + 1e-12
    middle = weighted_median(gains, share)
    return Matched(
        curve=told,
        gain=middle,
        near_curve=_mean(pairs, near[:, None]),
        near_gain=weighted_median(gains, near),
        sides=np.stack(
            [_mean(pairs[of], share[of, None]) for of in (slice(len(x)), slice(len(x), None))]
        ),
        by_level=np.stack([_mean(pairs, trust * third[:, None]) for third in thirds]),
        gains_by_level=np.array([weighted_median(gains, share * third) for third in thirds]),
        spread=share @ np.abs(pairs - told),
        gain_spread=weighted_median(np.abs(gains - middle), share),
        apart=np.sqrt(np.quantile(nearest, NEAR_QUANTILES)),
    )


def _mean(pairs: Curve, weights: Curve) -> Curve:
    """Of pairs (count, bands), without its mean over bands."""
    curve: Curve = (weights * pairs).sum(axis=0) / (weights * np.ones_like(pairs)).sum(axis=0)
    return curve - curve.mean()


def weighted_median(values: Curve, weights: Curve) -> float:
    """The value below which half of the weights lie. values, weights: (count,)."""
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(share, 0.5 * share[-1])])


def _shares(likely: Curve) -> Curve:
    """Each row's exponentials, of sum 1."""
    exponentials = np.exp(likely - likely.max(axis=1, keepdims=True))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def _smooth(curve: Curve) -> Curve:
    inside = np.convolve(np.ones(len(curve)), SMOOTHING, "same")
    smooth = np.convolve(curve, SMOOTHING, "same") / inside
    return smooth - smooth.mean()
