"""Signals and measurements that the sound tests share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyloudnorm
from numpy.typing import NDArray
from scipy import signal
from scipy.special import erfc

from realtime.chain import Chain
from realtime.dsp.blocks import CHUNK
from realtime.preset import Preset

Array = NDArray[np.floating]

RATES = (8_000, 44_100, 48_000, 96_000, 192_000)
CUTS: tuple[int | str, ...] = (1, 7, 32, 64, 127, 1024, "random")


# --- signals ---------------------------------------------------------------------------------
def sine(freq_hz: float, frames: int, sample_rate: int, peak: float = 1.0) -> Array:
    """Float64 sine `(frames,)`, starting at 0."""
    return peak * np.sin(2.0 * np.pi * freq_hz / sample_rate * np.arange(frames))


def noise(frames: int, channels: int, rms: float, seed: int = 0) -> Array:
    """White Gaussian noise, float32 `(frames, channels)`, channels independent."""
    return (rms * np.random.default_rng(seed).standard_normal((frames, channels))).astype("f4")


def bursts(frames: int, channels: int, seed: int = 0) -> Array:
    """Noise that swells eight times from -48 to -14 dBFS RMS, float32, below +-1."""
    x = noise(frames, channels, 0.2, seed)
    envelope = 0.02 + np.sin(np.pi * 8.0 * np.arange(frames) / frames)[:, None] ** 2
    return np.clip(x * envelope, -0.99, 0.99).astype("f4")


def speech_like(seconds: float, sample_rate: int, seed: int = 0) -> Array:
    """Noise with speech's long-term spectrum and syllables, float32 `(frames,)`, -23 LUFS.

    Spectrum: flat 100..500 Hz, falling 9 dB an octave above; pauses between phrases.
    """
    frames = round(seconds * sample_rate)
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(frames))
    freqs = np.fft.rfftfreq(frames, 1.0 / sample_rate)
    shape = 1.0 / (1.0 + (freqs / 500.0) ** 2) ** 0.75 * (freqs / 100.0) / (1.0 + freqs / 100.0)
    time = np.arange(frames) / sample_rate
    syllables = np.sin(np.pi * 4.0 * time) ** 2 * (np.sin(2.0 * np.pi * 0.4 * time) > -0.7)
    return at_loudness(np.fft.irfft(spectrum * shape, frames) * syllables, sample_rate, -23.0)


def at_loudness(x: Array, sample_rate: int, lufs: float) -> Array:
    """`x` scaled to an integrated loudness (BS.1770), as float32."""
    return (x * 10.0 ** ((lufs - loudness(x, sample_rate)) / 20.0)).astype("f4")


def smooth_sound(kind: str, frames: int, sample_rate: int) -> Array:
    """A "sine" or low-passed "noise", stereo float32 `(frames, 2)`, below 0.2: clicks stand out."""
    if kind == "sine":
        return sine(220.0, frames, sample_rate, 0.2).astype("f4")[:, None].repeat(2, axis=1)
    kernel = np.hanning(sample_rate // 400)
    low = [np.convolve(c, kernel / kernel.sum(), "same") for c in noise(frames, 2, 1.0).T]
    return np.ascontiguousarray(0.2 * np.array(low).T / np.abs(low).max(), dtype=np.float32)


# --- running a processor ---------------------------------------------------------------------
def cut(frames: int, size: int | str, seed: int = 0) -> list[int]:
    """Block lengths that add up to `frames`: all of one size, or "random" in 1..400."""
    if size == "random":
        rng = np.random.default_rng(seed)
        sizes = []
        while sum(sizes) < frames:
            sizes.append(min(int(rng.integers(1, 400)), frames - sum(sizes)))
        return sizes
    return [min(int(size), frames - start) for start in range(0, frames, int(size))]


def in_blocks(process: Callable[[Array], object], x: Array, sizes: Iterable[int]) -> Array:
    """A copy of `x`, processed in place block by block, each a C-contiguous slice."""
    y = np.array(x, dtype=np.float32, order="C")
    start = 0
    for size in sizes:
        process(y[start : start + size])
        start += size
    assert start == len(y)
    return y


def in_chunks(kernel: Callable[[Array, int], object]) -> Callable[[Array], None]:
    """A kernel of chunks as one of blocks `(frames, channels)`; the room behind them is NaN."""

    def process(block: Array) -> None:
        for start in range(0, len(block), CHUNK):
            piece = block[start : start + CHUNK]
            chunk = np.full((block.shape[1], CHUNK), np.nan, np.float32)
            chunk[:, : len(piece)] = piece.T
            kernel(chunk, len(piece))
            piece[:] = chunk[:, : len(piece)].T

    return process


def render(x: Array, rate: int, preset: Preset, sizes: Iterable[int] | None = None) -> Array:
    """A copy of `x` `(frames, channels)` through a chain that starts from rest."""
    return in_blocks(Chain(rate, x.shape[1], preset).process, x, sizes or [len(x)])


# --- measurements ----------------------------------------------------------------------------
def to_db(x: float | Array) -> float | Array:
    """20 log10 of an amplitude, floored at -300 dB."""
    return 20.0 * np.log10(np.maximum(np.abs(x), 1e-15))


def rms(x: Array) -> float:
    """Root mean square over everything."""
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))


def roughness(y: Array) -> float:
    """Largest second difference: what a click is made of."""
    return float(np.abs(np.diff(y, 2, axis=0)).max())


def response_db(impulse: Array, freqs_hz: Array, sample_rate: int) -> Array:
    """Magnitude in dB of an impulse response `(frames,)` at `freqs_hz`."""
    _, h = signal.freqz(impulse, worN=2.0 * np.pi * np.asarray(freqs_hz) / sample_rate)
    return to_db(h)


def band_db(x: Array, sample_rate: int, low_hz: float, high_hz: float) -> float:
    """Power of `x` `(frames,)` between two frequencies, dB re full-scale square."""
    freqs, power = signal.welch(x.astype(np.float64), sample_rate, nperseg=8192, scaling="density")
    inside = (freqs >= low_hz) & (freqs < high_hz)
    return float(10.0 * np.log10(np.sum(power[inside]) * (freqs[1] - freqs[0]) + 1e-30))


def loudness(x: Array, sample_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770) of `(frames,)` or `(frames, channels)`."""
    return float(pyloudnorm.Meter(sample_rate).integrated_loudness(np.asarray(x, np.float64)))


