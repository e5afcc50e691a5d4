"""The rule-based way, without learning: match the spectrum, then compress to the loudness.

A linear-phase filter of 63 taps brings the input's mean spectrum to the reference's; then a 3:1
compressor's threshold goes down until, at the reference's peak, the loudness fits too. What is
too loud at that peak without a compressor is turned down.

Source: C. J. Steinmetz, N. J. Bryan, J. D. Reiss, "Style Transfer of Audio Effects with
Differentiable Signal Processing", JAES 70 (2022), section on baselines.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.signal

from offline_train.pairs import Compressor
from realtime.measure import loudness_lufs

Audio = npt.NDArray[np.float32]

FFT = 65_536
SMOOTHING = 1_025  # bins of the Savitzky-Golay filter, of second order
SPECTRUM_FLOOR_DB = -80.0  # below the peak: less is nothing, and nothing divides by it
GAIN_MAX_DB = 24.0  # of the filter: more would lift what an equaliser left of noise
TAPS = 63
RATIO, KNEE_DB, ATTACK_MS, RELEASE_MS = 3.0, 6.0, 1.0, 50.0
THRESHOLD_STEP_DB = 0.5
THRESHOLD_LOWEST_DB = -80.0
CLOSE_LU = 0.5


def transfer(input: Audio, reference: Audio, sample_rate: int) -> Audio:
    """The input (frames,) in the reference's style, (frames,), at the reference's peak or below."""
    matched = match_spectrum(input, reference)
    wanted = loudness_lufs(reference[:, None], sample_rate)

    def compressed(step: int) -> Audio:
        threshold_db = -THRESHOLD_STEP_DB * step
        settings = Compressor(threshold_db, RATIO, KNEE_DB, ATTACK_MS, RELEASE_MS)
        return _to_peak(settings.apply(matched, sample_rate), reference)

    # The lower the threshold, the louder at the same peak: the first step that is loud enough.
    low, high = 0, round(-THRESHOLD_LOWEST_DB / THRESHOLD_STEP_DB)
    while low < high:
        middle = (low + high) // 2
        if wanted - loudness_lufs(compressed(middle)[:, None], sample_rate) <= CLOSE_LU:
            high = middle
        else:
            low = middle + 1
    output = compressed(low)
    too_loud = loudness_lufs(output[:, None], sample_rate) - wanted
    return output * np.float32(10.0 ** (-max(too_loud, 0.0) / 20.0))


def match_spectrum(input: Audio, reference: Audio) -> Audio:
    """The input through the filter that gives it the reference's smoothed mean spectrum."""
    ratio = _mean_spectrum(reference) / _mean_spectrum(input)
    ratio = np.clip(ratio, 10.0 ** (-GAIN_MAX_DB / 20.0), 10.0 ** (GAIN_MAX_DB / 20.0))
    taps = scipy.signal.firwin2(TAPS, np.linspace(0.0, 1.0, len(ratio)), ratio, window="hann")
    return scipy.signal.fftconvolve(input, taps, mode="same").astype(np.float32)


def _mean_spectrum(x: Audio) -> npt.NDArray[np.float64]:
    x = np.pad(x, (0, max(0, FFT - len(x)))).astype(np.float64)
    frames = np.lib.stride_tricks.sliding_window_view(x, FFT)[:: FFT // 4]
    mean = np.mean([np.abs(np.fft.rfft(frame * np.hanning(FFT))) for frame in frames], axis=0)
    smooth = scipy.signal.savgol_filter(mean, SMOOTHING, 2)
    return np.maximum(smooth, 10.0 ** (SPECTRUM_FLOOR_DB / 20.0) * max(float(smooth.max()), 1e-9))


def _to_peak(x: Audio, like: Audio) -> Audio:
    return x * np.float32(np.abs(like).max() / max(float(np.abs(x).max()), 1e-9))
