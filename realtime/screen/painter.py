"""Frames onto the terminal, with as little as it takes: only lines that have changed are sent."""

from __future__ import annotations

import os
from typing import TextIO

from rich.color import ColorSystem
from rich.console import COLOR_SYSTEMS, Console
from rich.segment import Segment
from rich.style import Style

from realtime.screen.look import ASCII, UNICODE, Frame, Glyphs


class Painter:
    """Turns frames into control sequences that suit the terminal `output`.

    Raises: OSError if it knows none.
    """

    def __init__(self, output: TextIO) -> None:
        console = Console(file=output)
        if console.legacy_windows:
            raise OSError("this console knows no control sequences")
        self._colors: ColorSystem | None = COLOR_SYSTEMS.get(console.color_system or "")
        self._no_color = console.no_color
        # The Linux console's font has few of the glyphs.
        plain = console.options.ascii_only or os.environ.get("TERM") == "linux"
        self.glyphs: Glyphs = ASCII if plain else UNICODE
        self._shown: tuple[tuple[Segment, ...], ...] = ()

    def forget(self) -> None:
        """Assume nothing of what is on the screen: the next frame is sent whole."""
        self._shown = ()

    def paint(self, frame: Frame) -> str:
        """What to send so that `frame` stands there; "" if it does already."""
        whole = len(frame.lines) != len(self._shown)
        sent = []
        for row, line in enumerate(frame.lines):
            if whole or line != self._shown[row]:
                sent.append(f"\x1b[{row + 1};1H")
                sent += [self._render(segment.text, segment.style) for segment in line]
        self._shown = frame.lines
        return "".join(sent)

    def _render(self, text: str, style: Style | None) -> str:
        if style is None:
            return text
        if self._no_color:
            style = style.without_color
        return style.render(text, color_system=self._colors)
