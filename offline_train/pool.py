"""Pools of training examples on disk: features and truth of many pairs, audio of some.

Made once, chunk by chunk, by worker processes where there are to be several; a chunk that is there
already is kept, so an interrupted build goes on where it stopped and a run's seed names its
examples for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from offline_train import chunks
from offline_train.checkpoint import progress_bars
from offline_train.config import Pools
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
    """Built pools, one after the other. Rows are read when they are asked for and nothing is kept:
    what the machine's memory holds of the files is the system's business."""

    def __init__(self, *parts: tuple[Path, Recipe]) -> None:
        self.parts = parts
        chunks = [
            (_chunk_path(directory, recipe, n), min(recipe.chunk, recipe.count - n * recipe.chunk))
            for directory, recipe in parts
            for n in range(_chunks(recipe))
        ]
        self.paths = [path for path, _ in chunks]
        self.ends = np.cumsum([size for _, size in chunks])
        self.has_audio = all(recipe.audio_frames for _, recipe in parts)

    def __len__(self) -> int:
        return int(self.ends[-1])

    def rows(self, indices: npt.ArrayLike) -> dict[str, torch.Tensor]:
        """Features and truth of examples, float32 (rows, ...) by name: input, reference
        (features.SIZE), sample_rate, the truth of `pairs.Pair`."""
        found = np.concatenate([_row(*place) for place in self._places(indices)])
        names = found.dtype.names or ()
        return {k: torch.from_numpy(np.ascontiguousarray(found[k])) for k in names}

    def sounds(self, indices: npt.ArrayLike) -> dict[str, torch.Tensor]:
        """Audio of examples: input_audio, target_audio, float32 (rows, frames)."""
        sides = np.concatenate([_row(_audio_path(p), at) for p, at in self._places(indices)])
        audio = torch.from_numpy(sides.astype(np.float32) / np.float32(AUDIO_SCALE))
        return {"input_audio": audio[:, 0], "target_audio": audio[:, 1]}

    def batch(self, indices: npt.ArrayLike) -> dict[str, torch.Tensor]:
        """Features, truth and, where the pool has it, audio of examples."""
        return self.rows(indices) | (self.sounds(indices) if self.has_audio else {})

    def some(self, count: int) -> dict[str, torch.Tensor]:
        """Features and truth of `count` examples, or all, from all over the pool."""
        return self.rows(np.linspace(0, len(self) - 1, min(count, len(self))).astype(int))

    def _places(self, indices: npt.ArrayLike) -> Iterator[tuple[Path, int]]:
        for index in np.asarray(indices):
            chunk = int(np.searchsorted(self.ends, index, side="right"))
            start = int(self.ends[chunk - 1]) if chunk else 0
            yield self.paths[chunk], int(index) - start


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
    chunks.make(
        missing, recordings, recipe.music_share, partial(_make_chunk, directory, recipe),
        workers, lambda: advance(recipe.chunk),
    )  # fmt: skip
    return Pool((directory, recipe))


def of_run(name: str, recordings: Sequence[Recording], out: Path, sizes: Pools, seed: int) -> Pool:
    """A run's own pool, with a progress bar: `features`, `audio` or `validation`, each of a seed of
    its own."""
    held_out = name == "validation"  # scored as the protocol has it: no mild or idle examples
    count: int = getattr(sizes, name)
    recipe = Recipe(
        seed=seed + ("features", "validation", "audio").index(name),
        count=count,
        audio_frames=0 if name == "features" else sizes.audio_frames,
        same_share=0.0 if held_out else sizes.same_share,
        gentle_share=0.0 if held_out else sizes.gentle_share,
        music_share=sizes.music_share,
    )
    with progress_bars() as bars:
        bar = bars.add_task(f"{name} pool", total=count, note="")
        return build(
            recordings, out / "pools" / name, recipe, sizes.workers, lambda n: bars.advance(bar, n)
        )


def _row(path: Path, index: int) -> npt.NDArray[Any]:
    """One row, (1, ...), of an array's file, without opening the rest."""
    shape, dtype, start = _head(path)
    count = int(np.prod(shape[1:]))
    row = np.fromfile(path, dtype, count, offset=start + index * count * dtype.itemsize)
    return row.reshape(1, *shape[1:])


@lru_cache(maxsize=4096)
def _head(path: Path) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape and type of the array in a file, and where in the file it begins."""
    with path.open("rb") as file:
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        return shape, dtype, file.tell()


def _chunks(recipe: Recipe) -> int:
    return -(-recipe.count // recipe.chunk)


def _chunk_path(directory: Path, recipe: Recipe, index: int) -> Path:
    kind = f"audio{recipe.audio_frames}" if recipe.audio_frames else "features"
    return directory / f"{kind}-seed{recipe.seed}-{index:05d}.npy"


def _audio_path(path: Path) -> Path:
    return path.with_suffix(".audio.npy")


def _make_chunk(directory: Path, recipe: Recipe, library: Library, index: int) -> None:
    rng = np.random.default_rng([recipe.seed, index])
    rows: list[dict[str, npt.NDArray[np.float32]]] = []
    audio: list[npt.NDArray[np.int16]] = []
    while len(rows) < recipe.chunk:
        pair = random_pair(library, rng, recipe.same_share, recipe.gentle_share)
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
    if recipe.audio_frames:
        heard = np.stack(audio[: recipe.chunk])
        chunks.write_whole(_audio_path(path), lambda file: np.save(file, heard))
    layout = [(k, np.float32, v.shape) for k, v in rows[0].items()]
    table = np.array([tuple(row.values()) for row in rows[: recipe.chunk]], layout)
    chunks.write_whole(path, lambda file: np.save(file, table))


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
