"""Training examples that need no labels: one clip, two random chains, two halves.

The recipe is DeepAFx-ST's (Steinmetz, Bryan, Reiss 2022) as anchored in the project's notes,
with the level errors of its code put right: a clip with its peak at -12 dBFS goes through a
random equaliser (and rarely an expander) to become the input, and through another equaliser and
a compressor to become the target; everything is brought back to -12 dBFS peak behind each step.
One half of the target is the reference, the other is what the chain should make of the same
half of the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import scipy.signal
import torch

from offline_train.data import Library
from offline_train.effects.compressor import coefficient, compressor, smooth_forward
from offline_train.effects.peq import design, response_db
from realtime.features import FRAME_SECONDS
from realtime.params import EQ_COMP

Audio = npt.NDArray[np.float32]

PEAK_DB = -12.0
MIN_MEAN_SQUARE = 1e-5  # of each half: quieter is silence
FADE_SECONDS = 0.01
KINDS = EQ_COMP.band_types
RATES = (16_000, 24_000, 44_100, 48_000)
RATE_SHARES: Mapping[str, tuple[float, ...]] = {
    "speech": (0.15, 0.6, 0.15, 0.1),
    "music": (0.1, 0.3, 0.45, 0.15),
}
CURVE_POINTS = 128
CURVE_HZ = np.sort(
    np.concatenate(
        [
            np.geomspace(30.0, 20_000.0, CURVE_POINTS // 2),
            np.linspace(150.0, 20_000.0, CURVE_POINTS // 2),
        ]
    )
)  # half spread as we hear, half as MR-STFT counts
LEVEL_QUANTILES = np.linspace(0.02, 1.0, 24)


@dataclass(frozen=True)
class Equaliser:
    """Six bands, plain units, each (6,); a gain of 0 is a band that is off."""

    freq_hz: npt.NDArray[np.float64]
    gain_db: npt.NDArray[np.float64]
    q: npt.NDArray[np.float64]

    def apply(self, x: Audio, sample_rate: int) -> Audio:
        """Filter x (frames,) by exact recursion."""
        if not self.gain_db.any():
            return x
        freq_hz, gain_db, q, rate = self._tensors(sample_rate)
        sos = design(KINDS, freq_hz, gain_db, q, rate)[0].numpy()
        sos = np.concatenate([sos[:, :3], np.ones((len(sos), 1)), sos[:, 3:]], axis=1)
        return scipy.signal.sosfilt(sos[self.gain_db != 0.0], x).astype(np.float32)

    def curve_db(self, sample_rate: int) -> npt.NDArray[np.float64]:
        """Gain at CURVE_HZ (above Nyquist: the gain at Nyquist)."""
        hz = torch.from_numpy(np.minimum(CURVE_HZ, sample_rate / 2))[None]
        freq_hz, gain_db, q, rate = self._tensors(sample_rate)
        return response_db(KINDS, freq_hz, gain_db, q, rate, hz)[0].numpy()

    def _tensors(self, sample_rate: int) -> list[torch.Tensor]:
        """freq_hz, gain_db, q (1, 6) and the rate (1,), as the twin takes them."""
        values = (self.freq_hz, self.gain_db, self.q, np.array(float(sample_rate)))
        return [torch.from_numpy(v)[None] for v in values]


@dataclass(frozen=True)
class Compressor:
    """Plain units; ratio 1 is no compressor."""

    threshold_db: float = 0.0
    ratio: float = 1.0
    knee_db: float = 0.0
    attack_ms: float = 10.0
    release_ms: float = 100.0

    def apply(self, x: Audio, sample_rate: int) -> Audio:
        """Compress x (frames,) with the twin."""
        values = (self.threshold_db, self.ratio, self.knee_db, self.attack_ms, self.release_ms, 0.0)
        with torch.no_grad():
            arguments = [torch.tensor([v]) for v in (*values, float(sample_rate))]
            return compressor(torch.from_numpy(x)[None], *arguments)[0].numpy()


@dataclass(frozen=True)
class Pair:
    """input and target, the same content, float32 (frames,); truth: how they were made.

    truth: curve_db (CURVE_POINTS,) what the equaliser must do to the input; levels_db (24,)
    quantiles of the 5-ms peaks into the target's compressor; compressor (5,) its settings;
    norms_db (3,) gains that brought input, target before and after the compressor to PEAK_DB.
    """

    input: Audio
    target: Audio
    sample_rate: int
    truth: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


def flat() -> Equaliser:
    """An equaliser with every band off."""
    return Equaliser(*(np.full(6, value) for value in (1_000.0, 0.0, 0.7)))


def random_equaliser(sample_rate: int, rng: np.random.Generator, gentle: bool = False) -> Equaliser:
    """The recipe's equaliser; gentle: half the gains, frequencies and Q spread as we hear."""
    top = 0.45 * sample_rate
    edges = np.array(
        [(20, 200), (200, 2_000), (800, 4_000), (2_000, 8_000), (4_000, top), (4_000, top)], float
    )
    edges = np.minimum(edges, top)
    unit = rng.random((3, 6))
    if gentle:
        freq = edges[:, 0] * (edges[:, 1] / edges[:, 0]) ** unit[0]
        q = 0.3 * 10.0 ** unit[2]
    else:
        freq = edges[:, 0] + unit[0] * (edges[:, 1] - edges[:, 0])
        q = 0.1 + 10.0 * unit[2]
    limits = np.array([24.0, 48.0, 48.0, 48.0, 48.0, 24.0]) * (0.35 if gentle else 1.0)
    gain = (2.0 * unit[1] - 1.0) * limits
    gain[rng.random(6) >= 0.8] = 0.0
    total = 0.0
    for band in range(1, 5):
        if abs(total + gain[band]) >= 24.0:
            gain[band] = 0.0
        total += gain[band]
    return Equaliser(freq, gain, q)


