"""Processes of this machine that style files side by side, one thread each.

A worker that dies, by a decoder that crashes or for want of memory, costs its file one more try.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path

from realtime import same_python
from realtime.batch.files import BatchError, Take
from realtime.batch.task import Failed, Job, Made, named, style_take

TICK_SECONDS = 0.1
_TRIES = 2
_END_SECONDS = 0.3


@dataclass(frozen=True)
class Event:
    """News of a file: the fraction of it that is done, or what came of it."""

    take: Take
    done: float = 0.0
    outcome: Made | Failed | None = None


News = Generator[Event | None, None, None]  # None: nothing new, for a tenth of a second


def cores() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_here(job: Job, takes: Sequence[Take], processes: int) -> News:
    """Style all `takes`, `processes` at a time; news of them, and None ten times a second.

    Closing the iterator ends the workers at once. Raises: BatchError if no worker can start.
    """
    about = Path(job.staging) / "job.pickle"
    about.write_bytes(pickle.dumps(job))
    left = deque((take, _TRIES) for take in takes)
    workers = [_Worker(about) for _ in range(min(processes, len(takes)))]
    try:
        while left or any(worker.task for worker in workers):
            ready = wait([worker.connection for worker in workers], TICK_SECONDS)
            for index, worker in enumerate(workers):
                if worker.connection not in ready:
                    continue
                try:
                    event = worker.hear()
                except (EOFError, OSError):
                    workers[index] = _Worker(about)
                    event = _bury(worker, left)
                if event is not None:
                    yield event
                if left and workers[index].idle:
                    workers[index].give(*left.popleft())
            yield None
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.end()


def _bury(worker: _Worker, left: deque[tuple[Take, int]]) -> Event | None:
    """Have the file of a worker that died tried again, or say that it was in vain.

    Raises: BatchError where it never was at one.
    """
    fate = worker.end()
    if not worker.began:
        raise BatchError(f"a worker process ended before its first file: {fate}")
    if worker.task is None:
        return None
    take, tries = worker.task
    if tries > 1:
        left.appendleft((take, tries - 1))
        return Event(take)
    reason = f"{_TRIES} processes that worked at it ended, the last one: {fate}"
    return Event(take, 1.0, Failed(named(take, reason)))


class _Worker:
    """One process, and the file it is at."""

    def __init__(self, about: Path) -> None:
        self.connection, theirs = Pipe()
        self.task: tuple[Take, int] | None = None
        self.began = self.idle = False
        # Ctrl-C reaches all of a terminal's processes; the workers are ended by us.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                same_python.command("realtime.batch.workers", str(theirs.fileno()), str(about)),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env={**os.environ, **dict.fromkeys(same_python.ONE_THREAD, "1")},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()

    def give(self, take: Take, tries: int) -> None:
        """Hand it a file, which it may have at most `tries` times."""
        self.task, self.idle = (take, tries), False
        with contextlib.suppress(OSError):  # it has died: `hear` says so
            self.connection.send(take)

    def hear(self) -> Event | None:
        """Its next news; None where that is only that it is ready. Raises: EOFError, OSError"""
        news = self.connection.recv()
        if self.task is None:
            self.began = self.idle = True
            return None
        take = self.task[0]
        if isinstance(news, float):
            return Event(take, news)
        self.task, self.idle = None, True
        return Event(take, 1.0, news)

    def end(self) -> str:
        """Be rid of it; how it ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
        code = self._process.wait()
        self.connection.close()
        return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def terminate(self) -> None:
        """Have it end."""
        self._process.terminate()


def main() -> None:
    """A worker's life: files in, news of them out, until nobody wants any."""
    connection: Connection = Connection(int(sys.argv[1]))
    threading.Thread(target=_leave_with, args=(connection.fileno(),), daemon=True).start()
    job = pickle.loads(Path(sys.argv[2]).read_bytes())
    connection.send(None)
    with contextlib.suppress(EOFError):
        while True:
            take = connection.recv()
            connection.send(style_take(job, take, connection.send))


def _leave_with(descriptor: int) -> None:
    """End this process when the other end has gone, whatever it is doing."""
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is told of unasked
    poll.poll()
    os._exit(1)
