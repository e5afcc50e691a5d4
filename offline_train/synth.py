"""Speech-like and music-like audio out of nothing, for training runs without recordings.

Good for checking that the machinery works and for a rough model; real recordings are better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import scipy.signal

Audio = npt.NDArray[np.float32]

SAMPLE_RATE = 44_100
SECONDS = 16.0


def make(kind: str, seed: int) -> Audio:
    """`speech` or `music`, float32 (SECONDS * SAMPLE_RATE,), peak 0.5. Same seed, same audio."""
    rng = np.random.default_rng([seed, kind == "music"])
    x = _music(rng) if kind == "music" else _speech(rng)
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


def _speech(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Syllables: a buzz through three formants or a hiss, with pauses between phrases."""
    total = int(SECONDS * SAMPLE_RATE)
    out = np.zeros(total)
    pitch_hz, tract = rng.uniform(85.0, 240.0), rng.uniform(0.9, 1.2)
    at = 0
    while at < total:
        size = int(rng.uniform(0.08, 0.3) * SAMPLE_RATE)
        time = np.arange(size) / SAMPLE_RATE
        envelope = np.sin(np.pi * np.arange(size) / size) ** 0.6 * 10 ** rng.uniform(-0.8, 0.0)
        if rng.random() < 0.25:
            band = np.array([rng.uniform(2_000, 4_500), rng.uniform(7_000, 14_000)])
            sos = scipy.signal.butter(2, band, "band", fs=SAMPLE_RATE, output="sos")
            sound = 0.3 * scipy.signal.sosfilt(sos, rng.standard_normal(size))
        else:
            drift = 1.0 + rng.uniform(-0.5, 0.5) * time + 0.01 * np.sin(2 * np.pi * 5 * time)
            phase = np.cumsum(pitch_hz * rng.uniform(0.85, 1.2) * drift) / SAMPLE_RATE
            sound = np.diff(np.floor(phase), prepend=0.0) + 0.005 * rng.standard_normal(size)
            sound = scipy.signal.lfilter([1.0], [1.0, -0.97], sound)
            for low, high in ((250, 850), (850, 2_500), (2_300, 3_500)):
                b, a = scipy.signal.iirpeak(rng.uniform(low, high) * tract, 5.0, fs=SAMPLE_RATE)
                sound = 0.15 * sound + scipy.signal.lfilter(b, a, sound)
        sound = sound / (np.abs(sound).max() + 1e-9) * envelope
        stop = min(total, at + size)
        out[at:stop] += sound[: stop - at]
        at = stop + int(SAMPLE_RATE * (rng.uniform(0.2, 0.6) if rng.random() < 0.15 else 0.0))
    return out + 10 ** rng.uniform(-4.5, -3.5) * rng.standard_normal(total)


def _music(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Plucked or held notes of a scale over a drum beat."""
    total = int(SECONDS * SAMPLE_RATE)
    out = np.zeros(total)
    beat = int(SAMPLE_RATE * rng.uniform(0.18, 0.45))
    root_hz, slope, decay_s = (
        rng.uniform(55, 110),
        rng.uniform(0.8, 2.0),
        10 ** rng.uniform(-0.8, 0.4),
    )
    drums = rng.random() < 0.7
    for step, at in enumerate(range(0, total, beat)):
        for _ in range(rng.integers(0, 4)):
            pitch_hz = root_hz * 2 ** ((rng.choice([0, 2, 4, 7, 9]) + 12 * rng.integers(0, 4)) / 12)
            time = np.arange(min(total - at, int(3 * decay_s * SAMPLE_RATE))) / SAMPLE_RATE
            partials = np.arange(1, min(25, int(16_000 / pitch_hz)) + 1)
            for n in partials:
                tone = np.sin(2 * np.pi * n * pitch_hz * time + rng.uniform(0, 6.28))
                out[at : at + len(time)] += (
                    n**-slope * tone * np.exp(-time * (1 + 0.2 * n) / decay_s)
                )
        if drums:
            time = np.arange(min(total - at, SAMPLE_RATE // 5)) / SAMPLE_RATE
            hit = rng.standard_normal(len(time)) * np.exp(-time / 0.03)
            if step % 4 == 0:
                hit = 3 * np.sin(2 * np.pi * (50 * time + 8 * (1 - np.exp(-time / 0.02))))
                hit *= np.exp(-time / 0.08)
            out[at : at + len(time)] += hit
    return out + 1e-4 * rng.standard_normal(total)
