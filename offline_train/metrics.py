"""How far one sound is from another, and how sure a mean over examples is."""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt
import soxr
import torch

from offline_train.losses import mr_stft
from realtime.features import AudioError
from realtime.measure import centroid_hz, loudness_lufs

Audio = npt.NDArray[np.float32]

METRICS = ("MR-STFT", "SCE Hz", "RMS dB", "LUFS dB")
PESQ = "PESQ"  # of speech, beside METRICS: the only one of which more is better
PESQ_RATE = 16_000  # wide band
RESAMPLES = 2_000
CONFIDENCE = 0.95


def distances(output: Audio, target: Audio, sample_rate: int) -> list[float]:
    """METRICS of output against target, (frames,) each: absolute differences, real dB."""
    pair = (torch.from_numpy(output)[None], torch.from_numpy(target)[None])
    rms = [
        20.0 * np.log10(np.sqrt(np.mean(np.square(x, dtype=np.float64))) + 1e-9)
        for x in (output, target)
    ]
    centroids = [centroid_hz(x[:, None], sample_rate) for x in (output, target)]
    loudness = [max(-70.0, loudness_lufs(x[:, None], sample_rate)) for x in (output, target)]
    return [
        float(mr_stft(*pair)),
        abs(centroids[0] - centroids[1]),
        float(abs(rms[0] - rms[1])),
        abs(loudness[0] - loudness[1]),
    ]


def knows_pesq() -> bool:
    """Whether the `pesq` package is there, of the extra [pesq]."""
    return importlib.util.find_spec("pesq") is not None


def speech_quality(output: Audio, target: Audio, sample_rate: int) -> float:
    """Wide-band PESQ of output against target, (frames,) each: 1 bad to 4.64 the same.

    Source: ITU-T P.862.2. Raises: AudioError where it finds no speech to compare.
    """
    import pesq

    sides = (soxr.resample(x, sample_rate, PESQ_RATE) for x in (target, output))
    try:
        return float(pesq.pesq(PESQ_RATE, *sides, "wb"))
    except pesq.PesqError as error:
        reason = error.args[0] if error.args else error
        said = reason.decode("ascii", "replace") if isinstance(reason, bytes) else str(reason)
        raise AudioError(f"PESQ: {said}") from None


def ratio_interval(
    rows: npt.ArrayLike, untouched: npt.ArrayLike, seed: int = 0
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean of `rows` over mean of `untouched`, (examples, metrics) of the same examples, and the
    ends of its 95 % interval by the bootstrap over examples; NaN without any.

    Source: B. Efron, "Bootstrap methods: another look at the jackknife" (1979).
    """
    above, below = np.asarray(rows, float), np.asarray(untouched, float)
    if not len(above):
        nothing = np.full(above.shape[1] if above.ndim == 2 else len(METRICS), np.nan)
        return nothing, nothing, nothing
    drawn = np.random.default_rng(seed).integers(len(above), size=(RESAMPLES, len(above)))
    ratios = above[drawn].mean(axis=1) / below[drawn].mean(axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(ratios, (tail, 1.0 - tail), axis=0)
    return above.mean(axis=0) / below.mean(axis=0), low, high
