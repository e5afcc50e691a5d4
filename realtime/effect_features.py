"""What tells of a recording's reverb and distortion: one vector, whatever its rate and level.

Reverb fills pauses: how fast each octave band falls behind its loud moments, and how deep its
envelope swings. Distortion levels peaks and fills the gaps between partials: the shape of loud
frames, the flatness of spectra, and how each band goes with the level. Times are seconds and bands
Hz, and the recording is brought to `WORKING_LOUDNESS_LUFS`, as in `features`.

Sources: R. Ratnam et al., "Blind estimation of reverberation time", J. Acoust. Soc. Am. 114 (2003);
T. Houtgast and H. Steeneken, "The modulation transfer function in room acoustics" (1973).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import scipy.fft

from realtime import features
from realtime.features import Audio, analyse, check
from realtime.params import WORKING_LOUDNESS_LUFS

EDGES_HZ = (88.0, 177.0, 354.0, 707.0, 1_414.0, 2_828.0, 5_657.0, 11_314.0, 20_000.0)
BANDS = len(EDGES_HZ) - 1
HOP_SECONDS = 0.005
WINDOW_SECONDS = 0.02
FINE_SECONDS = 0.08  # of the windows that tell partials apart
LAGS = (4, 10, 20, 40, 80)  # hops: 20 to 400 ms
LOUD_DB = 20.0  # below a band's 95th percentile a moment still counts as loud
FALL_PERCENTILES = (2.0, 10.0, 30.0, 60.0)
RISE_PERCENTILES = (70.0, 90.0, 98.0)
LEVEL_PERCENTILES = (2.0, 5.0, 20.0, 50.0, 95.0)
MODULATION_HZ = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
FLATNESS_PERCENTILES = (20.0, 50.0, 80.0)
AMPLITUDE_PERCENTILES = (25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 100.0)
SHAPE_PERCENTILES = (10.0, 50.0, 90.0)
SHAPE_PARTS = ((0.0, 0.25), (0.25, 0.6))  # of the frames, from the loudest on
NEAR_PEAK = (0.3, 0.5, 0.7, 0.9)
FLOOR_DB = -110.0


LAYOUT = features.lay_out(
    {
        "falls": BANDS * len(LAGS) * len(FALL_PERCENTILES),
        "rises": BANDS * len(LAGS) * len(RISE_PERCENTILES),
        "levels": BANDS * len(LEVEL_PERCENTILES),
        "modulation": BANDS * (len(MODULATION_HZ) - 1),
        "flatness": BANDS * len(FLATNESS_PERCENTILES),
        "dependence": BANDS * 2,
        "amplitudes": len(AMPLITUDE_PERCENTILES),
        "shapes": len(SHAPE_PARTS) * (2 * len(SHAPE_PERCENTILES) + len(NEAR_PEAK)),
    }
)
SIZE = LAYOUT["shapes"].stop
# What `hear` gives, and what the effects' model looks at of it: all that `features` says of a
# recording on average, but its loudness, and this vector.
HEARD = features.SIZE + SIZE
STATISTICS = features.STATISTICS
LOOKED_AT = STATISTICS + SIZE


def fingerprint() -> str:
    """16 hex digits that name what the numbers mean that the effects' model looks at."""
    statistics = (
        [(name, part.stop) for name, part in features.LAYOUT.items() if part.stop <= STATISTICS],
        (float(features.BAND_HZ[0]), float(features.BAND_HZ[-1]), features.WINDOW_SECONDS),
        (features.FRAME_SECONDS, features.LEVEL_SCALES, features.LEVEL_PERCENTILES),
        (features.SPECTRUM_PERCENTILES, features.STEP_PERCENTILES, features.SAMPLE_PERCENTILES),
        (features.FLOOR_DB, features.LEVEL_FLOOR_DB, WORKING_LOUDNESS_LUFS),
    )
    rows = (
        statistics,
        {name: (part.start, part.stop) for name, part in LAYOUT.items()},
        (EDGES_HZ, HOP_SECONDS, WINDOW_SECONDS, FINE_SECONDS, LAGS, LOUD_DB, FLOOR_DB),
        (FALL_PERCENTILES, RISE_PERCENTILES, LEVEL_PERCENTILES, MODULATION_HZ),
        (FLATNESS_PERCENTILES, AMPLITUDE_PERCENTILES, SHAPE_PERCENTILES, SHAPE_PARTS, NEAR_PEAK),
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


def hear(audio: npt.ArrayLike, sample_rate: int, what: str = "audio") -> npt.NDArray[np.float32]:
    """All that the models hear of a recording: the vector of `features.analyse`, and behind it
    that of `analyse_effects`, float32 (HEARD,). Takes and raises what they do."""
    style = analyse(audio, sample_rate, what)
    loudness = float(style[features.LAYOUT["loudness"]][0])
    return np.concatenate([style, analyse_effects(audio, sample_rate, loudness, what)])


def looked_at(heard: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of vectors of `hear` (..., HEARD), what the effects' model looks at, (..., LOOKED_AT)."""
    return np.concatenate([heard[..., :STATISTICS], heard[..., features.SIZE :]], axis=-1)


def analyse_effects(
    audio: npt.ArrayLike, sample_rate: int, loudness_lufs: float, what: str = "audio"
) -> npt.NDArray[np.float32]:
    """The vector of a recording, float32 (SIZE,), laid out as `LAYOUT` says.

    audio: (frames,) or (frames, channels), full scale +-1.0. loudness_lufs: its own, which
    `features.analyse` has in the last place. what: how to call the recording in an error.

    Raises: realtime.features.AudioError as `features.analyse`.
    """
    mixed = check(audio, sample_rate, what)
    x = mixed * np.float32(10.0 ** ((WORKING_LOUDNESS_LUFS - loudness_lufs) / 20.0))
    found = np.zeros(SIZE, np.float32)
    _envelopes(x, sample_rate, found)
    _partials(x, sample_rate, found)
    _shapes(x, sample_rate, found)
    return found


def _spectra(x: Audio, sample_rate: int, seconds: float, hop: int) -> npt.NDArray[np.float32]:
    """Power of each frame's bins, (frames, bins)."""
    window, _, _ = _bank(sample_rate, seconds)
    if len(x) < len(window):
        x = np.pad(x, (0, len(window) - len(x)))
    frames = np.lib.stride_tricks.sliding_window_view(x, len(window))[::hop]
    spectra = scipy.fft.rfft(frames * window, axis=1)
    return np.square(spectra.real) + np.square(spectra.imag)


def _envelopes(x: Audio, sample_rate: int, found: npt.NDArray[np.float32]) -> None:
    """Fill in how each band's level moves."""
    _, ends, here = _bank(sample_rate, WINDOW_SECONDS)
    hop = max(1, round(HOP_SECONDS * sample_rate))
    bins = _spectra(x, sample_rate, WINDOW_SECONDS, hop)
    power = np.add.reduceat(bins, ends[:-1], axis=1)[:, :BANDS] * here
    level = 10.0 * np.log10(power + 10.0 ** (FLOOR_DB / 10.0))
    falls = np.zeros((BANDS, len(LAGS), len(FALL_PERCENTILES)))
    rises = np.zeros((BANDS, len(LAGS), len(RISE_PERCENTILES)))
    for band in np.flatnonzero(here):
        loud = level[:, band] > np.percentile(level[:, band], 95.0) - LOUD_DB
        for n, lag in enumerate(LAGS):
            moves = level[lag:, band] - level[:-lag, band]
            falls[band, n] = _quantiles(moves[loud[:-lag]], FALL_PERCENTILES)
            rises[band, n] = _quantiles(moves[loud[lag:]], RISE_PERCENTILES)
    found[LAYOUT["falls"]] = falls.ravel()
    found[LAYOUT["rises"]] = rises.ravel()
    mean_db = 10.0 * np.log10(power.mean(axis=0) + 10.0 ** (FLOOR_DB / 10.0))
    levels = np.percentile(level, LEVEL_PERCENTILES, axis=0) - mean_db
    found[LAYOUT["levels"]] = (levels * here).ravel()
    found[LAYOUT["modulation"]] = (_modulation(power, sample_rate / hop) * here).ravel()
    total = 10.0 * np.log10(power.sum(axis=1) + 10.0 ** (FLOOR_DB / 10.0))
    loud = total > np.percentile(total, 95.0) - 1.5 * LOUD_DB
    if np.count_nonzero(loud) > 2:
        about = total[loud] - total[loud].mean()
        moves = level[loud] - level[loud].mean(axis=0)
        together = about @ moves
        slope = together / (about @ about + 1e-3)
        alike = together / np.sqrt((about @ about + 1e-3) * (np.square(moves).sum(0) + 1e-3))
        found[LAYOUT["dependence"]] = np.concatenate([slope * here, alike * here])


def _modulation(power: npt.NDArray[np.float32], frame_rate: float) -> npt.NDArray[np.float64]:
    """How deep each band's envelope swings, dB by rate of swing, (rates, BANDS)."""
    envelope = np.sqrt(power)
    swing = envelope / (envelope.mean(axis=0) + 1e-9) - 1.0
    spectrum = np.square(np.abs(scipy.fft.rfft(swing, axis=0))) / len(swing) ** 2
    hz = np.arange(len(spectrum)) * (frame_rate / len(swing))
    rows = [
        spectrum[(hz >= low) & (hz < high)].sum(axis=0) for low, high in pairwise(MODULATION_HZ)
    ]
    return 10.0 * np.log10(np.array(rows) + 1e-6)


def _partials(x: Audio, sample_rate: int, found: npt.NDArray[np.float32]) -> None:
    """Fill in how flat each band's fine spectrum is in its louder half, dB."""
    window, ends, here = _bank(sample_rate, FINE_SECONDS)
    bins = _spectra(x, sample_rate, FINE_SECONDS, len(window) // 2)
    logs = np.log(bins + np.float32(10.0 ** (FLOOR_DB / 10.0)))
    sizes = np.maximum(np.diff(ends), 1)
    power = np.add.reduceat(bins, ends[:-1], axis=1)[:, :BANDS] / sizes
    flat = np.add.reduceat(logs, ends[:-1], axis=1)[:, :BANDS] / sizes
    flat = (flat - np.log(power + 10.0 ** (FLOOR_DB / 10.0))) * (10.0 / np.log(10.0))
    rows = np.zeros((BANDS, len(FLATNESS_PERCENTILES)))
    for band in np.flatnonzero(here):
        louder = power[:, band] >= np.median(power[:, band])
        rows[band] = _quantiles(flat[louder, band], FLATNESS_PERCENTILES)
    found[LAYOUT["flatness"]] = rows.ravel()


def _shapes(x: Audio, sample_rate: int, found: npt.NDArray[np.float32]) -> None:
    """Fill in how amplitudes are spread: over all, and within louder and quieter frames."""
    rms = float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) + 1e-9
    amplitudes = np.percentile(np.abs(x), AMPLITUDE_PERCENTILES) / rms
    found[LAYOUT["amplitudes"]] = 20.0 * np.log10(amplitudes + 1e-4)
    size = max(1, round(WINDOW_SECONDS * sample_rate))
    frames = x[: len(x) // size * size].reshape(-1, size)
    square = np.square(frames)
    power = square.mean(axis=1) + np.float32(1e-12)
    peak = np.abs(frames).max(axis=1) + np.float32(1e-6)
    crest = 10.0 * np.log10(np.square(peak) / power)
    kurtosis = np.log(np.square(square).mean(axis=1) / np.square(power) + 1e-3)
    relative = np.abs(frames) / peak[:, None]
    near = np.stack([(relative > share).mean(axis=1) for share in NEAR_PEAK], axis=1)
    order = np.argsort(-power)
    rows = []
    for start, end in SHAPE_PARTS:
        part = order[int(start * len(order)) : max(int(end * len(order)), 1)]
        rows += [
            _quantiles(crest[part], SHAPE_PERCENTILES),
            _quantiles(kurtosis[part], SHAPE_PERCENTILES),
            near[part].mean(axis=0),
        ]
    found[LAYOUT["shapes"]] = np.concatenate(rows)


def _quantiles(
    values: npt.NDArray[np.floating], percentiles: tuple[float, ...]
) -> npt.NDArray[np.floating]:
    if not len(values):
        return np.zeros(len(percentiles))
    ranked = np.sort(values)
    return np.interp(np.array(percentiles) / 100.0 * (len(ranked) - 1), range(len(ranked)), ranked)


@lru_cache(maxsize=32)
def _bank(
    sample_rate: int, seconds: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp], npt.NDArray[np.float32]]:
    """Hann window scaled to unit power (size,), first bin of each band and of what lies above
    them (BANDS + 1,), and which bands lie below Nyquist (BANDS,)."""
    size = scipy.fft.next_fast_len(round(seconds * sample_rate), real=True)
    size += size % 2
    window = np.hanning(size + 1)[:-1]
    window /= np.sqrt(size * np.square(window).sum() / 2.0)
    bins = size // 2 + 1
    ends = np.ceil(np.array(EDGES_HZ) * size / sample_rate).astype(np.intp)
    here = np.array(EDGES_HZ[1:]) <= 0.5 * sample_rate
    ends = np.minimum(np.maximum.accumulate(ends), bins - 1)
    return window.astype(np.float32), ends, here.astype(np.float32)
