"""The line between the engine's process and the supervisor that starts, watches and revives it.

One socket pair carries named frames both ways. What the engine `keep`s stays with the supervisor,
which gives it to the engine that it starts should this one die. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

VARIABLE = "AFX_LIVE_LIFELINE"  # the child's end: its file descriptor

# From the supervisor: what was kept, then GO with the moment that audio is being waited for since.
# From the engine: what it keeps, and where it stands.
KEPT = "="  # prefix of the name of a thing kept
GO, STOP = "go", "stop"
OPENING, RUNNING, LOST, CLOSING, ENDED = "opening", "running", "lost", "closing", "ended"

SESSION = "session"  # name of what is kept for the report
_ORPHAN_SECONDS = 0.7


class Line:
    """One end: sends and receives frames of a name and bytes."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._sending = threading.Lock()
        self._buffer = bytearray()

    def fileno(self) -> int:
        """For `select`."""
        return self._end.fileno()

    def send(self, name: str, payload: bytes = b"") -> None:
        """Hand over one frame; nothing where the other end has gone. Safe from any thread."""
        with self._sending, contextlib.suppress(OSError):
            self._end.sendall(b"%s %d\n" % (name.encode(), len(payload)) + payload)

    def receive(self) -> list[tuple[str, bytes]]:
        """Wait for bytes; all frames that are complete now, perhaps none.

        Raises: EOFError if the other end has gone and all it sent has been received.
        """
        try:
            got = self._end.recv(1 << 20)
        except OSError:
            got = b""
        if not got:
            raise EOFError
        self._buffer += got
        return list(self._complete())

    def _complete(self) -> Iterator[tuple[str, bytes]]:
        while (head := self._buffer.find(b"\n")) >= 0:
            name, size = self._buffer[:head].decode().rsplit(" ", 1)
            end = head + 1 + int(size)
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[head + 1 : end])
            del self._buffer[:end]
            yield name, payload

    def close(self) -> None:
        """Let the other end know that this one has gone."""
        self._end.close()


class Lifeline:
    """The engine's end.

    stop: set when the supervisor asks for the end, or has gone itself.
    resumed: whether audio ran before and was lost. since: `time.perf_counter()` of when the
        program was started or, resumed, when audio was lost.
    kept: what the engine before this one kept.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)
        self._line = Line(socket.socket(fileno=descriptor))
        self.stop = threading.Event()
        self.kept: dict[str, Any] = {}
        self.resumed = False
        self.since = 0.0
        begun = False
        while not begun:
            try:
                frames = self._line.receive()
            except EOFError:
                raise SystemExit(1) from None
            for name, payload in frames:
                begun = self._heard(name, payload) or begun
        threading.Thread(target=self._listen, name="lifeline", daemon=True).start()

    def _heard(self, name: str, payload: bytes) -> bool:
        if name.startswith(KEPT):
            import pickle

            self.kept[name.removeprefix(KEPT)] = pickle.loads(payload)
            self.resumed = True
        elif name == STOP:
            self.stop.set()
        elif name == GO:
            self.since = float(payload)
        return name == GO

    def _listen(self) -> None:
        with contextlib.suppress(EOFError):
            while True:
                for name, payload in self._line.receive():
                    self._heard(name, payload)
        self.stop.set()
        time.sleep(_ORPHAN_SECONDS)  # for the terminal's and the sound's sake
        os._exit(1)  # orphaned: a driver that hangs would hold us for ever

    def keep(self, name: str, value: object) -> None:
        """Have `value` (picklable) in `kept[name]` of the next engine, should this one die."""
        import pickle

        self._line.send(KEPT + name, pickle.dumps(value))

    def opening(self) -> None:
        """From here on, ten seconds without a word mean that the driver hangs."""
        self._line.send(OPENING)

    def running(self) -> None:
        """Audio runs."""
        self._line.send(RUNNING)

    def lost(self, reason: str) -> None:
        """The device has gone: another engine has to wait for it."""
        self._line.send(LOST, reason.encode())

    def closing(self) -> None:
        """The end was asked for and is under way."""
        self._line.send(CLOSING)

    def ended(self, status: int) -> None:
        """All is done and said; the exit status."""
        self._line.send(ENDED, str(status).encode())


def connect(environment: Mapping[str, str] = os.environ) -> Lifeline | None:
    """The supervisor's line, or None where no supervisor started this process."""
    descriptor = environment.get(VARIABLE)
    return None if descriptor is None else Lifeline(int(descriptor))
