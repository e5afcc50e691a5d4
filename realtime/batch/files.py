"""Which files --input means, and where the output of each one goes. Standard library only."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HEARD = (".wav", ".flac", ".ogg", ".mp3")  # what is taken out of a folder, by its name
KEPT = (".wav", ".flac")  # what an output may be; from all else it becomes a WAV


class BatchError(ValueError):
    """A batch that cannot be begun or go on; the message is one line."""


@dataclass(frozen=True)
class Take:
    """One file of a batch.

    source: as it was named. name: its output's path in the output folder.
    """

    source: str
    name: str


def into_folder(inputs: Sequence[str], output: str) -> bool:
    """Whether --output is a folder: more than one file may be meant, or it says so itself."""
    if len(inputs) > 1 or os.path.isdir(inputs[0]) or _is_pattern(inputs[0]):
        return True
    return os.path.isdir(output) or output.endswith(_SEPARATORS) or not Path(output).suffix


def find_takes(inputs: Sequence[str], folder: str, kind: str | None = None) -> list[Take]:
    """Every file that --input means, once, in order, and the name of its output.

    inputs: names of files, folders (all audio files in them, however deep) and patterns (`**`:
        however deep). Hidden files and what is in the output folder are left out.
    folder: the output folder; it need not be there. kind: "wav" or "flac", None: as the input.

    An output keeps its input's path below the folder that was named, below the part of the
    pattern without a wildcard, or below what all the named files have in common.

    Raises: BatchError where nothing is found, or two inputs would give one output.
    """
    if Path(folder).suffix.lower() in KEPT and not os.path.isdir(folder):
        raise BatchError(f"{folder!r} names a file: the output of many files is a folder")
    named = [value for value in inputs if not _is_pattern(value) and not os.path.isdir(value)]
    common = _common_folder(named)
    takes: dict[str, Take] = {}
    taken: dict[str, str] = {}
    for value in inputs:
        found = [(value, common)] if value in named else list(_found(value, folder))
        if not found:
            raise BatchError(_nothing(value))
        for source, base in found:
            name = output_name(source, base, kind)
            place = os.path.realpath(source)
            if place in takes:
                continue
            if name in taken:
                raise BatchError(
                    f"{taken[name]!r} and {source!r} would both be written to {name!r}: "
                    "name them in two runs, or the folder that they have in common"
                )
            takes[place] = Take(source, name)
            taken[name] = source
    return list(takes.values())


def output_name(source: str, base: str, kind: str | None = None) -> str:
    """The path of an output in its folder: the input's below `base`, as WAV or FLAC.

    Raises: BatchError where the input is not below `base`.
    """
    below = Path(os.path.relpath(os.path.abspath(source), os.path.abspath(base)))
    if below.parts[0] == os.pardir:
        raise BatchError(f"{source!r} is not below {base!r}: its output would be beside the folder")
    keep = below.suffix if below.suffix.lower() in KEPT else KEPT[0]
    return str(below.with_name(below.stem + (f".{kind}" if kind else keep)))


_SEPARATORS = (os.sep,) if os.altsep is None else (os.sep, os.altsep)


def _is_pattern(value: str) -> bool:
    """A file may be called `take[1].wav`."""
    return glob.has_magic(value) and not os.path.lexists(value)


def _nothing(value: str) -> str:
    if os.path.isdir(value):
        return f"no audio file ({' '.join(HEARD)}) is in {value!r}"
    return f"no file matches {value!r}"


def _found(value: str, folder: str) -> Iterator[tuple[str, str]]:
    """(file, folder that its output's path is below) of a folder or a pattern, sorted."""
    if os.path.isdir(value):
        base, files = value, _walk(value)
    else:
        value = os.path.expanduser(value)  # which a shell leaves to us in quotes
        base = _fixed_part(value)
        files = (path for path in glob.iglob(value, recursive=True) if not os.path.isdir(path))
    made, start = os.path.realpath(folder), os.path.realpath(base)
    own = made + os.sep if made != start else None
    for path in sorted(files):
        # Outputs of an earlier run, where the folder is among the inputs.
        if own is None or start.startswith(own) or not os.path.realpath(path).startswith(own):
            yield path, base


def _walk(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise BatchError(f"cannot read {error.filename!r}: {error.strerror}")

    for place, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if name.lower().endswith(HEARD) and not name.startswith("."):
                yield os.path.join(place, name)


def _fixed_part(pattern: str) -> str:
    """The folder that every match is below: what stands before the first wildcard."""
    folder = pattern
    while glob.has_magic(folder):
        folder = os.path.dirname(folder)
    return folder or os.curdir


def _common_folder(named: Iterable[str]) -> str:
    folders = [os.path.dirname(os.path.abspath(path)) for path in named]
    try:
        return os.path.commonpath(folders) if folders else os.curdir
    except ValueError:  # on two drives
        raise BatchError("files on two drives have no folder in common: name them apart") from None
