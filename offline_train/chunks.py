"""Files of training examples made by worker processes, each from a library of recordings."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import BinaryIO

import torch

from offline_train.data import Library, Recording

Make = Callable[[Library, int], object]


def make(
    numbers: Sequence[int],
    recordings: Sequence[Recording],
    music_share: float,
    make_one: Make,
    workers: int,
    ready: Callable[[], object],
) -> None:
    """Call `make_one(library, number)` for each of `numbers`, in this process where there is to be
    one worker. make_one: what `pickle` takes. ready: told after each."""
    if workers == 1:
        library = Library(recordings, music_share)
        for number in numbers:
            make_one(library, number)
            ready()
    elif numbers:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(
            min(workers, len(numbers)), context, _start, (list(recordings), music_share)
        ) as executor:
            jobs = [executor.submit(_work, make_one, number) for number in numbers]
            for job in as_completed(jobs):
                job.result()
                ready()


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """A file that is there in full or not at all."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        write(file)
    os.replace(temporary, path)


_library: Library | None = None


def _start(recordings: list[Recording], music_share: float) -> None:
    global _library
    torch.set_num_threads(1)
    os.nice(1)
    _library = Library(recordings, music_share)


def _work(make_one: Make, number: int) -> None:
    assert _library is not None
    make_one(_library, number)