def random_compressor(rng: np.random.Generator) -> Compressor:
    """The recipe's compressor."""
    attack_ms = rng.uniform(0.5, 50.0)
    return Compressor(
        threshold_db=rng.uniform(-64.0, -12.0),
        ratio=rng.uniform(1.0, 11.0),
        knee_db=rng.uniform(0.0, 12.0),
        attack_ms=attack_ms,
        release_ms=attack_ms + rng.uniform(0.0, 200.0),
    )


def expand(x: Audio, sample_rate: int, rng: np.random.Generator) -> Audio:
    """The recipe's rare expander: turns down what lies under a threshold, 40 dB at most."""
    ratio, threshold_db = rng.uniform(1.0, 5.0), rng.uniform(-30.0, -10.0)
    level_db = 20.0 * np.log10(np.maximum(np.abs(x), 1e-6))
    target = np.maximum(-40.0, np.minimum(0.0, (ratio - 1.0) * (level_db - threshold_db)))
    rate = torch.tensor([float(sample_rate)])
    fast, slow = (coefficient(torch.tensor([ms]), rate).numpy() for ms in (5.0, 50.0))
    gain_db = np.empty((1, len(x)), np.float32)
    smooth_forward(target[None].astype(np.float32), slow, fast, gain_db)
    return (x * 10.0 ** (gain_db[0] / 20.0)).astype(np.float32)


def make_pair(
    clean: Audio,
    sample_rate: int,
    rng: np.random.Generator,
    gentle: bool = False,
    same: bool = False,
) -> Pair:
    """Two random chains on one clip (frames,).

    gentle: smaller, smoother equalisers. same: the target is the input, nothing to do.
    """
    eq_in = random_equaliser(sample_rate, rng, gentle) if rng.random() < 0.75 else flat()
    eq_out = random_equaliser(sample_rate, rng, gentle) if rng.random() < 0.75 else flat()
    comp = random_compressor(rng) if rng.random() < 0.75 else Compressor()
    expander = rng if rng.random() < 0.10 else None
    if same:
        eq_out, comp, expander = eq_in, Compressor(), None
    return pair_of(clean, sample_rate, eq_in, eq_out, comp, expander)


