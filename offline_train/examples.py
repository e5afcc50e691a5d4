"""The pairs that a model is judged by: DeepAFx-ST's recipe on held-out speakers.

Clips of 262,144 samples (524,288 at 44.1 kHz and above), cut in half, a half that is too short
repeated to length, so that reference and input never share content. A clip is a speaker's
recordings joined in random order, since few speakers have ten seconds in one piece. So level,
room and microphone may change within a clip, as they do not in the recipe's; `unjoined` keeps
those recordings that need no other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count as numbers
from itertools import islice

import numpy as np
import numpy.typing as npt

from offline_train.data import DataError, Library, Recording
from offline_train.effect_pairs import random_effects, with_effects
from offline_train.pairs import Pair, make_pair, usable

Audio = npt.NDArray[np.float32]

SEED = 42
CLIP_FRAMES = 262_144  # below 44.1 kHz, twice that from there on
MIN_SPEAKER_SECONDS = 3.0
UNJOINED_SECONDS = 8.0  # of a recording that makes a clip by itself, two halves of 4 s


@dataclass(frozen=True)
class Example:
    """input, target (frames,): the same half; reference (frames,): the other half."""

    input: Audio
    target: Audio
    reference: Audio


def examples(
    recordings: Sequence[Recording],
    sample_rate: int,
    count: int,
    seed: int = SEED,
    full: bool = False,
) -> list[Example]:
    """`count` examples by the protocol, speakers in turn. full: with distortion and reverb.

    Raises: DataError where no speaker is usable.
    """
    frames = CLIP_FRAMES * (2 if sample_rate >= 44_100 else 1)
    tries = islice(in_turn(recordings, frames, sample_rate, seed, full), 20 * count)
    made = list(islice((one for _, one in tries if one is not None), count))
    if not made:
        raise DataError(f"no speaker has {MIN_SPEAKER_SECONDS:g} s of sound to evaluate on")
    return made


def in_turn(
    recordings: Sequence[Recording],
    frames: int,
    sample_rate: int,
    seed: int = SEED,
    full: bool = False,
) -> Iterator[tuple[str, Example | None]]:
    """Without end, speakers in turn, and an example of each as `draw` makes it."""
    library = Library(recordings)
    for turn in numbers():
        speaker = library.names[turn % len(library.names)]
        rng = np.random.default_rng([seed, turn])
        yield speaker, draw(library, speaker, frames, sample_rate, rng, full)


def draw(
    library: Library,
    speaker: str,
    frames: int,
    sample_rate: int,
    rng: np.random.Generator,
    full: bool = False,
) -> Example | None:
    """A speaker's example by the protocol, of `frames` in all; None where it is too short or too
    quiet."""
    clip = library.clip(speaker, frames / sample_rate, sample_rate, rng)
    if not usable(clip, sample_rate, min(MIN_SPEAKER_SECONDS, frames / sample_rate)):
        return None
    half = len(clip) // 2
    sides = [np.resize(part, frames // 2) for part in (clip[:half], clip[half : 2 * half])]
    pair = make_pair(np.concatenate(sides), sample_rate, rng)
    swap = rng.random() < 0.5
    if full:
        pair, _ = with_effects(pair, random_effects(rng))
    return _cut(pair, swap)


def _cut(pair: Pair, swap: bool) -> Example:
    half = len(pair.input) // 2
    first, second = slice(0, half), slice(half, 2 * half)
    if swap:
        first, second = second, first
    return Example(pair.input[first], pair.target[first], pair.target[second])


def select(recordings: Sequence[Recording], kind: str, sample_rate: int) -> list[Recording]:
    """Those of one kind whose own rate reaches (nearly) the evaluation's."""
    return [r for r in recordings if r.kind == kind and r.rate * 1.1 >= sample_rate]


def unjoined(recordings: Sequence[Recording]) -> list[Recording]:
    """Those long enough to make a clip by themselves, each for a speaker of its own."""
    return [
        dataclasses.replace(r, speaker=f"{r.speaker}, {r.path}")
        for r in recordings
        if r.seconds >= UNJOINED_SECONDS
    ]
