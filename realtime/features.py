"""What the model hears of a recording: one fixed-length vector, whatever the rate and the level.

Times are seconds and bands are Hz, never samples and bins, so a recording gives (closely) the
same vector at every sample rate; bands above Nyquist stand at zero and say so in a mask. The
recording is brought to `WORKING_LOUDNESS_LUFS` first, so style does not depend on level; the
loudness it came with is kept apart, in the vector's last place.

Used by `predictor` on stage and by `offline_train.pairs` for training: one definition for both.
NumPy, SciPy and the loudness of `measure` only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import scipy.fft

from realtime import exemplars as ex
from realtime.measure import loudness_lufs
from realtime.params import SAMPLE_RATE_MAX, SAMPLE_RATE_MIN, WORKING_LOUDNESS_LUFS

Audio = npt.NDArray[np.float32]

MIN_SECONDS = 0.5  # one loudness block is 0.4 s; less than this says nothing about a style
SILENCE_LUFS = -70.0  # absolute gate of BS.1770: below, there is no loudness to speak of

BANDS = 80
BAND_HZ = np.geomspace(20.0, 20_000.0, BANDS)
WINDOW_SECONDS = 2048 / 24_000
SPECTRUM_PERCENTILES = (10.0, 30.0, 50.0, 70.0, 90.0)
FLOOR_DB = -140.0  # of a band's density in dB re 1/Hz, at working loudness

FRAME_SECONDS = 0.005
LEVEL_FLOOR_DB = -90.0
LEVEL_SCALES = (1, 4, 16, 64)  # frames averaged: 5, 20, 80 and 320 ms
LEVEL_PERCENTILES = (5.0, 10.0, 25.0, 50.0, 75.0, 90.0, 97.0)
STEP_PERCENTILES = (3.0, 10.0, 30.0, 70.0, 90.0, 97.0)
SAMPLE_PERCENTILES = (50.0, 75.0, 90.0, 99.0, 99.9)


def lay_out(sizes: Mapping[str, int]) -> dict[str, slice]:
    """Where each part of a vector lies whose parts, name -> size, stand one after the other."""
    layout, start = {}, 0
    for name, size in sizes.items():
        layout[name] = slice(start, start + size)
        start += size
    return layout


LAYOUT = lay_out(
    {
        "mean": BANDS,
        "percentiles": BANDS * len(SPECTRUM_PERCENTILES),
        "mask": BANDS,
        "peaks": len(LEVEL_PERCENTILES),
        "levels": len(LEVEL_PERCENTILES) * len(LEVEL_SCALES),
        "steps": len(STEP_PERCENTILES) * len(LEVEL_SCALES),
        "samples": len(SAMPLE_PERCENTILES),
        "scalars": 3,  # crest in dB, RMS over loudness in dB, natural log of the seconds
        "exemplars": ex.COUNT * BANDS,  # the spectra that it is made of, as `exemplars` finds them
        "shares": ex.COUNT,
        "loudness": 1,  # LUFS before normalisation: for the output gain, never for the style
    }
)
SIZE = LAYOUT["loudness"].stop
STATISTICS = LAYOUT["scalars"].stop  # so many numbers, the first, are what is heard on average


def fingerprint() -> str:
    """16 hex digits that name what the numbers of a vector mean; stands beside the table's hash
    in every ONNX file."""
    rows = (
        {name: (part.start, part.stop) for name, part in LAYOUT.items()},
        (
            float(BAND_HZ[0]),
            float(BAND_HZ[-1]),
            BANDS,
            WINDOW_SECONDS,
            FLOOR_DB,
            SPECTRUM_PERCENTILES,
        ),
        (FRAME_SECONDS, LEVEL_FLOOR_DB, LEVEL_SCALES, WORKING_LOUDNESS_LUFS),
        (LEVEL_PERCENTILES, STEP_PERCENTILES, SAMPLE_PERCENTILES),
        (ex.COUNT, ex.RANGE_DB, ex.ROUNDS),
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


class AudioError(ValueError):
    """A recording that nothing can be learnt from; the message says why in one line."""


def mono(audio: npt.ArrayLike) -> Audio:
    """Mix (frames,) or (frames, channels) down to float32 (frames,): the mean over channels.

    Raises: AudioError on any other shape.
    """
    array = np.asarray(audio, dtype=np.float32)
    if array.ndim == 2 and array.shape[1] >= 1:
        return array.mean(axis=1, dtype=np.float32)
    if array.ndim != 1:
        raise AudioError(f"audio has shape {array.shape}, not (frames,) or (frames, channels)")
    return array


def check(audio: npt.ArrayLike, sample_rate: int, what: str = "audio") -> Audio:
    """The mono mixdown of `audio`, checked.

    Raises: AudioError naming `what` where it is too short, not finite, or at a rate outside
    what the chain supports.
    """
    if not SAMPLE_RATE_MIN <= sample_rate <= SAMPLE_RATE_MAX:
        raise AudioError(
            f"{what}: {sample_rate} Hz is outside {SAMPLE_RATE_MIN}..{SAMPLE_RATE_MAX} Hz"
        )
    mixed = mono(audio)
    if len(mixed) < MIN_SECONDS * sample_rate:
        raise AudioError(
            f"{what} is too short: {len(mixed) / sample_rate:.3g} s, "
            f"at least {MIN_SECONDS:g} s are needed"
        )
    if not np.isfinite(mixed).all():
        raise AudioError(f"{what} holds samples that are not finite numbers")
    return mixed


def analyse(audio: npt.ArrayLike, sample_rate: int, what: str = "audio") -> npt.NDArray[np.float32]:
    """The feature vector of a recording, float32 (SIZE,), laid out as `LAYOUT` says.

    audio: (frames,) or (frames, channels), full scale +-1.0; channels are mixed down.
    what: how to call the recording in an error.

    Raises: AudioError where it is too short, silent, not finite, or at an unsupported rate.
    """
    mixed = check(audio, sample_rate, what)
    loudness = loudness_lufs(mixed, sample_rate)
    if loudness < SILENCE_LUFS:
        raise AudioError(f"{what} is silent: nothing in it reaches {SILENCE_LUFS:g} LUFS")
    scaled = mixed * np.float32(10.0 ** ((WORKING_LOUDNESS_LUFS - loudness) / 20.0))
    features = np.zeros(SIZE, np.float32)
    _spectrum(scaled, sample_rate, features)
    _dynamics(scaled, sample_rate, features)
    features[LAYOUT["loudness"]] = loudness
    return features


def _spectrum(x: Audio, sample_rate: int, features: npt.NDArray[np.float32]) -> None:
    """Fill in each band's density in dB re 1/Hz: its mean, its percentiles over time, and the
    spectra that occur."""
    window, weights, mask = _bank(sample_rate)
    size = len(window)
    if len(x) < size:
        x = np.pad(x, (0, size - len(x)))
    frames = np.lib.stride_tricks.sliding_window_view(x, size)[:: size // 2]
    spectra = scipy.fft.rfft(frames * window, axis=1)
    power = np.square(spectra.real) + np.square(spectra.imag)
    density = (power @ weights) * (2.0 / (sample_rate * float(np.square(window).sum())))
    floor = 10.0 ** (FLOOR_DB / 10.0)
    mean_db = 10.0 * np.log10(density.mean(axis=0) + floor)
    frames_db = 10.0 * np.log10(density + floor)
    percentiles = np.percentile(frames_db, SPECTRUM_PERCENTILES, axis=0)
    features[LAYOUT["mean"]] = mean_db * mask
    features[LAYOUT["percentiles"]] = (percentiles * mask).ravel()
    features[LAYOUT["mask"]] = mask
    centres, shares = ex.exemplars(frames_db * mask)
    features[LAYOUT["exemplars"]] = (centres * mask).ravel()
    features[LAYOUT["shares"]] = shares


def _dynamics(x: Audio, sample_rate: int, features: npt.NDArray[np.float32]) -> None:
    """Fill in how the level is spread and how it moves, in dB at working loudness."""
    size = max(1, round(FRAME_SECONDS * sample_rate))
    frames = x[: len(x) // size * size].reshape(-1, size)
    power = np.square(frames, dtype=np.float32).mean(axis=1)
    peaks = _db(np.abs(frames).max(axis=1))
    features[LAYOUT["peaks"]] = np.percentile(peaks, LEVEL_PERCENTILES)
    levels, steps = [], []
    for scale in LEVEL_SCALES:
        count = max(1, len(power) // scale)
        averaged = power[: count * scale].reshape(count, -1).mean(axis=1)
        levels.append(np.percentile(_db(np.sqrt(averaged)), LEVEL_PERCENTILES))
        moves = peaks[scale:] - peaks[:-scale]
        steps.append(np.percentile(moves, STEP_PERCENTILES))
    features[LAYOUT["levels"]] = np.concatenate(levels)
    features[LAYOUT["steps"]] = np.concatenate(steps)
    magnitude = np.abs(x)
    features[LAYOUT["samples"]] = _db(np.percentile(magnitude, SAMPLE_PERCENTILES))
    rms_db = float(_db(np.sqrt(np.square(x, dtype=np.float64).mean())))
    peak_db = float(_db(magnitude.max()))
    features[LAYOUT["scalars"]] = (
        peak_db - rms_db,
        rms_db - WORKING_LOUDNESS_LUFS,
        np.log(len(x) / sample_rate),
    )


def _db(amplitude: npt.ArrayLike) -> npt.NDArray[np.floating]:
    return 20.0 * np.log10(np.maximum(amplitude, 10.0 ** (LEVEL_FLOOR_DB / 20.0)))


@lru_cache(maxsize=16)
def _bank(
    sample_rate: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Hann window (size,), band weights (bins, BANDS) with columns of sum 1, mask (BANDS,)."""
    size = scipy.fft.next_fast_len(round(WINDOW_SECONDS * sample_rate), real=True)
    size += size % 2
    window = np.hanning(size + 1)[:-1]
    bins_hz = np.arange(size // 2 + 1) * (sample_rate / size)
    step = BAND_HZ[1] / BAND_HZ[0]
    width_hz = np.maximum(BAND_HZ * (step - 1.0 / step) / 2.0, sample_rate / size)
    weights = np.maximum(0.0, 1.0 - np.abs(bins_hz[:, None] - BAND_HZ) / width_hz)
    total = weights.sum(axis=0)
    mask = (BAND_HZ + width_hz <= sample_rate / 2) & (total > 0)
    weights = np.where(mask, weights / np.where(total > 0, total, 1.0), 0.0)
    return window.astype(np.float32), weights.astype(np.float32), mask.astype(np.float32)
