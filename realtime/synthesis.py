"""Sound made on the spot: speech-like syllables for the demo, where no recording is at hand.

Source and filter: a glottal pulse train with its own melody, and noise, shaped frame by frame by
the resonances of vowels and consonants. Deterministic: the same seed gives the same sound.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import istft, stft

# Formants of six American English vowels, men's means (Peterson and Barney, 1952), a fourth added
# where their table has three; fricatives as centre and width of a band of noise.
_VOWELS_HZ = (
    (730, 1090, 2440, 3400), (530, 1840, 2480, 3500), (270, 2290, 3010, 3600),
    (570, 840, 2410, 3300), (300, 870, 2240, 3300), (660, 1720, 2410, 3500),
)  # fmt: skip
_FORMANT_WIDTHS_HZ = (70.0, 100.0, 150.0, 220.0)
_FRICATIVES_HZ = ((6_500.0, 2_500.0), (3_000.0, 1_600.0), (8_000.0, 5_000.0), (1_800.0, 1_200.0))
_FRAME_S = 0.02


def speech(seconds: float, sample_rate: int, seed: int, pitch_hz: float = 110.0) -> np.ndarray:
    """Speech-like syllables in phrases with pauses between them.

    seed: which syllables, melody and rhythm.
    pitch_hz: the voice's middle pitch; formants move with it as they do from man to child.
    Returns float32 (frames,), peak 0.5.
    """
    rng = np.random.default_rng(seed)
    frames = round(seconds * sample_rate)
    frame_size = 2 * round(_FRAME_S * sample_rate / 2)
    tract = (pitch_hz / 110.0) ** 0.25
    score = _score(rng, seconds, frame_size / 2 / sample_rate)
    voice = _glottis(rng, score["pitch"] * pitch_hz, frames, sample_rate)
    noise = rng.standard_normal(frames)

    layout = {"fs": sample_rate, "nperseg": frame_size}
    freqs, _, voice_frames = stft(voice, **layout)
    _, _, noise_frames = stft(noise, **layout)
    count = voice_frames.shape[1]
    shaped = voice_frames * _vowel_response(freqs, score["formants"][:count] * tract)
    shaped *= score["voiced"][:count]
    centre, width = score["noise_hz"][:count].T * tract
    hiss = np.exp(-(((freqs[:, None] - centre) / width) ** 2)) * score["noise"][:count]
    shaped += 0.8 * hiss * noise_frames
    _, sound = istft(shaped, **layout)
    sound = sound[:frames]
    # A microphone in a quiet room is never silent.
    sound = sound / np.abs(sound).max() + 2e-4 * noise
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


def _score(rng: np.random.Generator, seconds: float, step_s: float) -> dict[str, np.ndarray]:
    """What happens when, one row every `step_s` seconds: levels, formants, relative pitch."""
    steps = int(seconds / step_s) + 3
    voiced, noise, pitch = np.zeros(steps), np.zeros(steps), np.ones(steps)
    formants = np.tile(np.array(_VOWELS_HZ[0], float), (steps, 1))
    noise_hz = np.tile(np.array(_FRICATIVES_HZ[0]), (steps, 1))
    at = 0
    while at < steps:
        phrase_start, syllables = at, rng.integers(4, 9)
        for _ in range(syllables):
            hiss = slice(at, at + round(rng.uniform(0.05, 0.11) / step_s))
            vowel = slice(hiss.stop, hiss.stop + round(rng.uniform(0.12, 0.24) / step_s))
            noise[hiss] = rng.choice([0.0, rng.uniform(0.3, 1.0)])
            noise_hz[hiss] = _FRICATIVES_HZ[rng.integers(len(_FRICATIVES_HZ))]
            voiced[vowel] = rng.uniform(0.5, 1.0)
            formants[hiss.start : vowel.stop] = _VOWELS_HZ[rng.integers(len(_VOWELS_HZ))]
            pitch[hiss.start : vowel.stop] = rng.uniform(0.8, 1.25)
            at = vowel.stop
        fall = np.linspace(1.12, 0.85, max(1, min(at, steps) - phrase_start))
        pitch[phrase_start:at] *= fall
        at += round(rng.uniform(0.2, 0.5) / step_s)
    tongue = np.hanning(round(0.06 / step_s) + 2)
    smooth = {"voiced": voiced, "noise": noise, "pitch": pitch, "formants": formants}
    smooth = {key: _smoothed(rows, tongue / tongue.sum()) for key, rows in smooth.items()}
    return {**smooth, "noise_hz": noise_hz}


def _smoothed(rows: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Each column of `rows` averaged over `window`, its ends held."""
    columns = rows.reshape(len(rows), -1).T
    reach = len(window) // 2
    padded = np.pad(columns, ((0, 0), (reach, len(window) - 1 - reach)), mode="edge")
    return np.stack([np.convolve(c, window, "valid") for c in padded], axis=1).reshape(rows.shape)


def _glottis(
    rng: np.random.Generator, pitch_hz: np.ndarray, frames: int, sample_rate: int
) -> np.ndarray:
    """Glottal flow derivative (Rosenberg, 1971) with slight jitter and breath noise, (frames,)."""
    contour = np.interp(
        np.linspace(0, len(pitch_hz) - 1, frames), np.arange(len(pitch_hz)), pitch_hz
    )
    jitter = np.interp(
        np.arange(frames), np.arange(0, frames, 480), rng.normal(1, 0.01, -(-frames // 480))
    )
    phase = np.cumsum(contour * jitter) / sample_rate % 1.0
    opening, closing = 0.4, 0.16
    flow = np.where(
        phase < opening,
        0.5 - 0.5 * np.cos(np.pi * phase / opening),
        np.where(phase < opening + closing, np.cos(0.5 * np.pi * (phase - opening) / closing), 0.0),
    )
    return np.diff(flow, prepend=flow[0]) * sample_rate / 1_000 + 0.02 * flow * rng.standard_normal(
        frames
    )


def _vowel_response(freqs: np.ndarray, formants_hz: np.ndarray) -> np.ndarray:
    """Magnitude of four resonances in series, unity at 0 Hz: (frequencies, frames)."""
    response = np.ones((len(freqs), len(formants_hz)))
    f = freqs[:, None]
    for centre, width in zip(formants_hz.T, _FORMANT_WIDTHS_HZ, strict=True):
        response *= centre**2 / np.sqrt((centre**2 - f**2) ** 2 + (width * f) ** 2)
    # Four pole pairs fall far faster than a mouth with all its higher formants does.
    return response * (1 + (f / 3_000.0) ** 2) ** 3.2