def harmonics_db(x: Array, freq_hz: float, sample_rate: int) -> tuple[float, float]:
    """(total harmonic, total other) energy of a driven sine in dB relative to its fundamental.

    `freq_hz` must complete a whole number of periods in `x`. DC counts as neither.
    """
    frames = len(x)
    power = np.abs(np.fft.rfft(x.astype(np.float64))) ** 2
    bin_number = freq_hz * frames / sample_rate
    fundamental = round(bin_number)
    assert abs(bin_number - fundamental) < 1e-6, "not a whole number of periods"
    harmonic = power[2 * fundamental :: fundamental].sum()
    other = max(0.0, power[1:].sum() - harmonic - power[fundamental])
    return (
        float(10.0 * np.log10(harmonic / power[fundamental] + 1e-30)),
        float(10.0 * np.log10(other / power[fundamental] + 1e-30)),
    )


def decay_db(impulse: Array) -> Array:
    """Schroeder's backward-integrated energy decay of `(frames,)`, 0 dB at the start."""
    energy = np.cumsum(np.square(impulse, dtype=np.float64)[::-1])[::-1]
    return 10.0 * np.log10(energy / energy[0] + 1e-30)


def t60_s(
    impulse: Array, sample_rate: int, start_db: float = -5.0, stop_db: float = -35.0
) -> float:
    """Reverberation time: a line through the decay between two levels, extended to 60 dB.

    Source: ISO 3382-1 (T30).
    """
    decay = decay_db(impulse)
    inside = np.flatnonzero((decay <= start_db) & (decay >= stop_db))
    slope_db = np.polyfit(inside / sample_rate, decay[inside], 1)[0]
    return float(-60.0 / slope_db)


def band_t60_s(impulse: Array, sample_rate: int, low_hz: float, high_hz: float) -> float:
    """`t60_s` of one band of the impulse response."""
    sos = signal.butter(3, [low_hz, high_hz], "bandpass", fs=sample_rate, output="sos")
    return t60_s(signal.sosfilt(sos, impulse.astype(np.float64)), sample_rate)


def echo_density(impulse: Array, sample_rate: int, at_s: float, window_s: float = 0.02) -> float:
    """Normalised echo density around `at_s`: 1 for Gaussian noise, near 0 for lone echoes.

    Source: Abel, Huang, A simple, robust measure of reverberation echo density, AES 2006.
    """
    length = int(window_s * sample_rate) | 1
    start = max(0, int(at_s * sample_rate) - length // 2)
    h = impulse[start : start + length].astype(np.float64)
    weight = np.hanning(len(h))
    weight /= weight.sum()
    deviation = np.sqrt(np.sum(weight * h * h))
    return float(np.sum(weight * (np.abs(h) > deviation)) / erfc(np.sqrt(0.5)))
