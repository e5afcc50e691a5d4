"""A terminal for tests: a program runs in it, keys go in, and what a person would see comes out."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyte

_ALTERNATE = 1049
_PATIENCE_S = 30.0


class _Display(pyte.Screen):
    """A terminal's screen with the alternate one that full-screen programs draw on."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines)
        self.alternate = False
        self._normal: tuple[Any, Any] | None = None

    def set_mode(self, *modes: int, **kwargs: Any) -> None:
        if _ALTERNATE in modes and not self.alternate:
            self.alternate = True
            self._normal = copy.deepcopy((self.buffer, self.cursor))
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes: int, **kwargs: Any) -> None:
        if _ALTERNATE in modes and self.alternate and self._normal is not None:
            self.alternate = False
            self.buffer, self.cursor = self._normal
        super().reset_mode(*modes, **kwargs)


class PseudoTerminal:
    """Runs `command` as its own session, with this terminal as its controlling one."""

    def __init__(
        self,
        command: Sequence[str],
        columns: int = 80,
        lines: int = 24,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._master, self._slave = pty.openpty()
        self._lock = threading.Lock()
        self._display = _Display(columns, lines)
        self.received = b""
        self.resize(columns, lines)
        self.found = termios.tcgetattr(self._slave)
        env = {
            k: v
            for k, v in os.environ.items()
            if k not in ("NO_COLOR", "COLORTERM", "COLUMNS", "LINES")
        }
        env |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", **(environment or {})}
        self.process = subprocess.Popen(
            command,
            stdin=self._slave, stdout=self._slave, stderr=self._slave,
            start_new_session=True, env=env,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stream = pyte.ByteStream(self._display)
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65536):
                with self._lock:
                    self.received += data
                    stream.feed(data)

    @property
    def text(self) -> str:
        """What stands on the screen."""
        with self._lock:
            return "\n".join(self._display.display)

    def line_with(self, text: str) -> str:
        """The first line on the screen that has `text` in it; "" if none."""
        return next((line for line in self.text.splitlines() if text in line), "")

    @property
    def attributes(self) -> list[Any]:
        """The terminal's modes as termios has them."""
        return termios.tcgetattr(self._slave)

    @property
    def full_screen(self) -> bool:
        """Whether a program has the alternate screen."""
        return self._display.alternate

    @property
    def cursor_hidden(self) -> bool:
        return bool(self._display.cursor.hidden)

    def press(self, keys: str | bytes) -> None:
        """Type something."""
        os.write(self._master, keys.encode() if isinstance(keys, str) else keys)

    def resize(self, columns: int, lines: int) -> None:
        """What happens when a person pulls at the window's corner."""
        with self._lock:
            self._display.resize(lines, columns)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def wait_until(self, condition: Callable[[], object], what: str = "") -> None:
        """Wait for something to be so; fails with what is on the screen if it does not come."""
        deadline = time.monotonic() + _PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, (
                f"waited in vain for {what}; the screen:\n{self.text}"
            )
            time.sleep(0.01)

    def wait_for(self, text: str) -> None:
        """Wait for `text` to stand on the screen."""
        self.wait_until(lambda: text in self.text, repr(text))

    def ended(self) -> int:
        """Wait for the program to end; its exit status."""
        status = self.process.wait(_PATIENCE_S)
        time.sleep(0.05)
        return status

    def close(self) -> None:
        """Hang up."""
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self._slave)
        self._reader.join(5.0)
        os.close(self._master)
