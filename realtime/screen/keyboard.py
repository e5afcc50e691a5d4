"""The keyboard: keys one by one while they are wanted, without waiting for a line or echoing it.

Ctrl-C, Ctrl-Z and Ctrl-\\ keep their meaning. Standard input is read if it is a terminal; a
session without one has a screen and no keys.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time

from realtime.screen.keys import KeyParser

_ESCAPE_SECONDS = 0.05  # the bytes of a sequence come together, over a network too
_POLL_SECONDS = 0.02


def _is_terminal() -> bool:
    return sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()


if sys.platform != "win32":
    import select
    import termios

    class Keyboard:
        """Standard input. `take`, `give_back` and `read` belong together; `wake` is anyone's."""

        def __init__(self) -> None:
            self.present = _is_terminal()
            self._fd = sys.stdin.fileno() if self.present else -1
            self._saved: list | None = None
            self._parser = KeyParser()
            self._woken, self._wake = os.pipe()
            for end in (self._woken, self._wake):
                os.set_blocking(end, False)

        def take(self) -> None:
            """Have keys come at once and unseen; keep how the terminal was found."""
            if not self.present:
                return
            if self._saved is None:
                self._saved = termios.tcgetattr(self._fd)
            mode = termios.tcgetattr(self._fd)
            mode[0] &= ~termios.IXON  # Ctrl-S would hold the screen until Ctrl-Q
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
            termios.tcsetattr(self._fd, termios.TCSANOW, mode)

        def give_back(self) -> None:
            """Leave the terminal as it was found; keys not yet read are not for the shell."""
            saved, self._saved = self._saved, None
            if saved is not None:
                with contextlib.suppress(termios.error):  # it is gone
                    termios.tcflush(self._fd, termios.TCIFLUSH)
                    termios.tcsetattr(self._fd, termios.TCSANOW, saved)

        def read(self, timeout: float) -> list[str]:
            """The keys that come within `timeout` seconds, as soon as there is one or a `wake`."""
            sources = [self._woken]
            if self._saved is not None:  # else another job has the terminal
                sources.append(self._fd)
            wait = min(timeout, _ESCAPE_SECONDS) if self._parser.pending else timeout
            ready, _, _ = select.select(sources, [], [], wait)
            if self._woken in ready:
                os.read(self._woken, 1024)
            if self._fd not in ready:
                return self._parser.timed_out() if not ready else []
            try:
                data = os.read(self._fd, 1024)
            except OSError:
                data = b""
            self.present = self.present and bool(data)
            if not data:  # hung up
                self._saved = None
            return self._parser.feed(data)

        def wake(self) -> None:
            """End a `read` that waits."""
            with contextlib.suppress(BlockingIOError, OSError):
                os.write(self._wake, b"!")

else:
    import msvcrt

    _PREFIXES = ("\x00", "\xe0")
    # What the console's keys are called where keys are escape sequences.
    _SEQUENCES = {
        "H": b"\x1b[A", "P": b"\x1b[B", "M": b"\x1b[C", "K": b"\x1b[D", "G": b"\x1b[H",
        "O": b"\x1b[F", "I": b"\x1b[5~", "Q": b"\x1b[6~", "\x0f": b"\x1b[Z",
    }  # fmt: skip

    class Keyboard:
        """The console. As above."""

        def __init__(self) -> None:
            self.present = _is_terminal()
            self._taken = False
            self._parser = KeyParser()
            self._woken = threading.Event()

        def take(self) -> None:
            """Have keys come at once; the console's own functions never echo them."""
            self._taken = self.present

        def give_back(self) -> None:
            """Drop the keys not yet read."""
            while self._taken and msvcrt.kbhit():
                msvcrt.getwch()
            self._taken = False

        def read(self, timeout: float) -> list[str]:
            """The keys that come within `timeout` seconds, as soon as there is one or a `wake`."""
            end = time.monotonic() + timeout
            while not (self._taken and msvcrt.kbhit()):
                left = end - time.monotonic()
                if self._woken.wait(max(0.0, min(left, _POLL_SECONDS))) or left <= 0.0:
                    self._woken.clear()
                    return []
            data = b""
            while msvcrt.kbhit():
                char = msvcrt.getwch()
                if char in _PREFIXES:
                    data += _SEQUENCES.get(msvcrt.getwch(), b"")
                else:
                    data += char.encode("utf-8", "ignore")
            return self._parser.feed(data) + self._parser.timed_out()

        def wake(self) -> None:
            """End a `read` that waits."""
            self._woken.set()
