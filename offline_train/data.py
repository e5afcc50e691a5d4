"""Recordings: find them, split them by speaker, cut clips from them.

Three layouts of `--data DIR` are read, each with speakers kept apart between train and val:

- DIR/train and DIR/val, each KIND/SOURCE[/SPEAKER]/FILE with KIND starting `speech` or `music`
- LibriTTS's own: [SUBSET/]SPEAKER/CHAPTER/*.wav; subsets `dev-*` are val where there are any
- any other folder of audio: a folder is a speaker; where there is one folder only, a file is

Without recordings `synth` makes some up.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from offline_train import synth

Audio = npt.NDArray[np.float32]

SUFFIXES = {".wav", ".flac", ".ogg", ".mp3"}
HELD_OUT_FRACTION = 0.1  # of the speakers, where the folder names no split
SPEAKER_SECONDS = 60.0  # more of one voice than this does not make it count for more
_LANGUAGE = re.compile(r"[a-z]{2}_[A-Z]{2}_[a-z]+")


class DataError(ValueError):
    """A data folder that cannot be trained on; the message names it and why."""


@dataclass(frozen=True)
class Recording:
    """One audio file. kind: `speech` or `music`. speaker: who or what piece, unique."""

    path: Path
    kind: str
    speaker: str

    @property
    def rate(self) -> int:
        """Its own sample rate in Hz."""
        return _header(self.path)[1]

    @property
    def seconds(self) -> float:
        """Its length."""
        return _header(self.path)[0]


def scan(root: Path) -> tuple[list[Recording], list[Recording]]:
    """The (train, val) recordings below `root`. Raises: DataError where there are none."""
    if not root.is_dir():
        raise DataError(f"data folder {str(root)!r} is not there")
    if (root / "train").is_dir() and (root / "val").is_dir():
        train, val = (_kinds_layout(root / name) for name in ("train", "val"))
    else:
        files = list(_audio_files(root))
        libri = [f for f in files if f.parent.name.isdigit() and f.parent.parent.name.isdigit()]
        found = [_libritts(f) for f in libri] if libri else _folders(root, files)
        train, val = _split(found)
    if not train or not val:
        raise DataError(
            f"data folder {str(root)!r}: {len(train)} recordings to train on and {len(val)} "
            "held out; at least one of each is needed (from two speakers or folders)"
        )
    return train, val


def synthesised(seed: int = 0) -> tuple[list[Recording], list[Recording]]:
    """(train, val) stand-ins made of noise and oscillators, for where there is no data."""
    speakers = [(kind, n) for kind in ("speech", "music") for n in range(8)]
    made = [Recording(Path(f"synth:{kind}:{seed + n}"), kind, f"{kind}{n}") for kind, n in speakers]
    return [r for r in made if r.speaker[-1] < "6"], [r for r in made if r.speaker[-1] >= "6"]


def _audio_files(root: Path) -> Iterable[Path]:
    return (p for p in sorted(root.rglob("*")) if p.suffix.lower() in SUFFIXES)


def _kinds_layout(root: Path) -> list[Recording]:
    found = []
    for path in _audio_files(root):
        parts = path.relative_to(root).parts
        kind = next((k for k in ("speech", "music") if parts[0].startswith(k)), None)
        if kind is None or len(parts) < 3:
            continue
        if len(parts) > 3:
            speaker = parts[2]
        elif kind == "speech":
            language = _LANGUAGE.match(path.stem)
            speaker = language.group() if language else path.stem.split("_")[0]
        else:
            speaker = path.stem
        corpus = re.split(r"[-_]", parts[1])[0]  # one corpus may come from several repositories
        found.append(Recording(path, kind, f"{corpus}/{speaker}"))
    return found


def _libritts(path: Path) -> Recording:
    subset = path.parent.parent.parent.name
    split = "val:" if subset.startswith("dev") else ""
    return Recording(path, "speech", f"{split}{path.parent.parent.name}")


def _folders(root: Path, files: list[Path]) -> list[Recording]:
    one_folder = len({f.parent for f in files}) == 1
    groups = [f.stem if one_folder else str(f.parent.relative_to(root)) for f in files]
    music = [
        bool(re.search("music|song|guitar|drum", str(f.relative_to(root)).lower())) for f in files
    ]
    return [
        Recording(f, "music" if m else "speech", g)
        for f, g, m in zip(files, groups, music, strict=True)
    ]


def _split(found: list[Recording]) -> tuple[list[Recording], list[Recording]]:
    """By speaker: those marked `val:`, else a tenth chosen by a hash of the name."""
    speakers = sorted({r.speaker for r in found}, key=lambda s: hashlib.md5(s.encode()).digest())
    held_out = {s for s in speakers if s.startswith("val:")}
    held_out = held_out or set(speakers[: max(1, round(HELD_OUT_FRACTION * len(speakers)))])
    train = [r for r in found if r.speaker not in held_out]
    return train, [r for r in found if r.speaker in held_out]


def excerpt(path: Path, start: int, frames: int) -> Audio:
    """Mono float32 of up to `frames` from `start` on; of a file, no more than that is read."""
    if str(path).startswith("synth:"):
        return _synthesised(str(path))[start : start + frames]
    audio, _ = soundfile.read(path, frames, start, dtype="float32", always_2d=True)
    return audio.mean(axis=1)


@lru_cache(maxsize=64)
def _synthesised(name: str) -> Audio:
    _, kind, seed = name.split(":")
    return synth.make(kind, int(seed))


class Library:
    """Speakers and what they recorded; hands out clips so that speakers count, not minutes."""

    def __init__(self, recordings: Sequence[Recording], music_share: float = 0.35) -> None:
        """music_share: how many clips are music where there is both music and speech."""
        self.speakers: dict[str, list[Recording]] = defaultdict(list)
        for recording in recordings:
            self.speakers[recording.speaker].append(recording)
        self.names = sorted(self.speakers)
        seconds = [sum(r.seconds for r in self.speakers[n]) for n in self.names]
        weight = np.sqrt(np.minimum(seconds, SPEAKER_SECONDS))
        music = np.array([self.speakers[n][0].kind == "music" for n in self.names])
        if music.any() and not music.all():
            weight[music] *= music_share / weight[music].sum()
            weight[~music] *= (1.0 - music_share) / weight[~music].sum()
        self.weight = weight / weight.sum()

    def draw(self, rng: np.random.Generator, kind: str | None = None) -> str:
        """A speaker's name, by weight; of one kind, `speech` or `music`, where it is named."""
        weight = self.weight
        if kind is not None:
            weight = weight * [self.speakers[n][0].kind == kind for n in self.names]
        return self.names[rng.choice(len(self.names), p=weight / weight.sum())]

    def native_rate(self, speaker: str) -> int:
        """Sample rate of the speaker's first recording."""
        return self.speakers[speaker][0].rate

    def clip(
        self,
        speaker: str,
        seconds: float,
        sample_rate: int,
        rng: np.random.Generator,
        speed: float = 1.0,
    ) -> Audio:
        """Up to `seconds` of the speaker at `sample_rate`, recordings joined in random order.

        speed: over 1 plays faster and higher. Shorter where the speaker has no more.
        """
        order = rng.permutation(len(self.speakers[speaker]))
        parts: list[Audio] = []
        have, wanted = 0, round(seconds * sample_rate)
        for index in order:
            recording = self.speakers[speaker][index]
            rate, frames = recording.rate, round(recording.seconds * recording.rate)
            room = int(1.02 * (wanted - have) / sample_rate * rate * speed) + rate // 10
            start = int(rng.integers(frames - room)) if frames > room else 0
            audio = excerpt(recording.path, start, room)
            parts.append(soxr.resample(audio, rate * speed, sample_rate).astype(np.float32))
            have += len(parts[-1])
            if have >= wanted:
                break
        return np.concatenate(parts)[:wanted]


@cache
def _header(path: Path) -> tuple[float, int]:
    """Seconds and sample rate. Raises: DataError where the file is no audio."""
    if str(path).startswith("synth:"):
        return synth.SECONDS, synth.SAMPLE_RATE
    try:
        info = soundfile.info(path)
    except (OSError, RuntimeError) as error:
        raise DataError(f"recording {str(path)!r} cannot be read: {error}") from None
    return info.frames / info.samplerate, info.samplerate
