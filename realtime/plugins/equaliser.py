"""An equaliser's curve on another equaliser: the closest one that its bands can make.

A band of the other is what ours is, a section of the Audio EQ Cookbook, with less freedom: some
of its frequency, gain and quality factor stand fixed, the others have ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from realtime.dsp.biquad import MAX_FREQUENCY

Vector = npt.NDArray[np.float64]
Range = tuple[float, float]  # both ends alike: fixed

LOWEST_HZ, HIGHEST_HZ, POINTS = 30.0, 16_000.0, 64  # where curves are compared, evenly in octaves
# A cost for gain itself, so that no two bands shout against each other for a tenth of a dB.
_THRIFT = 0.03
_NEAR_DB = 1.5  # how far a curve may move at once to be another step of the same knob
_WORSE_DB = 0.25  # what may be lost to keep bands in their places
_STEP = 1e-5  # of a numeric derivative, in octaves and dB


@dataclass(frozen=True)
class Band:
    """A band of the other equaliser, and how far it can go.

    kind: as `design_biquad` has it. narrows: towards half the sample rate, as the cookbook's do;
    else its bandwidth in Hz is freq_hz / q there too.
    """

    kind: str
    freq_hz: Range
    gain_db: Range
    q: Range
    narrows: bool = True


@dataclass(frozen=True)
class Fit:
    """What comes closest: (freq_hz, gain_db, q) of each band, a gain of all; what is left over.

    residual_db: root mean square over the octaves.
    """

    bands: tuple[tuple[float, float, float], ...]
    level_db: float
    residual_db: float


def frequencies(sample_rate: float) -> Vector:
    """Where curves are compared: Hz (POINTS,), evenly in octaves."""
    return np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, MAX_FREQUENCY * sample_rate), POINTS)


def response_db(
    kind: str,
    freq_hz: npt.ArrayLike,
    gain_db: npt.ArrayLike,
    q: npt.ArrayLike,
    at_hz: Vector,
    sample_rate: float,
) -> Vector:
    """Magnitude of a section of the Audio EQ Cookbook in dB, (..., frequencies).

    freq_hz, gain_db, q: numbers, or arrays (..., 1) of many sections at once.
    Source: Bristow-Johnson, Audio EQ Cookbook: its analogue prototypes at the frequency that
    the bilinear transform takes them to.
    """
    corner = np.minimum(np.asarray(freq_hz) / sample_rate, MAX_FREQUENCY)
    at = np.minimum(at_hz / sample_rate, 0.499)
    w2 = (np.tan(np.pi * at) / np.tan(np.pi * corner)) ** 2
    a, q = 10.0 ** (np.asarray(gain_db) / 40.0), np.asarray(q)
    if kind == "peak":
        top = (1.0 - w2) ** 2 + w2 * (a / q) ** 2
        bottom = (1.0 - w2) ** 2 + w2 / (a * q) ** 2
        return 10.0 * np.log10(top / bottom)
    if kind == "high_shelf":
        w2 = 1.0 / w2  # the low shelf with the frequency axis turned round
    top = (a - w2) ** 2 + a * w2 / q**2
    bottom = (1.0 - a * w2) ** 2 + a * w2 / q**2
    return 20.0 * np.log10(a) + 10.0 * np.log10(top / bottom)


def curve_db(
    bands: Sequence[tuple[str, float, float, float]], at_hz: Vector, sample_rate: float
) -> Vector:
    """Magnitude of a whole equaliser in dB, (frequencies,); bands as `design_peq` takes them."""
    return np.sum([response_db(*band, at_hz, sample_rate) for band in bands], axis=0)


def fit_bands(
    wanted_db: Vector,
    bands: Sequence[Band],
    level_db: Range,
    sample_rate: float,
    near: Fit | None = None,
) -> Fit:
    """Set `bands` and the level of all so that their curve comes closest to `wanted_db`.

    wanted_db: dB at `frequencies(sample_rate)`. Least squares over the octaves, from two starts.
    near: the fit of another curve; if that was like this one, and its bands can be moved to this
    one almost as well, they are, rather than to change places.
    """
    problem = _Problem(wanted_db, bands, level_db, sample_rate)
    if near is not None:
        start = problem.of(near)
        if problem.fit(start).residual_db < near.residual_db + _NEAR_DB:
            fit = problem.fit(problem.solve(start).x)
            if fit.residual_db < near.residual_db + _WORSE_DB:
                return fit
    starts = (problem.peaks_first(), problem.shelves_first())
    return problem.fit(min(map(problem.solve, starts), key=lambda result: result.cost).x)


class _Problem:
    """What a fit moves: log2 Hz, dB, log2 q of each band, then the level, as one vector."""

    def __init__(
        self, wanted_db: Vector, bands: Sequence[Band], level_db: Range, sample_rate: float
    ) -> None:
        self.wanted, self.bands, self.sample_rate = wanted_db, bands, sample_rate
        self.hz = frequencies(sample_rate)
        ranges = [r for b in bands for r in (np.log2(b.freq_hz), b.gain_db, np.log2(b.q))]
        self.low, self.high = np.transpose([*ranges, level_db])
        self.free = self.high > self.low
        self.bounds = (self.low[self.free], self.high[self.free])

    def solve(self, start: Vector) -> Any:
        """SciPy's result from there."""
        tolerance = {"xtol": 1e-3, "ftol": 1e-3, "max_nfev": 40}
        return least_squares(self.errors, start, self.slopes, bounds=self.bounds, **tolerance)

    def fit(self, x: Vector) -> Fit:
        """What a solution says."""
        return Fit(
            tuple((2.0 ** float(f), float(g), 2.0 ** float(q)) for f, g, q in self.settings(x)),
            float(self.full(x)[-1]),
            float(np.sqrt(np.mean((self.curve(x) - self.wanted) ** 2))),
        )

    def of(self, fit: Fit) -> Vector:
        """Where a fit stands, as a start."""
        values = [v for f, g, q in fit.bands for v in (np.log2(f), g, np.log2(q))]
        return self._inside(np.array([*values, fit.level_db]))

    def full(self, x: Vector) -> Vector:
        """(..., free) -> (..., all), the fixed ones in their places."""
        values = np.broadcast_to(self.low, (*x.shape[:-1], len(self.low))).copy()
        values[..., self.free] = x
        return values

    def settings(self, x: Vector) -> Vector:
        """(..., free) -> (..., bands, 3)."""
        values = self.full(x)
        return values[..., :-1].reshape(*x.shape[:-1], len(self.bands), 3)

    def curve(self, x: Vector) -> Vector:
        """(..., free) -> dB (..., frequencies)."""
        settings = self.settings(x)[..., None, :]
        total = self.full(x)[..., -1:] + np.zeros(len(self.hz))
        for k, band in enumerate(self.bands):
            freq, gain, q = np.moveaxis(settings[..., k, :, :], -1, 0)
            hz, q = 2.0**freq, 2.0**q
            if not band.narrows:  # a cookbook's q that is as wide there: sin(w) / w of it
                q = q * np.sinc(2.0 * np.minimum(hz / self.sample_rate, MAX_FREQUENCY))
            total += response_db(band.kind, hz, gain, q, self.hz, self.sample_rate)
        return total

    def errors(self, x: Vector) -> Vector:
        """(..., free) -> what is left, and what the gains cost: (..., frequencies + bands)."""
        cost = _THRIFT * self.settings(x)[..., 1]
        left = (self.curve(x) - self.wanted) / np.sqrt(len(self.hz))
        return np.concatenate([left, cost], axis=-1)

    def slopes(self, x: Vector) -> Vector:
        """Derivatives of `errors`, all of them in one go."""
        moved = x + _STEP * np.concatenate([np.zeros((1, len(x))), np.eye(len(x))])
        errors = self.errors(moved)
        return ((errors[1:] - errors[0]) / _STEP).T

    def peaks_first(self) -> Vector:
        """A start for curves whose bumps matter most."""
        return self._start(
            sorted(range(len(self.bands)), key=lambda k: self.bands[k].kind != "peak")
        )

    def shelves_first(self) -> Vector:
        """A start for curves whose ends matter most."""
        return self._start(
            sorted(range(len(self.bands)), key=lambda k: self.bands[k].kind == "peak")
        )

    def _start(self, order: Sequence[int]) -> Vector:
        """Band by band in this order, each where most is left over."""
        x = np.clip(np.zeros(len(self.low)), self.low, self.high)
        octaves = np.log2(self.hz)
        x[0:-1:3] = np.clip(octaves.mean(), self.low[0:-1:3], self.high[0:-1:3])
        for number in order:
            kind, k = self.bands[number].kind, 3 * number
            left = np.convolve(self.wanted - self.curve(x[self.free]), np.ones(5) / 5.0, "same")
            if kind == "peak":
                at = int(np.argmax(np.abs(left)))
                place, gain = octaves[at], left[at]
            else:
                ends = slice(2, 8) if kind == "low_shelf" else slice(-8, -2)
                place = octaves[16 if kind == "low_shelf" else -16]
                gain = left[ends].mean()
            x[k : k + 2] = place, gain
            x = np.clip(x, self.low, self.high)
        return self._inside(x)

    def _inside(self, x: Vector) -> Vector:
        """All -> free, where the search may start."""
        margin = 1e-6 * (self.high - self.low)
        return np.clip(x, self.low + margin, self.high - margin)[self.free]


