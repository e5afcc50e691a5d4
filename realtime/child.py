"""An engine process seen from outside: how it is started, heard, asked to end and killed.

Audio waits for what is imported here.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from realtime import lifeline, same_python

_STOP_SECONDS = 0.6  # for an engine to begin its end: whoever stops waits a second at most
_START_SECONDS = 0.2  # the same for one that plays nothing yet: there is nothing to lose
_CLOSE_SECONDS = 3.0  # for one that has begun: it measures what was played
_LAST_WORDS_SECONDS = 1.0  # for one that lost its device: it measures too
_STOP_LOOK_SECONDS = 0.005
_HUNG_SECONDS = 10.0  # without a word from one that speaks twice a second
# For glibc, which else keeps more for itself the larger what was once freed: a late moment's
# backlog would stay taken for the rest of a session.
_MEMORY = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}


class EngineProcess:
    """One engine process, and what it said of itself.

    lost: what became of the device, once it is lost. status: once it ended by itself.
    """

    def __init__(self, argv: Sequence[str], kept: Mapping[str, bytes], since: float) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(_HUNG_SECONDS)
        # Ctrl-C reaches all of a terminal's processes; this one shall hear of it once, from us.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process = subprocess.Popen(
                same_python.command("realtime.cli", *argv),
                pass_fds=[theirs.fileno()],
                env={**os.environ, **_MEMORY, lifeline.VARIABLE: str(theirs.fileno())},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        self.line = lifeline.Line(ours)
        self.lost = ""
        self.status: int | None = None
        self.running = False
        self._silent, self._silence_max = 0.0, math.inf
        self._until = math.inf
        for name, payload in kept.items():
            self.line.send(lifeline.KEPT + name, payload)
        self.line.send(lifeline.GO, repr(since).encode())

    def hear(self, kept: dict[str, bytes]) -> None:
        """Take in what it sent; things to keep go to `kept`. Raises: EOFError once it has gone."""
        self._silent = 0.0
        for name, payload in self.line.receive():
            if name.startswith(lifeline.KEPT):
                kept[name.removeprefix(lifeline.KEPT)] = payload
            elif name == lifeline.OPENING:
                self._silence_max = _HUNG_SECONDS
            elif name == lifeline.RUNNING:
                self.running = True
            elif name == lifeline.LOST:
                self.lost = payload.decode()
                self._leave(_LAST_WORDS_SECONDS)
            elif name == lifeline.CLOSING:
                self._leave(_CLOSE_SECONDS)
            elif name == lifeline.ENDED:
                self.status = int(payload)

    def stop(self) -> None:
        """Ask it to end."""
        self.line.send(lifeline.STOP)
        self._leave(_STOP_SECONDS if self.running else _START_SECONDS)

    def overdue(self, waited: float) -> bool:
        """Whether it should have gone by now; `waited`: seconds since the last question."""
        self._silent += waited
        if self._silent > self._silence_max and not self.lost:
            self.lost = "the sound driver hangs"
        return time.perf_counter() > self._until or self._silent > self._silence_max

    def end(self, patience: float) -> int:
        """Give it `patience` seconds to exit, then kill it. Its return code."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self._process.kill()
        self.line.close()
        return self._process.wait()

    def await_stop(self, patience: float) -> None:
        """Wait until the terminal's Ctrl-Z or Ctrl-\\, which reaches it too, has stopped it."""
        look = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
        until = time.perf_counter() + patience
        while os.waitid(os.P_PID, self._process.pid, look) is None:
            if time.perf_counter() > until:
                break
            time.sleep(_STOP_LOOK_SECONDS)

    def _leave(self, seconds: float) -> None:
        self._until = time.perf_counter() + seconds


class Terminal:
    """Knows how the terminal was, and makes it so again after an engine that could not."""

    def __init__(self) -> None:
        self._was = self._now()

    @staticmethod
    def _now() -> list[Any] | None:
        import termios

        try:
            return termios.tcgetattr(sys.stdin)
        except (termios.error, AttributeError, ValueError):
            return None

    def restore(self) -> None:
        """Nothing where nothing was changed."""
        if self._was is None or self._now() == self._was:
            return
        import termios

        from realtime.screen.terminal import LEAVE

        with contextlib.suppress(termios.error):
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self._was)
        if sys.stderr.isatty():
            sys.stderr.write(LEAVE)
            sys.stderr.flush()
