"""One file of a batch, as a worker styles it: here or on another machine."""

from __future__ import annotations

import copy
import dataclasses
import io
import math
import os
import time
import uuid
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from realtime.batch.files import Take
from realtime.commands import FileStyle, style_one
from realtime.voice import Voice


@dataclass(frozen=True)
class Job:
    """What all files of a batch have in common.

    args: the options. style: what to sound like. folder: of the outputs. staging: the folder in
    which they are made.
    """

    args: Namespace
    style: FileStyle
    folder: str
    staging: str


@dataclass(frozen=True)
class Made:
    """What came of a file: in `staged`, its audio, for the batch to put in its place.

    seconds: of audio. took_seconds: for all of it. input_lufs, output_lufs: loudness at the end,
    None of silence. preset: id -> plain value.
    """

    staged: str
    seconds: float
    took_seconds: float
    input_lufs: float | None
    output_lufs: float | None
    preset: Mapping[str, float]


@dataclass(frozen=True)
class Failed:
    """Why nothing came of a file, in one line that names it."""

    reason: str


def style_take(job: Job, take: Take, progress: Callable[[float], None]) -> Made | Failed:
    """Style one file into the staging folder. Never raises what a file can cause.

    progress: called with the fraction that is done.
    """
    target = os.path.join(job.folder, take.name)
    staged = Path(job.staging) / f"{uuid.uuid4().hex}{Path(take.name).suffix}"
    began = time.perf_counter()
    try:
        # A plugin in an effect's place remembers where it stood: each file begins afresh.
        style = dataclasses.replace(job.style, hosted=copy.deepcopy(job.style.hosted))
        session = style_one(
            job.args, style, take.source, staged, Voice(io.StringIO()),
            lambda done, total: progress(done / max(1, total)),
        )  # fmt: skip
    except Exception as error:  # a decoder's own, no memory, a defect of ours: the rest goes on
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        text = f"{kind}{error}".replace(os.path.realpath(staged), target)
        return Failed(named(take, text))
    return Made(
        staged=str(staged),
        seconds=session.seconds,
        took_seconds=time.perf_counter() - began,
        input_lufs=_finite(session.sounds["input"].loudness_lufs),
        output_lufs=_finite(session.sounds["output"].loudness_lufs),
        preset=dict(session.preset),
    )


def named(take: Take, reason: str) -> str:
    """One line that says which file it is about."""
    line = " ".join(reason.split())
    return line if repr(take.source) in line else f"{take.source!r}: {line}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
