"""What made each output of a batch: kept beside them, so that a batch goes on where it was.

One line of JSON for each output that was made, written before the output takes its place. A
killed run leaves outputs that are whole, and perhaps a line too many: then the file is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from realtime import atomic_file
from realtime.audio_files import AudioFileError
from realtime.batch.files import BatchError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FOLDER = ".afx-live"  # in the output folder
_LINES = "made.jsonl"
# What does not change how an output sounds.
_NOT_SOUND = ("input", "output", "save_preset", "stats", "overwrite", "format", "jobs", "cluster")

Identity = tuple[int, int]  # of a file: bytes, ns of its last change


def identity(path: str | os.PathLike[str]) -> Identity:
    """Size and time of the last change of a file. Raises: AudioFileError"""
    name = repr(str(path))
    try:
        found = os.stat(path)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        missing = "no such file" if isinstance(error, FileNotFoundError) else None
        reason = missing or getattr(error, "strerror", None) or error
        raise AudioFileError(f"cannot read {name}: {reason}") from None
    if not os.path.isfile(path):
        raise AudioFileError(f"{name} is not a file")
    return found.st_size, found.st_mtime_ns


def sound_options(args: Namespace, parts: Mapping[str, bytes]) -> dict[str, Any]:
    """What makes a batch's outputs what they are: options, with the contents of files they name.

    parts: the contents of what an option means, where its value does not say it.
    """
    options = {
        name: _content(value)
        for name, value in sorted(vars(args).items())
        if name not in _NOT_SOUND and value is not None and value is not False
    }
    return {**options, **{name: _digest(content) for name, content in parts.items()}}


def key_of(options: Mapping[str, Any]) -> str:
    """A short name for these options: equal where they are."""
    return _digest(json.dumps(options, sort_keys=True, default=str).encode())


def _content(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_content(item) for item in value]
    if isinstance(value, str) and os.path.isfile(value):
        with contextlib.suppress(OSError):
            return _digest(Path(value).read_bytes())
    return value


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()


class Manifest:
    """What is known of the outputs in a folder. One process may have it at a time.

    staging: a folder in which outputs are made, on the same file system as their places.

    Raises: BatchError where the folder cannot be written or another batch is at work in it.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        home = self.folder / FOLDER
        try:
            home.mkdir(parents=True, exist_ok=True)
            # Its line is never written over, so that a kill tears one line at most.
            self._file = (home / _LINES).open("a+b")
        except OSError as error:
            raise BatchError(f"cannot write into {str(folder)!r}: {error.strerror}") from None
        try:
            self._lock()
            for left in home.glob("part-*"):  # by a run that was killed
                shutil.rmtree(left, ignore_errors=True)
            self.staging = Path(tempfile.mkdtemp(prefix="part-", dir=home))
        except OSError as error:
            self._file.close()
            raise BatchError(f"cannot write into {str(folder)!r}: {error.strerror}") from None
        except BatchError:
            self._file.close()
            raise
        self._made: dict[str, list[dict[str, Any]]] = {}
        self._read()

    def _lock(self) -> None:
        if fcntl is None:
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BatchError(f"another afx-live is at work in {str(self.folder)!r}") from None
        except OSError:  # a file system without locks
            return

    def _read(self) -> None:
        self._file.seek(0)
        text = self._file.read()
        for line in text.splitlines():
            try:
                entry = json.loads(line)
                name = entry["output"]
            except (ValueError, TypeError, KeyError, RecursionError):
                continue  # torn by a kill, or not ours
            if isinstance(name, str):
                self._made.setdefault(name, []).append(entry)
        if text and not text.endswith(b"\n"):
            self._file.write(b"\n")

    def is_finished(self, name: str, source: Identity, key: str) -> bool:
        """Whether the output `name` is there, and was made from that input with those options."""
        return any(
            entry.get("input") == list(source) and entry.get("key") == key
            for entry in self._entries_of(name)
        )

    def is_ours(self, name: str) -> bool:
        """Whether the output `name` is there as a batch made it."""
        return bool(self._entries_of(name))

    def _entries_of(self, name: str) -> list[dict[str, Any]]:
        """What made the file that stands at `name` now."""
        try:
            there = list(identity(self.folder / name))
        except AudioFileError:
            return []
        return [entry for entry in self._made.get(name, ()) if entry.get("file") == there]

    def publish(
        self, name: str, staged: Path, source: Identity, key: str, about: Mapping[str, Any],
        *, replace: bool,
    ) -> None:  # fmt: skip
        """Note what made a finished output, then move it into its place.

        replace: whatever is there. Raises: AudioFileError; what is there is left then.
        """
        target = self.folder / name
        try:
            entry = {
                "output": name, "file": list(identity(staged)), "input": list(source), "key": key,
                **about,
            }  # fmt: skip
            target.parent.mkdir(parents=True, exist_ok=True)
            self.note(entry)
            self._made.setdefault(name, []).append(entry)
            atomic_file.publish(str(staged), target, new=not (replace or self.is_ours(name)))
        except FileExistsError:
            raise AudioFileError(f"{str(target)!r} exists; --overwrite replaces it") from None
        except OSError as error:
            raise AudioFileError(f"cannot write {str(target)!r}: {error.strerror}") from None

    def note(self, entry: Mapping[str, Any]) -> None:
        """Append a line, on disk when this returns. Raises: OSError"""
        self._file.write(json.dumps(entry).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.staging, ignore_errors=True)
        self._file.close()
