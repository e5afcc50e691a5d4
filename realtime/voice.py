"""What the program says while it runs. Standard library only."""

from __future__ import annotations

import shutil
from typing import TextIO


class Voice:
    """Speaks to the person on stderr: lines that stay, and on a terminal one that changes.

    lively: whether there is a terminal.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.lively = file.isatty()
        self._shown = False

    def say(self, line: str) -> None:
        """A line that stays."""
        self._wipe()
        print(line, file=self._file, flush=True)

    def status(self, text: str) -> None:
        """Replace the changing line; nothing where there is no terminal."""
        if self.lively:
            self._wipe()
            width = shutil.get_terminal_size().columns - 1  # a wrapped line cannot be taken back
            print(text[:width], end="", file=self._file, flush=True)
            self._shown = True

    def _wipe(self) -> None:
        if self._shown:
            print("\r\x1b[2K", end="", file=self._file)
            self._shown = False

    def close(self) -> None:
        """Remove the changing line."""
        self._wipe()
        self._file.flush()
