"""The terminal: the whole of it while live, given back as it was found whatever happens.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from types import FrameType
from typing import Any, TextIO

from realtime.screen.keyboard import Keyboard

_PATIENCE_SECONDS = 1.0

# The alternate screen, no cursor, no wrapping at the right edge; and back.
ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J"
LEAVE = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l"


class Terminal:
    """Owns `output`, which is a terminal, and the keyboard.

    Nothing is touched before `start`. `follow`, `write` and reading keys belong to one thread,
    the rest to any.
    """

    def __init__(self, output: TextIO) -> None:
        self.keyboard = Keyboard()
        self._fd = output.fileno()
        self._encoding = output.encoding or "utf-8"
        self._lock = threading.RLock()
        self._taken = False
        self._drawn = True
        self._stop_asked = self._continued = False
        self._old: dict[int, Any] = {}

    @property
    def taken(self) -> bool:
        """Whether the terminal is ours now."""
        return self._taken

    @property
    def size(self) -> tuple[int, int]:
        """(columns, lines)."""
        try:
            columns, lines = os.get_terminal_size(self._fd)
        except OSError:
            columns = lines = 0
        return columns or 80, lines or 24

    def start(self) -> None:
        """Take the terminal and follow the shell's job control. For the main thread."""
        if sys.platform != "win32":
            for number, handler in (
                (signal.SIGTSTP, self._on_stop),
                (signal.SIGCONT, self._on_continue),
                (signal.SIGTERM, self._on_end),
                (signal.SIGHUP, self._on_end),
                (signal.SIGQUIT, self._on_end),
            ):
                if signal.getsignal(number) is signal.SIG_DFL:
                    self._old[number] = signal.signal(number, handler)
        self._take()

    def end(self) -> None:
        """Give everything back, for good."""
        self.leave()
        if threading.current_thread() is threading.main_thread():
            for number, handler in self._old.items():
                signal.signal(number, handler)
            self._old.clear()

    def leave(self) -> None:
        """Give the terminal back as it was found."""
        got = self._lock.acquire(timeout=_PATIENCE_SECONDS)
        try:
            if self._taken:
                self._taken = False
                self.keyboard.give_back()
                if self._drawn:
                    self._send(LEAVE)
        finally:
            if got:
                self._lock.release()

    def stop_drawing(self) -> None:
        """Give the screen back for plain lines, and keep the keyboard."""
        with self._lock:
            if self._taken and self._drawn:
                self._send(LEAVE)
            self._drawn = False

    def follow(self) -> bool:
        """Do as the shell's job control asks; whether the terminal is ours anew, and empty."""
        if sys.platform != "win32" and self._stop_asked:
            self._stop_asked = False
            self.leave()
            signal.pthread_kill(threading.get_ident(), signal.SIGTSTP)  # all stops here
        with self._lock:
            again = self._continued and self._taken  # a stop that nobody could know of
            self._continued = False
            if self._taken and not again:
                return False
            return self._take()

    def write(self, text: str) -> None:
        """Send text and control sequences, unless the terminal is not ours."""
        with self._lock:
            if self._taken:
                self._send(text)

    def _take(self) -> bool:
        with self._lock:
            if not self._in_foreground():
                return False
            self.keyboard.take()
            self._taken = True
            if self._drawn:
                self._send(ENTER)
            return True

    def _in_foreground(self) -> bool:
        """Whether the shell lets us have the terminal; one that no shell controls is ours."""
        try:
            return os.tcgetpgrp(self._fd) == os.getpgrp()
        except (OSError, AttributeError):
            return True

    def _send(self, text: str) -> None:
        data = text.encode(self._encoding, "replace")
        with contextlib.suppress(OSError):  # the terminal is gone; the sound is not
            while data and self._takes_more():
                data = data[os.write(self._fd, data) :]

    def _takes_more(self) -> bool:
        """Whether the terminal still reads; one that hangs must not hang us."""
        if sys.platform == "win32":
            return True
        return bool(select.select([], [self._fd], [], _PATIENCE_SECONDS)[1])

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        self._stop_asked = True
        self.keyboard.wake()

    def _on_continue(self, _number: int, _frame: FrameType | None) -> None:
        if signal.SIGTSTP in self._old:
            signal.signal(signal.SIGTSTP, self._on_stop)
        self._continued = True
        self.keyboard.wake()

    def _on_end(self, number: int, _frame: FrameType | None) -> None:
        self.leave()
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
