"""Speech-like and music-like audio out of nothing, for training runs without recordings.

Good for checking that the machinery works and for a rough model; real recordings are better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.synthesis import speech

Audio = npt.NDArray[np.float32]

SAMPLE_RATE = 44_100
SECONDS = 12.0


def make(kind: str, seed: int) -> Audio:
    """`speech` or `music`, float32 (SECONDS * SAMPLE_RATE,), peak 0.5. Same seed, same audio."""
    rng = np.random.default_rng([seed, kind == "music"])
    if kind == "speech":
        return speech(SECONDS, SAMPLE_RATE, seed, pitch_hz=rng.uniform(85.0, 240.0))
    x = _music(rng)
    return (0.5 * x / np.abs(x).max()).astype(np.float32)


def _music(rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Plucked or held notes of a scale over a drum beat."""
    total = int(SECONDS * SAMPLE_RATE)
    out = np.zeros(total)
    beat = int(SAMPLE_RATE * rng.uniform(0.18, 0.45))
    root_hz, decay_s = rng.uniform(55.0, 110.0), 10.0 ** rng.uniform(-0.8, 0.4)
    partials = np.arange(1, 41) ** -rng.uniform(0.8, 2.0) * np.exp(6.28j * rng.random(40))
    wave = np.fft.irfft(np.concatenate([[0.0], partials]), 1_024) * 1_024
    drums = rng.random() < 0.7
    for step, at in enumerate(range(0, total, beat)):
        for _ in range(rng.integers(0, 4)):
            pitch_hz = root_hz * 2 ** ((rng.choice([0, 2, 4, 7, 9]) + 12 * rng.integers(0, 4)) / 12)
            size = min(total - at, int(min(2.0, 3.0 * decay_s) * SAMPLE_RATE))
            time = np.arange(size) / SAMPLE_RATE
            phase = (pitch_hz * time * (1.0 + 0.001 * np.sin(30.0 * time)) + rng.random()) % 1.0
            note = np.interp(phase, np.linspace(0.0, 1.0, len(wave)), wave)
            out[at : at + size] += note * np.exp(-time / decay_s) * (1.0 - np.exp(-time / 0.004))
        if drums:
            time = np.arange(min(total - at, SAMPLE_RATE // 5)) / SAMPLE_RATE
            hit = rng.standard_normal(len(time)) * np.exp(-time / 0.03)
            if step % 4 == 0:
                hit = 3 * np.sin(2 * np.pi * (50 * time + 8 * (1 - np.exp(-time / 0.02))))
                hit *= np.exp(-time / 0.08)
            out[at : at + len(time)] += hit
    return out + 1e-4 * rng.standard_normal(total)
