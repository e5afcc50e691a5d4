"""Pools of training examples on disk: features and truth of many pairs, audio of some.

Made once by worker processes, chunk by chunk; a chunk that is already there is kept, so an
interrupted build goes on where it stopped and a run's seed names its examples for good.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from offline_train.data import Library, Recording
from offline_train.pairs import PEAK_DB, Pair, random_pair
from realtime.features import AudioError, analyse

CHUNK = 128  # examples a file, fewer where a pool is smaller
AUDIO_SCALE = 32_000.0 / 10.0 ** (PEAK_DB / 20.0)  # audio rests as int16, peak near full scale


@dataclass(frozen=True)
class Recipe:
    """What a pool is made of. audio_frames: length of the audio kept a side, 0 for none."""

    seed: int
    count: int
    audio_frames: int = 0
    same_share: float = 0.06
    gentle_share: float = 0.25
    music_share: float = 0.35

    @property
    def chunk(self) -> int:
        """Examples a file."""
        return min(CHUNK, self.count)


class Pool:
    """A built pool. Arrays by name, (examples, ...): input, reference (features.SIZE), the
    truth of `pairs.Pair`, sample_rate; audio as memory-mapped int16 chunks."""

    def __init__(self, directory: Path, recipe: Recipe) -> None:
        paths = [_chunk_path(directory, recipe, n) for n in range(_chunks(recipe))]
        loaded = [dict(np.load(path)) for path in paths]
        self.recipe = recipe
        keys = loaded[0].keys()
        self.arrays = {
            k: np.concatenate([chunk[k] for chunk in loaded])[: recipe.count] for k in keys
        }
        self.audio: list[npt.NDArray[np.int16]] = []
        if recipe.audio_frames:
            self.audio = [np.load(_audio_path(path), mmap_mode="r") for path in paths]

    def __len__(self) -> int:
        return len(self.arrays["input"])

    def batch(self, indices: npt.NDArray[np.integer]) -> dict[str, torch.Tensor]:
        """Rows as float32 tensors; with audio also input_audio and target_audio (rows, frames)."""
        rows = {k: torch.from_numpy(v[indices].astype(np.float32)) for k, v in self.arrays.items()}
        if self.audio:
            chunk = self.recipe.chunk
            sides = np.stack([self.audio[i // chunk][i % chunk] for i in indices])
            audio = torch.from_numpy(sides.astype(np.float32) / np.float32(AUDIO_SCALE))
            rows["input_audio"], rows["target_audio"] = audio[:, 0], audio[:, 1]
        return rows


def build(
    recordings: Sequence[Recording],
    directory: Path,
    recipe: Recipe,
    workers: int,
    advance: Callable[[int], object] = lambda examples: None,
) -> Pool:
    """Make what is missing of a pool and open it. advance: told of examples as they are ready."""
    directory.mkdir(parents=True, exist_ok=True)
    missing = []
    for index in range(_chunks(recipe)):
        if _chunk_path(directory, recipe, index).exists():
            advance(recipe.chunk)
        else:
            missing.append(index)
    if missing:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(workers, len(missing)), context, _start_worker, (list(recordings), recipe)
        ) as executor:
            jobs = [executor.submit(_make_chunk, directory, recipe, i) for i in missing]
            for job in as_completed(jobs):
                job.result()
                advance(recipe.chunk)
    return Pool(directory, recipe)


def _chunks(recipe: Recipe) -> int:
    return -(-recipe.count // recipe.chunk)


def _chunk_path(directory: Path, recipe: Recipe, index: int) -> Path:
    kind = f"audio{recipe.audio_frames}" if recipe.audio_frames else "features"
    return directory / f"{kind}-seed{recipe.seed}-{index:05d}.npz"


def _audio_path(path: Path) -> Path:
    return path.with_suffix(".npy")


_library: Library | None = None


def _start_worker(recordings: list[Recording], recipe: Recipe) -> None:
    global _library
    torch.set_num_threads(1)
    os.nice(1)
    _library = Library(recordings, recipe.music_share)


def _make_chunk(directory: Path, recipe: Recipe, index: int) -> None:
    assert _library is not None
    rng = np.random.default_rng([recipe.seed, index])
    rows: list[dict[str, npt.NDArray[np.float32]]] = []
    audio: list[npt.NDArray[np.int16]] = []
    while len(rows) < recipe.chunk:
        pair = random_pair(_library, rng, recipe.same_share, recipe.gentle_share)
        half = len(pair.input) // 2
        if half < recipe.audio_frames:
            continue
        try:
            made = both_halves(pair)
        except AudioError:  # a half that the random chain left silent teaches nothing
            continue
        for side, row in enumerate(made):
            if recipe.audio_frames:
                start = side * half + int(rng.integers(half - recipe.audio_frames + 1))
                cut = slice(start, start + recipe.audio_frames)
                sides = np.stack([pair.input[cut], pair.target[cut]]) * AUDIO_SCALE
                audio.append(np.round(sides).clip(-32_768, 32_767).astype(np.int16))
            rows.append(row)
    path = _chunk_path(directory, recipe, index)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    if recipe.audio_frames:
        with temporary.open("wb") as file:
            np.save(file, np.stack(audio[: recipe.chunk]))
        os.replace(temporary, _audio_path(path))
    with temporary.open("wb") as file:
        stacked: dict[str, Any] = {
            k: np.stack([row[k] for row in rows[: recipe.chunk]]) for k in rows[0]
        }
        np.savez(file, **stacked)
    os.replace(temporary, path)


def both_halves(pair: Pair) -> list[dict[str, npt.NDArray[np.float32]]]:
    """Two examples: each half of the input with the other half of the target as reference."""
    half, rate = len(pair.input) // 2, pair.sample_rate
    sides = (slice(0, half), slice(half, 2 * half))
    inputs = [analyse(pair.input[side], rate, "input") for side in sides]
    targets = [analyse(pair.target[side], rate, "target") for side in sides]
    fixed = {**pair.truth, "sample_rate": np.array(rate, np.float32)}
    return [
        {
            "input": inputs[n],
            "reference": targets[1 - n],
            "target_lufs": targets[n][-1:],
            **fixed,
        }
        for n in range(2)
    ]
