"""Float64 references of every effect, written from the equations and not from the kernels.

Plain loops and scipy; signals are float64 `(frames,)` or `(frames, channels)`, full scale +-1.
Every function starts from rest and returns a new array.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Array = NDArray[np.float64]

EQ_MAX_FRACTION = 0.45


def biquad(kind: str, freq_hz: float, gain_db: float, q: float, sample_rate: float) -> Array:
    """One second-order section `b0 b1 b2 1 a1 a2`, as scipy.signal wants it.

    The analog prototype with unit corner, H(s), through the bilinear transform that maps s=j to
    `freq_hz`: peak (s2 + s A/Q + 1)/(s2 + s/(A Q) + 1), low shelf
    A (s2 + s sqrt(A)/Q + A)/(A s2 + s sqrt(A)/Q + 1), high shelf its mirror image.
    Source: Bristow-Johnson, Audio EQ Cookbook (its analog prototypes).
    """
    freq_hz = min(freq_hz, EQ_MAX_FRACTION * sample_rate)
    a = 10.0 ** (gain_db / 40.0)
    root = math.sqrt(a)
    if kind == "peak":
        numerator, denominator = [1.0, a / q, 1.0], [1.0, 1.0 / (a * q), 1.0]
    elif kind == "low_shelf":
        numerator = [a, a * root / q, a * a]
        denominator = [a, root / q, 1.0]
    elif kind == "high_shelf":
        numerator = [a * a, a * root / q, a]
        denominator = [1.0, root / q, a]
    else:
        raise ValueError(kind)
    # s = (z - 1) / (k (z + 1)) with k = tan(w0 / 2).
    k = math.tan(math.pi * freq_hz / sample_rate)

    def bilinear(c: list[float]) -> Array:
        s2, s1, s0 = c[0], c[1] * k, c[2] * k * k
        return np.array([s2 + s1 + s0, 2.0 * (s0 - s2), s2 - s1 + s0])

    b, d = bilinear(numerator), bilinear(denominator)
    return np.concatenate([b, d]) / d[0]


def peq(x: Array, sos: Array) -> Array:
    """`x` through second-order sections along time (scipy)."""
    return signal.sosfilt(sos, x, axis=0)


def moving_peq(x: Array, sos: Array) -> Array:
    """`x` (frames, channels) through sections that differ from frame to frame: sos (frames,
    sections, 6), in direct form I."""
    y = np.array(x, dtype=np.float64)
    for section in range(sos.shape[1]):
        x1 = x2 = y1 = y2 = np.zeros(y.shape[1])
        for t, (b0, b1, b2, _, a1, a2) in enumerate(sos[:, section].tolist()):
            now = y[t].copy()
            out = b0 * now + b1 * x1 + b2 * x2 - a1 * y1 - a2 * y2
            x1, x2, y1, y2 = now, x1, out, y1
            y[t] = out
    return y


def static_reduction_db(
    level_db: float, threshold_db: float, ratio: float, knee_db: float
) -> float:
    """Gain reduction of the compressor in dB, <= 0, for a steady peak level.

    Source: Giannoulis, Massberg, Reiss, Digital Dynamic Range Compressor Design, JAES 2012, eq. 4.
    """
    slope = 1.0 - 1.0 / ratio
    over = level_db - threshold_db
    if 2.0 * over <= -knee_db:
        return 0.0
    if 2.0 * over < knee_db:
        return -slope * (over + knee_db / 2.0) ** 2 / (2.0 * knee_db)
    return -slope * over


def compressor(
    x: Array,
    threshold_db: float,
    ratio: float,
    knee_db: float,
    attack_ms: float,
    release_ms: float,
    makeup_gain_db: float,
    sample_rate: float,
) -> Array:
    """Feed-forward, linked over channels, smooth branching in the dB domain."""
    attack = math.exp(-1000.0 / (attack_ms * sample_rate))
    release = math.exp(-1000.0 / (release_ms * sample_rate))
    peaks = np.abs(x) if x.ndim == 1 else np.abs(x).max(axis=1)
    gain = np.empty(len(x))
    reduction = 0.0
    for n, peak in enumerate(peaks):
        level_db = 20.0 * math.log10(max(float(peak), 1e-6))
        target = static_reduction_db(level_db, threshold_db, ratio, knee_db)
        coefficient = attack if target < reduction else release
        reduction = coefficient * reduction + (1.0 - coefficient) * target
        gain[n] = 10.0 ** ((reduction + makeup_gain_db) / 20.0)
    return x * (gain if x.ndim == 1 else gain[:, None])


def distortion(x: Array, drive_db: float, tone_hz: float, mix: float, sample_rate: float) -> Array:
    """Antiderivative-antialiased u/sqrt(1+u^2), droop correction, level match, low-pass, mix.

    Source: Parker, Zavalishin, Le Bivic, Reducing the aliasing of nonlinear waveshaping using
    continuous-time convolution, DAFx 2016: (F(u[n]) - F(u[n-1])) / (u[n] - u[n-1]) with
    F = sqrt(1+u^2); the one-pole low-pass is the trapezoidal one of Zavalishin, The Art of VA
    Filter Design.
    """
    gain = 10.0 ** (drive_db / 20.0)
    u = gain * x
    before = np.concatenate([np.zeros_like(u[:1]), u[:-1]])
    step = u - before
    close = np.abs(step) < 1e-4 * (1.0 + np.abs(u))
    quotient = (np.sqrt(1.0 + u * u) - np.sqrt(1.0 + before * before)) / np.where(close, 1.0, step)
    middle = 0.5 * (u + before)
    w = np.where(close, middle / np.sqrt(1.0 + middle * middle), quotient)
    pole = 0.5
    v = signal.lfilter([1.0 + pole], [1.0, pole], w, axis=0)
    reference = 0.25
    level = reference * math.sqrt(1.0 + (gain * reference) ** 2) / (gain * reference)
    k = math.tan(math.pi * min(tone_hz, EQ_MAX_FRACTION * sample_rate) / sample_rate)
    low = signal.lfilter([k / (1.0 + k)] * 2, [1.0, (k - 1.0) / (k + 1.0)], v, axis=0)
    return x + mix * (level * low - x)


def limiter(x: Array, sample_rate: float) -> Array:
    """Instant attack, 50 ms release of the gain towards one, linked, ceiling 1."""
    toward_one = 1.0 - math.exp(-1.0 / (0.05 * sample_rate))
    peaks = np.abs(x) if x.ndim == 1 else np.abs(x).max(axis=1)
    gains = np.empty(len(x))
    gain = 1.0
    for n, peak in enumerate(peaks):
        gain = min(1.0, gain + (1.0 - gain) * toward_one)
        if peak * gain > 1.0:
            gain = 1.0 / peak
        gains[n] = gain
    return np.clip(x * (gains if x.ndim == 1 else gains[:, None]), -1.0, 1.0)
