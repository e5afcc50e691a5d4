"""Files out: WAV or FLAC and small texts, written atomically, never over what was read.

A kill in the middle leaves what was there. Every error is an `AudioFileError` whose message is
one line that names the file.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from realtime import atomic_file
from realtime.audio_files import Audio, AudioFileError, FilePath

if TYPE_CHECKING:
    import soundfile

# 24 bits hold everything a limiter at full scale lets through, and every player reads them.
WRITABLE = {".wav": ("WAV", "PCM_24"), ".flac": ("FLAC", "PCM_24")}


def check_output(path: FilePath, inputs: Iterable[FilePath], overwrite: bool) -> None:
    """Refuse a path that must not or cannot be written, before any work is done.

    inputs: files that are read; `path` may be none of them, by no name or link.

    Raises: AudioFileError
    """
    target = Path(path)
    name = repr(str(path))
    if target.is_dir():
        raise AudioFileError(f"{name} is a folder, not a file to write")
    if target.exists():
        for source in inputs:
            if os.path.exists(source) and os.path.samefile(target, source):
                raise AudioFileError(f"{name} is the same file as {str(source)!r}, which is read")
        if not overwrite:
            raise AudioFileError(f"{name} exists; --overwrite replaces it")
    folder = Path(os.path.realpath(target)).parent
    if not folder.is_dir():
        raise AudioFileError(f"cannot write {name}: there is no folder {str(folder)!r}")
    if not os.access(folder, os.W_OK):
        raise AudioFileError(f"cannot write {name}: the folder {str(folder)!r} is read-only")


def check_audio_output(path: FilePath, inputs: Iterable[FilePath], overwrite: bool) -> None:
    """`check_output`, and that the name says WAV or FLAC. Raises: AudioFileError"""
    if Path(path).suffix.lower() not in WRITABLE:
        raise AudioFileError(f"{str(path)!r} must end in {' or '.join(WRITABLE)}")
    check_output(path, inputs, overwrite)


class AudioWriter:
    """Writes 24-bit WAV or FLAC block by block into a temporary file beside its place.

    As a context: moved into place on a clean end, removed on an exception.

    Raises: AudioFileError if the file cannot be written.
    """

    def __init__(self, path: FilePath, sample_rate: int, channels: int) -> None:
        import soundfile

        self.path = Path(os.path.realpath(path))
        self._error = soundfile.LibsndfileError
        kind, subtype = WRITABLE[self.path.suffix.lower()]
        self._temporary: str | None = None
        try:
            handle, self._temporary = atomic_file.temporary_beside(self.path)
            os.close(handle)
            self._file: soundfile.SoundFile = soundfile.SoundFile(
                self._temporary, "w", sample_rate, channels, subtype, format=kind
            )
        except (OSError, soundfile.LibsndfileError, ValueError) as error:
            self._discard()
            raise self._failed(error) from None

    def write(self, block: Audio) -> None:
        """Append float32 `(frames, channels)`."""
        try:
            self._file.write(block)
        except self._error as error:
            raise self._failed(error) from None

    def __enter__(self) -> AudioWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: object, __: object) -> None:
        try:
            self._file.close()
            if kind is None and self._temporary is not None:
                atomic_file.publish(self._temporary, self.path)
                self._temporary = None
        except (OSError, self._error) as error:
            raise self._failed(error) from None
        finally:
            self._discard()

    def _failed(self, error: Exception) -> AudioFileError:
        reason = getattr(error, "strerror", None) or getattr(error, "error_string", None)
        return AudioFileError(f"cannot write {str(self.path)!r}: {reason or error}")

    def _discard(self) -> None:
        if self._temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._temporary)
            self._temporary = None


def write_audio(path: FilePath, x: Audio, sample_rate: int) -> None:
    """Write float32 `(frames, channels)` as 24-bit WAV or FLAC, atomically.

    Raises: AudioFileError
    """
    check_audio_output(path, (), overwrite=True)
    with AudioWriter(path, sample_rate, x.shape[1]) as file:
        file.write(x)


def write_text(path: FilePath, text: str) -> None:
    """Write a text file atomically. Raises: AudioFileError"""
    try:
        atomic_file.write_text(path, text)
    except OSError as error:
        raise AudioFileError(f"cannot write {str(path)!r}: {error.strerror}") from None
