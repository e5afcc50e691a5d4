"""afx-live as a person starts it: its process, what it says and when."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

READY = "audio running"
_PATIENCE_SECONDS = 30.0


def command(*args: object) -> list[str]:
    """afx-live on the test's JACK server: where ALSA has a card, PortAudio's default is that."""
    device = ("--device", "system, JACK")
    return [sys.executable, "-m", "realtime.cli", *device, *map(str, args)]


class Live:
    """afx-live running, on JACK. `end` sends a signal (or waits) and gives what it said.

    said: lines of its stderr. times: `time.monotonic()` at which each came.
    """

    def __init__(self, *args: object, stdin: int = subprocess.DEVNULL, **env: str) -> None:
        self.process = subprocess.Popen(
            command(*args),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        )
        self.said: list[str] = []
        self.times: list[float] = []
        self._out: list[str] = []
        self._more = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read_lines, daemon=True),
            threading.Thread(target=self._read_report, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._more:
                self.said.append(line)
                self.times.append(time.monotonic())
                self._more.notify_all()

    def _read_report(self) -> None:
        assert self.process.stdout is not None
        self._out.append(self.process.stdout.read())

    def wait_for(self, words: str, after: int = 0) -> float:
        """Until a line with `words` comes, or came after the first `after` lines: its time."""
        limit = time.monotonic() + _PATIENCE_SECONDS
        with self._more:
            while True:
                for line, when in zip(self.said[after:], self.times[after:], strict=True):
                    if words in line:
                        return when
                patience = limit - time.monotonic()
                ended = self.process.poll() is not None and not self._readers[0].is_alive()
                assert patience > 0 and not ended, f"{words!r} never came: {''.join(self.said)}"
                self._more.wait(min(patience, 0.1))

    def engine(self) -> int:
        """The process id of the engine: the only child."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        assert len(children) == 1, children
        return int(children[0])

    def end(self, number: signal.Signals | None = None) -> tuple[int, str, str]:
        """Exit status, report, and all lines that were said."""
        if number is not None:
            self.process.send_signal(number)
        status = self.process.wait(_PATIENCE_SECONDS)
        for reader in self._readers:
            reader.join(5.0)
            assert not reader.is_alive(), "a process was left behind that holds the output open"
        return status, "".join(self._out), "".join(self.said)


@contextmanager
def afx_live(
    *args: object, stdin: int = subprocess.DEVNULL, ready: str = READY, **env: str
) -> Iterator[Live]:
    """A `Live` that has said `ready` ("": at once), and is gone afterwards."""
    live = Live(*args, stdin=stdin, **env)
    try:
        if ready:
            live.wait_for(ready)
        yield live
    finally:
        if live.process.poll() is None:
            live.process.kill()
            live.process.wait()
