"""How far two recordings of different content are apart in style.

What is compared says something of the effects and little of the words or notes: how loud each
band is in quiet, middling and loud moments (equaliser and compressor at once), how the level is
spread and how fast it rises and falls (compressor, reverb), and how loud it is. NumPy and SciPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from realtime.features import MIN_SECONDS, AudioError, check
from realtime.matching import weighted_median
from realtime.measure import loudness_lufs

Vector = npt.NDArray[np.float64]

BANDS = 64
TOP_HZ = 0.495 * 48_000.0  # nobody hears what is above, and the model never did
WINDOW_SECONDS = 0.0427
_BY_OCTAVES = 0.3  # of the weight; the rest by Hz, as MR-STFT counts
QUANTILES = (0.03, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
FLOOR_DB = -158.0  # of a band's density in a frame in dB re 1/Hz, under any dither
_SILENT_DB = -143.0  # a frame with no band above it tells nothing
_LOUD_DB = 60.0  # frames further than this under the loudest are not laid beside others
_FRAMES = 256  # as many of them at most, evenly over time
_LEVEL_SECONDS = 0.005
_LEVEL_FLOOR_DB = -80.0
_MOVES = (2, 8, 32)  # over how many levels a rise or fall is taken: 10, 40 and 160 ms
_MOVE_QUANTILES = (0.03, 0.1, 0.3, 0.7, 0.9, 0.97)
_SPREAD_QUANTILES = (0.25, 0.5, 0.75, 0.9, 0.97, 0.995)
_DYNAMICS_WEIGHT = 0.3
MOMENTS = len(_SPREAD_QUANTILES) + len(_MOVES) * len(_MOVE_QUANTILES)  # numbers of the dynamics


@dataclass(frozen=True)
class Heard:
    """What is kept of a recording.

    spectrum_db: (QUANTILES, bands) of each band's level over time. mean_db: (bands,) their mean
    over time. frames_db: (moments, bands), louder ones. dynamics_db: how the level is spread and
    moves. loudness_lufs: BS.1770's.
    """

    spectrum_db: Vector
    mean_db: Vector
    frames_db: npt.NDArray[np.float32]
    dynamics_db: Vector
    loudness_lufs: float


class StyleSpace:
    """The space for recordings at `rates` (Hz, one or several): bands that all of them reach."""

    def __init__(self, rates: Sequence[int]) -> None:
        self.hz, self.weight = _bands(min(0.495 * min(rates), TOP_HZ))
        self._banks = {rate: self._bank(rate) for rate in set(rates)}

    def hear(self, audio: npt.ArrayLike, sample_rate: int, what: str = "audio") -> Heard:
        """Where a recording stands. audio: (frames,) or (frames, channels), mixed down.

        Raises: AudioError naming `what` where it is too short, silent or not finite.
        """
        x = check(audio, sample_rate, what)
        window, bank = self._banks[sample_rate]
        size = len(window)
        frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 2]
        spectra = scipy.fft.rfft(frames * window, axis=1)
        power = np.square(spectra.real) + np.square(spectra.imag)
        density = (power @ bank) * (2.0 / (sample_rate * float(np.square(window).sum())))
        levels_db = 10.0 * np.log10(density + np.float32(10.0 ** (FLOOR_DB / 10.0)))
        levels_db = levels_db[levels_db.max(axis=1) > _SILENT_DB]
        if len(levels_db) < MIN_SECONDS / WINDOW_SECONDS:
            raise AudioError(f"{what} is silent for too long: less than half a second of sound")
        return Heard(
            np.quantile(levels_db, QUANTILES, axis=0),
            levels_db.mean(axis=0, dtype=np.float64),
            _louder(levels_db),
            _dynamics(x, sample_rate),
            loudness_lufs(x[:, None], sample_rate),
        )

    def middle(self, values: Vector) -> float:
        """The weighted median of a value for each band, (bands,)."""
        return weighted_median(values, self.weight)

    def distance(self, heard: Heard, wanted: Heard) -> float:
        """0 for alike; `shape`, and how far the level is apart."""
        level = self.middle(wanted.mean_db - heard.mean_db)
        louder = wanted.loudness_lufs - heard.loudness_lufs
        return self.shape(heard, wanted) + 0.5 * (abs(level) + abs(louder))

    def shape(self, heard: Heard, wanted: Heard) -> float:
        """0 for alike, the level aside; about the mean dB that bands at all moments are apart, and
        the more the less the dynamics agree."""
        apart = wanted.spectrum_db - heard.spectrum_db
        level = self.middle(wanted.mean_db - heard.mean_db)
        spectrum = float((np.abs(apart - level) @ self.weight).mean())
        dynamics = float(np.abs(wanted.dynamics_db - heard.dynamics_db).mean())
        return spectrum + _DYNAMICS_WEIGHT * dynamics

    def residuals(self, heard: Heard, wanted: Heard) -> Vector:
        """What `distance` adds up, signed, for a search that goes by slopes."""
        apart = wanted.mean_db - heard.mean_db
        dynamics = wanted.dynamics_db - heard.dynamics_db
        dynamics = _DYNAMICS_WEIGHT * dynamics / np.sqrt(len(dynamics))
        louder = wanted.loudness_lufs - heard.loudness_lufs
        return np.concatenate([np.sqrt(self.weight) * apart, dynamics, [0.5 * louder]])

    def _bank(self, sample_rate: int) -> tuple[npt.NDArray, npt.NDArray]:
        """Hann window (size,) and band weights (bins, bands), columns of sum 1."""
        size = 2 * round(WINDOW_SECONDS * sample_rate / 2)
        bins_hz = np.arange(size // 2 + 1) * (sample_rate / size)
        step = sample_rate / size
        edges = np.concatenate([[self.hz[0] * 0.5], self.hz, [2 * self.hz[-1] - self.hz[-2]]])
        low = np.minimum(edges[:-2], self.hz - 1.2 * step)
        high = np.maximum(edges[2:], self.hz + 1.2 * step)
        rising = (bins_hz[:, None] - low) / (self.hz - low)
        falling = (high - bins_hz[:, None]) / (high - self.hz)
        bank = np.clip(np.minimum(rising, falling), 0.0, None)
        bank /= bank.sum(axis=0)
        window = np.hanning(size + 1)[:-1]
        return window.astype(np.float32), bank.astype(np.float32)


def _bands(top_hz: float) -> tuple[Vector, Vector]:
    """Middle frequencies (BANDS,), evenly in a mel scale, and their weights, of sum 1."""
    mel = np.linspace(np.log1p(40.0 / 1000.0), np.log1p(top_hz / 1000.0), BANDS + 2)
    edges = 1000.0 * np.expm1(mel)
    width = edges[2:] - edges[:-2]
    octaves = np.log(edges[2:] / edges[:-2])
    weight = (1.0 - _BY_OCTAVES) * width / width.sum() + _BY_OCTAVES * octaves / octaves.sum()
    return edges[1:-1], weight


def _louder(levels_db: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of the frames (frames, bands) the louder ones."""
    level = levels_db.max(axis=1)
    louder = levels_db[level >= level.max() - _LOUD_DB]
    if len(louder) > _FRAMES:
        louder = louder[np.linspace(0, len(louder) - 1, _FRAMES).astype(int)]
    return louder


def _dynamics(x: npt.NDArray[np.float32], sample_rate: int) -> Vector:
    """How far the level lies under its loudest moments, and how it rises and falls, in dB."""
    size = max(1, round(_LEVEL_SECONDS * sample_rate))
    power = np.square(x[: len(x) // size * size].reshape(-1, size)).mean(axis=1)
    level = 10.0 * np.log10(power + 10.0 ** (_LEVEL_FLOOR_DB / 10.0))
    spread = np.quantile(level, _SPREAD_QUANTILES)
    peak = 20.0 * np.log10(float(np.abs(x).max()) + 1e-9)
    moves = [np.quantile(level[k:] - level[:-k], _MOVE_QUANTILES) for k in _MOVES]
    return np.concatenate([np.append(spread, peak)[1:] - spread[-1], *moves])