def graphic(
    wanted_db: Callable[[Vector], Vector],
    centres_hz: Sequence[float],
    gain_db: Range,
    level_db: Range,
) -> Fit:
    """A curve on bands that do not overlap: each takes its mean there.

    wanted_db: function from Hz (n,) to dB (n,). centres_hz: ascending. Where the curve goes
    beyond the bands' range, the level of all moves, if it can.
    """
    centres = np.asarray(centres_hz)
    inner = np.sqrt(centres[:-1] * centres[1:])
    edges = np.concatenate([[centres[0] ** 2 / inner[0]], inner, [centres[-1] ** 2 / inner[-1]]])
    spread = np.linspace(0.0, 1.0, 17)
    inside = edges[:-1, None] * (edges[1:] / edges[:-1])[:, None] ** spread
    means = wanted_db(inside.ravel()).reshape(inside.shape).mean(axis=1)
    beyond = max(means.max() - gain_db[1], 0.0) + min(means.min() - gain_db[0], 0.0)
    level = float(np.clip(beyond, *level_db))
    gains = np.clip(means - level, *gain_db)
    left = wanted_db(inside.ravel()).reshape(inside.shape) - (gains + level)[:, None]
    residual = float(np.sqrt(np.mean(left**2)))
    return Fit(
        tuple((hz, float(g), 0.0) for hz, g in zip(centres_hz, gains, strict=True)), level, residual
    )
