"""Examples for the model of `realtime.goal`: renderings, their references, and what they lack.

A pair of `pairs`, with a distortion or a reverb behind some of the targets; the shipped models'
answer to it, rendered; and what the target, which is known here, is in every band and in level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from offline_train import chunks
from offline_train.data import Library, Recording
from offline_train.effect_pairs import random_effects, with_effects
from offline_train.pairs import Audio, random_pair
from realtime.comparison import compare
from realtime.features import AudioError
from realtime.style_space import StyleSpace
from realtime.transfer import answer, render

CHUNK = 64
MUSIC_SHARE = 0.4
SAME_SHARE, GENTLE_SHARE = 0.02, 0.1  # of nothing to do, and of mild equalisers
EFFECTS_SHARE = 0.25
KEYS = ("bands", "whole", "bands_db", "levels_db", "weight")
Example = tuple[np.ndarray, ...]


def build(
    recordings: Sequence[Recording],
    directory: Path,
    seed: int,
    count: int,
    workers: int,
    advance: Callable[[int], object] = lambda examples: None,
) -> dict[str, Tensor]:
    """Make what is missing of a pool, and read it all: bands, whole (`comparison.Comparison`),
    bands_db (examples, BANDS) and levels_db (examples, 2) that are lacking, the latter of loudness
    and of RMS, weight (examples, BANDS). advance: told of examples as they are ready."""
    directory.mkdir(parents=True, exist_ok=True)
    numbers, size = range(-(-count // CHUNK)), min(CHUNK, count)
    missing = [n for n in numbers if not _path(directory, seed, n).exists()]
    advance((len(numbers) - len(missing)) * size)
    chunks.make(
        missing, recordings, MUSIC_SHARE, partial(_make_chunk, directory, seed, size), workers,
        lambda: advance(size),
    )  # fmt: skip
    found = [np.load(_path(directory, seed, n)) for n in numbers]
    return {
        key: torch.from_numpy(np.concatenate([chunk[key] for chunk in found])[:count])
        for key in KEYS
    }


def example(x: Audio, reference: Audio, target: Audio, sample_rate: int) -> Example:
    """One of KEYS. Raises: AudioError where one of them is silent."""
    space = _space(sample_rate)
    made = render(x, answer(x, reference, sample_rate), sample_rate)
    dry, heard, wanted, right = (
        space.hear(sound, sample_rate) for sound in (x, made, reference, target)
    )
    compared = compare(space, dry, heard, wanted)
    levels = right.loudness_lufs - heard.loudness_lufs, _rms_db(target) - _rms_db(made)
    lacking = right.mean_db - heard.mean_db
    rows = compared.bands, compared.whole, lacking, levels, space.weight
    return tuple(np.asarray(row, np.float32) for row in rows)


def _make_chunk(directory: Path, seed: int, size: int, library: Library, number: int) -> None:
    rng = np.random.default_rng([seed, number])
    rows: list[Example] = []
    while len(rows) < size:
        pair = random_pair(library, rng, SAME_SHARE, GENTLE_SHARE)
        if rng.random() < EFFECTS_SHARE:
            pair, _ = with_effects(pair, random_effects(rng))
        half = len(pair.input) // 2
        sides = [slice(0, half), slice(half, 2 * half)]
        own, other = sides if rng.random() < 0.5 else sides[::-1]
        try:
            row = example(pair.input[own], pair.target[other], pair.target[own], pair.sample_rate)
        except AudioError:  # a half that the random chain left silent teaches nothing
            continue
        if all(np.isfinite(part).all() for part in row):
            rows.append(row)
    columns: dict[str, Any] = dict(zip(KEYS, map(np.stack, zip(*rows, strict=True)), strict=True))
    chunks.write_whole(_path(directory, seed, number), lambda file: np.savez(file, **columns))


def _path(directory: Path, seed: int, number: int) -> Path:
    return directory / f"seed{seed}-{number:05d}.npz"


def _rms_db(x: Audio) -> float:
    return float(10.0 * np.log10(np.mean(np.square(x, dtype=np.float64)) + 1e-20))


@lru_cache(maxsize=8)
def _space(sample_rate: int) -> StyleSpace:
    return StyleSpace([sample_rate])
