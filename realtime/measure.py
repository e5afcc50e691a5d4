"""What a person can hear, as numbers: loudness, spectrum and its centroid, crest.

Audio is float32 `(frames, channels)`, full scale +-1.0. Not for the audio thread.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]

# Two threads that load parts of SciPy at once can find it half made: hold this where that may be.
LOADING = threading.Lock()
SANE_PEAK = 32.0  # the chain drops louder samples (and those that are no numbers) as faults
_METER_SECONDS = 0.4  # BS.1770's block: the shortest sound with a loudness
_FRAME_SECONDS = 0.04
# Centres of thirds of an octave where voices and most instruments have energy.
THIRD_OCTAVES_HZ = 1_000.0 * 2.0 ** (np.arange(-10, 13) / 3.0)


@dataclass(frozen=True)
class Sound:
    """Measures of a stretch of audio. A silent one has -inf LUFS and a centroid of NaN."""

    seconds: float
    loudness_lufs: float
    centroid_hz: float
    crest_db: float


def measure(x: Audio, sample_rate: int) -> Sound:
    """Loudness, centroid and crest of `x` `(frames, channels)`, faulty samples left out."""
    x = without_faults(x)
    return Sound(
        seconds=len(x) / sample_rate,
        loudness_lufs=loudness_lufs(x, sample_rate),
        centroid_hz=centroid_hz(x, sample_rate),
        crest_db=crest_db(x),
    )


def preload() -> None:
    """Load the loudness meter ahead of its first use: it takes a second to import."""
    with LOADING:
        import pyloudnorm

        assert pyloudnorm


def without_faults(x: Audio) -> Audio:
    """`x` with samples that are not finite or beyond +-32 set to 0, as the chain does."""
    faulty = ~(np.abs(x) <= SANE_PEAK)
    return np.where(faulty, np.float32(0.0), x) if faulty.any() else x


def loudness_lufs(x: Audio, sample_rate: int) -> float:
    """Integrated loudness, ITU-R BS.1770-4; -inf if silent or shorter than 0.4 s."""
    if len(x) <= _METER_SECONDS * sample_rate:
        return -math.inf
    preload()
    import pyloudnorm

    with np.errstate(divide="ignore", invalid="ignore"):
        meter = pyloudnorm.Meter(sample_rate, block_size=_METER_SECONDS)
        loudness = float(meter.integrated_loudness(x.astype(np.float64)))
    return loudness if math.isfinite(loudness) else -math.inf


def centroid_hz(x: Audio, sample_rate: int) -> float:
    """Centre of gravity of the mean magnitude spectrum (Hann, 40 ms, half overlapped).

    NaN where there is nothing: no samples, or silence.
    """
    size = max(16, round(_FRAME_SECONDS * sample_rate))
    window = np.hanning(size)[:, None]
    total = np.zeros(size // 2 + 1)
    starts = range(0, max(1, len(x) - size + 1), size // 2)
    for start in starts:
        frame = x[start : start + size]
        if len(frame) < size:
            frame = np.pad(frame, ((0, size - len(frame)), (0, 0)))
        total += np.abs(np.fft.rfft(frame * window, axis=0)).sum(axis=1)
    if not total.sum() > 0.0:
        return math.nan
    return float(total @ np.fft.rfftfreq(size, 1.0 / sample_rate) / total.sum())


def third_octaves_db(x: Audio, sample_rate: int) -> NDArray[np.float64]:
    """Level of `x` `(frames, channels)` in each band of `THIRD_OCTAVES_HZ`, in dB."""
    power = (np.abs(np.fft.rfft(x.astype(np.float64), axis=0)) ** 2).mean(axis=1)
    freqs = np.fft.rfftfreq(len(x), 1.0 / sample_rate)
    edges = [THIRD_OCTAVES_HZ * 2.0 ** (-1 / 6), THIRD_OCTAVES_HZ * 2.0 ** (1 / 6)]
    low, high = np.searchsorted(freqs, edges)
    totals = np.concatenate([[0.0], np.cumsum(power)])
    levels: NDArray[np.float64] = 10.0 * np.log10(totals[high] - totals[low] + 1e-12)
    return levels


def crest_db(x: Audio) -> float:
    """Peak over RMS in dB; NaN for silence."""
    highest = peak(x)
    if highest == 0.0:
        return math.nan
    rms = math.sqrt(float(np.mean(np.square(x, dtype=np.float64))))
    return 20.0 * math.log10(highest / rms)


def peak(x: Audio) -> float:
    """Largest magnitude in `x`, any shape; 0 of nothing, NaN if there is one in it."""
    return float(np.abs(x).max(initial=0.0))


def channel_peaks(x: Audio) -> tuple[float, ...]:
    """Largest magnitude in each channel of `x` `(frames, channels)`, faulty samples left out."""
    return tuple(np.abs(without_faults(x)).max(axis=0, initial=0.0).tolist())
