"""Audio files in: WAV, FLAC, OGG, MP3 of any rate, channels and length -> float32 arrays.

Samples are float32 `(frames, channels)`, full scale +-1.0. Every error is an `AudioFileError`
whose message is one line that names the file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from realtime.params import SAMPLE_RATE_MAX, SAMPLE_RATE_MIN
from realtime.quiet import quiet_stderr

Audio = NDArray[np.float32]
FilePath = str | os.PathLike[str]

READABLE = "WAV, FLAC, OGG or MP3"

REFERENCE_SECONDS_MIN = 1.0
REFERENCE_SECONDS_MAX = 120.0  # two minutes describe a sound; more would only cost time
SILENCE_DBFS = -60.0  # RMS of its loudest 50 ms; the model hears nothing below -70 LUFS
_LEVEL_SECONDS = 0.05
_READ_FRAMES = 1 << 16


class AudioFileError(ValueError):
    """An audio file that cannot be read, used or written; the message is one line."""


class AudioReader:
    """A readable audio file, in blocks.

    sample_rate: Hz. channels. frames: as the header says, an estimate for some MP3.

    Raises: AudioFileError if the file is missing, empty or no audio.
    """

    def __init__(self, path: FilePath) -> None:
        import soundfile

        self.path = Path(path)
        self._error = soundfile.LibsndfileError
        _check_readable(self.path)
        try:
            with quiet_stderr():
                self._file = soundfile.SoundFile(self.path)
        except (soundfile.LibsndfileError, TypeError):  # TypeError: headerless .raw
            raise AudioFileError(f"{str(self.path)!r} is not a readable {READABLE} file") from None
        self.sample_rate = int(self._file.samplerate)
        self.channels = int(self._file.channels)
        self.frames = int(self._file.frames)

    def blocks(self, frames: int) -> Iterator[Audio]:
        """The rest of the file as float32 `(<= frames, channels)` blocks.

        Raises: AudioFileError where the file is broken, naming the second.
        """
        done = 0
        while True:
            try:
                with quiet_stderr():
                    block = self._file.read(frames, dtype="float32", always_2d=True)
            except self._error:
                at = done / self.sample_rate
                raise AudioFileError(
                    f"{str(self.path)!r} is broken {at:.1f} s after its start"
                ) from None
            if not len(block):
                return
            done += len(block)
            yield block

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_audio(path: FilePath, max_seconds: float = float("inf")) -> tuple[Audio, int]:
    """Read a file, at most its first `max_seconds`: float32 `(frames, channels)` and its rate.

    Raises: AudioFileError if it is missing, unreadable, broken or holds no samples.
    """
    with AudioReader(path) as file:
        blocks: list[Audio] = []
        left = min(max_seconds * file.sample_rate, float(np.iinfo(np.int64).max))
        for block in file.blocks(_READ_FRAMES):
            blocks.append(block[: int(left)])
            left -= len(blocks[-1])
            if left < 1:
                break
        if not blocks:
            raise AudioFileError(f"{str(path)!r} holds no samples")
        return np.concatenate(blocks), file.sample_rate


def read_reference(path: FilePath) -> tuple[Audio, int]:
    """Read a recording whose sound is to be matched, at most its first two minutes.

    Gives float32 `(frames, 1..2)` and the rate; more than two channels are averaged.

    Raises: AudioFileError as `read_audio`, and if it is shorter than a second, silent, holds
    samples that are no numbers, or its rate is outside the chain's.
    """
    x, sample_rate = read_audio(path, REFERENCE_SECONDS_MAX)
    check_rate(path, sample_rate)
    check_reference(x, sample_rate, repr(str(path)))
    return (x if x.shape[1] <= 2 else to_channels(x, 1)), sample_rate


def check_reference(x: Audio, sample_rate: int, name: str) -> None:
    """Refuse a recording that no style can be heard in.

    Raises: AudioFileError if `x` `(frames, channels)` is too short, silent or not finite.
    """
    if not np.isfinite(x).all():
        raise AudioFileError(f"{name} holds samples that are no numbers (NaN or infinite)")
    seconds = len(x) / sample_rate
    if seconds < REFERENCE_SECONDS_MIN:
        raise AudioFileError(
            f"{name} lasts {seconds:.3g} s, a reference needs {REFERENCE_SECONDS_MIN:g} s or more"
        )
    level = loudest_dbfs(x, sample_rate)
    if level < SILENCE_DBFS:
        heard = "silent" if level == -np.inf else f"silent (never above {level:.0f} dBFS)"
        raise AudioFileError(f"{name} is {heard}")


def check_input(path: FilePath) -> None:
    """Refuse a file that cannot be read, or whose rate is none of the chain's.

    Raises: AudioFileError
    """
    with AudioReader(path) as file:
        check_rate(path, file.sample_rate)


def check_rate(path: FilePath, sample_rate: int) -> None:
    """Raises: AudioFileError if the chain cannot run at a file's rate."""
    if not SAMPLE_RATE_MIN <= sample_rate <= SAMPLE_RATE_MAX:
        raise AudioFileError(
            f"{str(path)!r} has a sample rate of {sample_rate} Hz, "
            f"outside {SAMPLE_RATE_MIN}..{SAMPLE_RATE_MAX} Hz"
        )


def loudest_dbfs(x: Audio, sample_rate: int) -> float:
    """RMS in dBFS of the loudest 50 ms of any channel of `x` `(frames, channels)`."""
    size = max(1, int(_LEVEL_SECONDS * sample_rate))
    starts = np.arange(0, len(x), size)
    power = np.add.reduceat(np.square(x, dtype=np.float64), starts) / size
    loudest = float(power.max())
    return 10.0 * float(np.log10(loudest)) if loudest > 0.0 else -np.inf


def to_channels(x: Audio, channels: int) -> Audio:
    """Mono to both sides, stereo averaged to mono, more channels averaged to mono first.

    x: float32 `(frames, any)` -> C-contiguous float32 `(frames, channels)`, channels 1 or 2.
    """
    if x.shape[1] != channels:
        mono = x if x.shape[1] == 1 else x.mean(axis=1, keepdims=True, dtype=np.float32)
        x = np.repeat(mono, channels, axis=1)
    return np.ascontiguousarray(x, dtype=np.float32)


def _check_readable(path: Path) -> None:
    name = repr(str(path))
    if path.is_dir():
        raise AudioFileError(f"{name} is a folder, not an audio file")
    try:
        with path.open("rb") as file:
            empty = not file.read(1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        reason = "no such file" if isinstance(error, FileNotFoundError) else None
        raise AudioFileError(
            f"cannot read {name}: {reason or getattr(error, 'strerror', None) or error}"
        ) from None
    if empty:
        raise AudioFileError(f"{name} is empty")
