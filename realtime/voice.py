"""What the program says while it runs, in plain lines. Standard library only."""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import threading
from typing import TextIO

from realtime.meters import Meters

DUMB = ("dumb", "unknown")  # terminals ($TERM) on which nothing can be wiped
_SHOW_SECONDS = 0.2  # a line that changes faster cannot be read
_SILENT_DBFS = -120.0


class Voice:
    """Speaks to the person on stderr: lines that stay, and on a terminal one that changes.

    lively: whether there is a terminal that can wipe a line. Safe from any thread. Where nobody
    reads any more (a pipe that was closed, a terminal that is gone), it speaks on unheard: the
    sound must not end.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.lively = file.isatty() and os.environ.get("TERM") not in DUMB
        self._lock = threading.Lock()
        self._shown = False
        self._next_seconds = 0.0
        self._loudest = [-math.inf, -math.inf]

    def start(self) -> None:
        """Lines need no beginning."""

    def say(self, line: str) -> None:
        """A line that stays."""
        with self._lock:
            self._wipe()
            self._write(f"{line}\n")

    def status(self, text: str) -> None:
        """Replace the changing line; nothing where there is no terminal."""
        if self.lively:
            with self._lock:
                self._wipe()
                width = shutil.get_terminal_size().columns - 1  # a wrapped line cannot be wiped
                self._write(text[:width])
                self._shown = True

    def show(self, meters: Meters) -> None:
        """Levels and where the style stands, five times a second on a terminal."""
        self._loudest[0] = max(self._loudest[0], *meters.in_dbfs)
        self._loudest[1] = max(self._loudest[1], *meters.out_dbfs)
        if meters.seconds < self._next_seconds:
            return
        self._next_seconds = meters.seconds + _SHOW_SECONDS
        heard, played = map(_level, self._loudest)
        self._loudest = [-math.inf, -math.inf]
        late = f" · {meters.late_blocks} late blocks" if meters.late_blocks else ""
        self.status(f"{meters.style} · in {heard} · out {played}{late}")

    def _wipe(self) -> None:
        if self._shown:
            self._write("\r\x1b[2K")
            self._shown = False

    def close(self) -> None:
        """Remove the changing line."""
        with self._lock:
            self._wipe()

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._file.write(text)
            self._file.flush()


def _level(dbfs: float) -> str:
    return f"{dbfs:.0f} dBFS" if dbfs > _SILENT_DBFS else "silent"