def pair_of(
    clean: Audio,
    sample_rate: int,
    eq_in: Equaliser,
    eq_out: Equaliser,
    comp: Compressor,
    expander: np.random.Generator | None = None,
) -> Pair:
    """The pair that these settings make of a clip (frames,); expander: draws one, where given."""
    clean, _ = normalise(_fade(clean, sample_rate))
    source, in_db = normalise(eq_in.apply(clean, sample_rate))
    if expander is not None:
        source, more_db = normalise(expand(source, sample_rate, expander))
        in_db += more_db
    before, before_db = normalise(eq_out.apply(clean, sample_rate))
    target, after_db = normalise(comp.apply(before, sample_rate))
    size = max(1, round(FRAME_SECONDS * sample_rate))
    peaks = np.abs(before[: len(before) // size * size]).reshape(-1, size).max(axis=1)
    truth = {
        "curve_db": eq_out.curve_db(sample_rate) - eq_in.curve_db(sample_rate),
        "levels_db": np.quantile(20.0 * np.log10(np.maximum(peaks, 1e-5)), LEVEL_QUANTILES),
        "compressor": np.array(
            [comp.threshold_db, comp.ratio, comp.knee_db, comp.attack_ms, comp.release_ms]
        ),
        "norms_db": np.array([in_db, before_db, after_db]),
    }
    return Pair(source, target, sample_rate, {k: v.astype(np.float32) for k, v in truth.items()})


def random_pair(
    library: Library,
    rng: np.random.Generator,
    same_share: float,
    gentle_share: float,
    seconds: float | None = None,
) -> Pair:
    """A pair from a random speaker at a random rate the recording can fill.

    same_share, gentle_share: how many pairs have nothing to do, and mild equalisers.
    seconds: length of the clip; random where None.
    """
    while True:
        speaker = library.draw(rng)
        shares = RATE_SHARES[library.speakers[speaker][0].kind]
        rate = int(rng.choice(RATES, p=shares))
        native = library.native_rate(speaker)
        if rate > 1.1 * native and rng.random() < 0.9:
            rate = max((r for r in RATES if r <= 1.1 * native), default=min(RATES))
        length = seconds or 2.0 * (
            131_072 / 24_000 if rng.random() < 0.5 else rng.uniform(2.0, 8.0)
        )
        clean = _varied_clip(library, speaker, length, rate, rng)
        if usable(clean, rate):
            gentle, same = rng.random() < gentle_share, rng.random() < same_share
            return make_pair(clean, rate, rng, gentle, same)


def _varied_clip(
    library: Library, speaker: str, seconds: float, sample_rate: int, rng: np.random.Generator
) -> Audio:
    """A clip of a speaker as another throat, band, microphone or room might have made it.

    Speakers are few: what varies here the network cannot learn by heart. Faster is higher, formants
    too; music is mixed with other music; a broad equaliser and a floor of noise stay below what
    the random chains do.
    """
    speed = 2.0 ** rng.uniform(-0.32, 0.32) if rng.random() < 0.75 else 1.0
    clip = library.clip(speaker, seconds, sample_rate, rng, speed)
    if library.speakers[speaker][0].kind == "music" and rng.random() < 0.35:
        other = library.clip(library.draw(rng, "music"), seconds, sample_rate, rng)
        size = min(len(clip), len(other))
        level = 10.0 ** (rng.uniform(-12.0, 0.0) / 20.0) * _rms(clip) / max(_rms(other), 1e-6)
        clip = clip[:size] + np.float32(level) * other[:size]
    if rng.random() < 0.5:
        colour = random_equaliser(sample_rate, rng, gentle=True)
        clip = Equaliser(colour.freq_hz, 0.6 * colour.gain_db, np.minimum(colour.q, 1.0)).apply(
            clip, sample_rate
        )
    if rng.random() < 0.3:
        level = 10.0 ** (rng.uniform(-70.0, -35.0) / 20.0) * _rms(clip)
        clip = clip + np.float32(level) * rng.standard_normal(len(clip), dtype=np.float32)
    return clip


def _rms(x: Audio) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if len(x) else 0.0


def usable(clean: Audio, sample_rate: int, min_seconds: float = 2.0) -> bool:
    """Whether a clip is long enough and both its halves are loud enough, by the recipe."""
    if len(clean) < min_seconds * sample_rate:
        return False
    scaled, _ = normalise(clean)
    halves = np.array_split(scaled, 2)
    return all(float(np.mean(np.square(h))) > MIN_MEAN_SQUARE for h in halves)


def normalise(x: Audio) -> tuple[Audio, float]:
    """x with its peak at PEAK_DB, and the gain that took in dB."""
    gain_db = PEAK_DB - 20.0 * float(np.log10(max(float(np.abs(x).max()), 1e-9)))
    return (x * np.float32(10.0 ** (gain_db / 20.0))).astype(np.float32), gain_db


def _fade(x: Audio, sample_rate: int) -> Audio:
    size = min(len(x) // 2, round(FADE_SECONDS * sample_rate))
    ramp = np.linspace(0.0, 1.0, size, dtype=np.float32)
    x = x.copy()
    x[:size] *= ramp
    x[len(x) - size :] *= ramp[::-1]
    return x
