"""`afx-live --input MANY --output FOLDER`: each file styled for itself, on all cores."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from realtime.audio_files import AudioFileError
from realtime.batch.cluster import connected, run_there
from realtime.batch.display import Display
from realtime.batch.files import BatchError, Take, find_takes
from realtime.batch.manifest import Identity, Manifest, identity, key_of, sound_options
from realtime.batch.tally import Tally
from realtime.batch.task import Failed, Job, Made, named
from realtime.batch.workers import Event, News, cores, run_here
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
    tally = Tally(style.origin, args.output)
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        client = None
        if args.cluster is not None:
            client = stack.enter_context(connected(args.cluster))
        manifest = stack.enter_context(Manifest(args.output))
        job = Job(args, style, args.output, os.path.abspath(manifest.staging))
        batch = _Batch(job, manifest, key_of(options), tally)
        batch.sort_out(takes)
        if batch.todo:
            # The longest first, so that the last ones end together.
            order = sorted(batch.todo, key=lambda take: -batch.todo[take][0])
            if client is not None:
                news = run_there(client, job, order)
            else:
                compile_chain(Voice(sys.stderr))  # once, for all workers to load
                news = run_here(job, order, args.jobs or cores())
            manifest.note({"key": batch.key, "options": options, "style": style.origin})
            with stop_on_signals(stop):
                batch.follow(news, stop)
    left = [take for take in takes if not tally.knows(take)]
    seconds = time.perf_counter() - began
    tally.print(seconds, left, sys.stdout)
    sys.stdout.flush()
    if args.stats is not None:
        tally.write(seconds, left, args.stats)
    if stop.is_set() and left:
        return _STOPPED
    return int(bool(tally.failures or tally.trouble))


class _Batch:
    """What is to be done, and what becomes of it.

    todo: each file that there is something to do for, and what identifies it as it was then.
    key: of what makes the outputs.
    """

    def __init__(self, job: Job, manifest: Manifest, key: str, tally: Tally) -> None:
        self._job = job
        self._manifest = manifest
        self._tally = tally
        self.key = key
        self.todo: dict[Take, Identity] = {}

    def sort_out(self, takes: Iterable[Take]) -> None:
        """Tell what is to be done from what is finished, and what cannot be."""
        for take in takes:
            try:
                now = identity(take.source)
            except AudioFileError as error:
                self._tally.failed(take, str(error))
                continue
            target = Path(self._job.folder, take.name)
            if self._manifest.is_finished(take.name, now, self.key):
                self._tally.skipped(take)
            elif os.path.lexists(target) and not self._may_replace(take):
                reason = f"{str(target)!r} exists; --overwrite replaces it"
                self._tally.failed(take, named(take, reason))
            else:
                self.todo[take] = now

    def _may_replace(self, take: Take) -> bool:
        return self._job.args.overwrite or self._manifest.is_ours(take.name)

    def follow(self, news: News, stop: threading.Event) -> None:
        """Put each output in its place as it comes, until all are there or `stop` is set."""
        sizes = {take.name: size for take, (size, _) in self.todo.items()}
        display = Display(sizes, self._tally.size, sys.stderr)
        with contextlib.closing(display), contextlib.closing(news):
            for reason in self._tally.failures:
                display.say(f"failed: {reason}")
            try:
                for event in news:
                    if stop.is_set():
                        return
                    if event is not None:
                        self._take_in(event, display)
            except BatchError as error:
                self._tally.trouble = str(error)

    def _take_in(self, event: Event, display: Display) -> None:
        take, outcome = event.take, event.outcome
        if outcome is None:
            display.at(take, event.done)
            return
        if isinstance(outcome, Made):
            outcome = self._publish(take, outcome)
        line = (
            self._tally.failed(take, outcome.reason)
            if isinstance(outcome, Failed)
            else self._tally.done(take, outcome)
        )
        display.ended(take, line)

    def _publish(self, take: Take, made: Made) -> Made | Failed:
        about = {"source": os.path.abspath(take.source), "preset": made.preset}
        replace = self._job.args.overwrite
        try:
            self._manifest.publish(
                take.name, Path(made.staged), self.todo[take], self.key, about, replace=replace
            )
        except AudioFileError as error:
            return Failed(named(take, str(error)))
        return made


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
