"""`afx-live --input MANY --output FOLDER`: each file styled for itself, on all cores."""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from realtime.audio_files import AudioFileError
from realtime.batch.display import Display
from realtime.batch.files import BatchError, Take, find_takes
from realtime.batch.manifest import Identity, Manifest, identity, key_of, sound_options
from realtime.batch.tally import Tally
from realtime.batch.task import Failed, Job, Made, named
from realtime.batch.workers import cores, run_here
from realtime.commands import FileStyle, predictor, read_style
from realtime.output_files import check_output
from realtime.startup import compile_chain, stop_on_signals
from realtime.voice import Voice

_STOPPED = 130


def style_files(args: argparse.Namespace) -> int:
    """Style every file of --input into the folder --output: the exit status.

    0: all are done. 1: one or more failed. 130: stopped, and goes on when started again.

    Raises: ValueError where nothing can be begun.
    """
    began = time.perf_counter()
    takes = find_takes(args.input, args.output, args.format)
    _check_targets(args, takes)
    style = read_style(args)
    options = sound_options(args, _meanings(args, style))
    key = key_of(options)
    tally = Tally(style.origin, args.output)
    with Manifest(args.output) as manifest:
        todo = _sort_out(args, takes, manifest, key, tally)
        if todo:
            compile_chain(Voice(sys.stderr))  # once, for all workers to load
            manifest.note({"key": key, "options": options, "style": style.origin})
        job = Job(args, style, args.output, str(manifest.staging.resolve()))
        sizes = {take.name: size for take, (size, _) in todo.items()}
        display = Display(sizes, len(takes) - len(todo), sys.stderr)
        stop = threading.Event()
        with contextlib.closing(display), stop_on_signals(stop):
            for reason in tally.failures:
                display.say(f"failed: {reason}")
            try:
                _run(job, todo, manifest, key, tally, display, stop)
            except BatchError as error:
                tally.trouble = str(error)
    left = [take for take in takes if not tally.knows(take)]
    seconds = time.perf_counter() - began
    tally.print(seconds, left, sys.stdout)
    sys.stdout.flush()
    if args.stats is not None:
        tally.write(seconds, left, args.stats)
    if stop.is_set() and left:
        gc.freeze()  # else Python looks for garbage for half a second before it ends
        return _STOPPED
    return int(bool(tally.failures or tally.trouble))


def _run(
    job: Job,
    todo: dict[Take, Identity],
    manifest: Manifest,
    key: str,
    tally: Tally,
    display: Display,
    stop: threading.Event,
) -> None:
    # The longest first, so that the last ones end together.
    order = sorted(todo, key=lambda take: -todo[take][0])
    events = run_here(job, order, job.args.jobs or cores())
    with contextlib.closing(events):
        for event in events:
            if stop.is_set():
                return
            if event is None:
                continue
            take, outcome = event.take, event.outcome
            if outcome is None:
                display.at(take, event.done)
                continue
            if isinstance(outcome, Made):
                outcome = _publish(job, take, outcome, manifest, todo[take], key)
            line = (
                tally.failed(take, outcome.reason)
                if isinstance(outcome, Failed)
                else tally.done(take, outcome)
            )
            display.ended(take, line)


def _publish(
    job: Job, take: Take, made: Made, manifest: Manifest, source: Identity, key: str
) -> Made | Failed:
    about = {"source": os.path.abspath(take.source), "preset": made.preset}
    try:
        manifest.publish(
            take.name, Path(made.staged), source, key, about, replace=job.args.overwrite
        )
    except AudioFileError as error:
        return Failed(named(take, str(error)))
    return made


def _sort_out(
    args: argparse.Namespace, takes: Iterable[Take], manifest: Manifest, key: str, tally: Tally
) -> dict[Take, Identity]:
    """The files that there is something to do for, and what identifies each as it is now."""
    todo: dict[Take, Identity] = {}
    for take in takes:
        try:
            now = identity(take.source)
        except AudioFileError as error:
            tally.failed(take, str(error))
            continue
        target = Path(args.output, take.name)
        if manifest.is_finished(take.name, now, key):
            tally.skipped(take)
        elif os.path.lexists(target) and not (args.overwrite or manifest.is_ours(take.name)):
            tally.failed(take, named(take, f"{str(target)!r} exists; --overwrite replaces it"))
        else:
            todo[take] = now
    return todo


def _meanings(args: argparse.Namespace, style: FileStyle) -> dict[str, bytes]:
    """What options mean that name a thing of ours."""
    if style.preset is not None:
        return {"preset": style.preset.to_toml().encode()}
    return {"model": predictor(args.model).path.read_bytes()}


def _check_targets(args: argparse.Namespace, takes: Sequence[Take]) -> None:
    """Refuse to write over what is read, and --stats over anything else. Raises: ValueError"""
    folder = Path(args.output)
    if folder.exists() and not folder.is_dir():
        raise BatchError(f"{args.output!r} is a file, not a folder for the output of many files")
    others = [*(args.ref or ()), args.preset, args.model]
    read = [*(take.source for take in takes), *(path for path in others if path is not None)]
    known: dict[tuple[int, int], str] = {}
    for path in read:
        with contextlib.suppress(OSError, ValueError):
            found = os.stat(path)
            known[found.st_dev, found.st_ino] = path
    for take in takes:
        target = folder / take.name
        with contextlib.suppress(OSError):
            found = os.stat(target)
            source = known.get((found.st_dev, found.st_ino))
            if source is not None:
                raise BatchError(f"{str(target)!r} is the same file as {source!r}, which is read")
    if args.stats is not None:
        outputs = [str(folder / take.name) for take in takes]
        check_output(args.stats, [*read, *outputs], overwrite=True)
        if os.path.realpath(args.stats) in {os.path.realpath(path) for path in outputs}:
            raise BatchError(f"--stats {args.stats!r} is where an output is written")
