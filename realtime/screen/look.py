"""What the screen is drawn with: styles, glyphs, and lines that are cut to their width.

Only the terminal's own sixteen colours are used, so that its theme holds on a dark stage; and no
colour says anything that a word, a mark or reverse video does not say too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby, pairwise
from operator import itemgetter

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style

PLAIN = Style.null()
DIM = Style(dim=True)
BOLD = Style(bold=True)
TITLE = Style(color="cyan")
CHOSEN = Style(reverse=True, bold=True)
HAND = Style(color="bright_yellow", bold=True)
WAITS = Style(color="bright_magenta", bold=True)
GOOD = Style(color="green")
NEAR = Style(color="yellow")
HOT = Style(color="bright_red", bold=True)
# Reversed, so that they are seen without colour too: white on red, black on yellow.
ALARM = Style(color="red", bgcolor="bright_white", bold=True, reverse=True)
NOTICE = Style(color="yellow", bgcolor="black", bold=True, reverse=True)


@dataclass(frozen=True)
class Glyphs:
    """The characters of bars and marks, each one cell wide.

    across: a cell of a level bar filled from the left, empty to full.
    upright: a small bar of one cell, low to high.
    """

    across: str
    upright: str
    hold: str
    left: str
    right: str
    track: str
    knob: str
    waits: str
    hand: str
    predicted: str
    chosen: str
    rule: str
    dot: str
    lamp: str
    infinite: str
    keys: str  # up, down, left, right


# fmt: off
UNICODE = Glyphs(
    across=" ▏▎▍▌▋▊▉█", upright="▁▂▃▄▅▆▇█", hold="│", left="▕", right="▏", track="─", knob="●",
    waits="◇", hand="◆", predicted="*", chosen="▸", rule="─", dot="·", lamp="●", infinite="∞",
    keys="↑↓←→",
)
ASCII = Glyphs(
    across=" #", upright="_.-=#", hold="|", left="[", right="]", track="-", knob="O",
    waits="?", hand="!", predicted="*", chosen=">", rule="-", dot="-", lamp="o", infinite="inf",
    keys="^v<>",
)
# fmt: on
def clean(text: str) -> str:
    """`text` from elsewhere, such as a port's name, without what would move the cursor."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_clean, unicodedata.normalize("NFC", text)))


def _clean(char: str) -> str:
    if "\ufe00" <= char <= "\ufe0f":  # they change how wide the character before them is
        return ""
    return char if char.isprintable() else " " if char.isspace() else "?"


class Line:
    """A line under construction, from left to right."""

    def __init__(self, *pieces: tuple[str, Style]) -> None:
        self.segments: list[Segment] = []
        self.cells = 0
        for text, style in pieces:
            self.add(text, style)

    def add(self, text: str, style: Style = PLAIN) -> Line:
        """Append `text`; control characters do not get in."""
        text = clean(text)
        if text:
            self.segments.append(Segment(text, style))
            self.cells += cell_len(text)
        return self

    def extend(self, line: Line) -> Line:
        """Append what another line has."""
        self.segments += line.segments
        self.cells += line.cells
        return self

    def pad(self, cells: int, style: Style = PLAIN) -> Line:
        """Fill up with spaces to a width, if it is not reached yet."""
        if self.cells < cells:
            self.add(" " * (cells - self.cells), style)
        return self

    def fit(self, cells: int) -> Line:
        """The line padded or cut to exactly `cells`."""
        if self.cells <= cells:
            return self.pad(cells)
        cut = Line()
        for text, style, _ in self.segments:
            room = cells - cut.cells
            if room <= 0:
                break
            piece = text if cell_len(text) <= room else set_cell_size(text, room)
            cut.segments.append(Segment(piece, style))
            cut.cells += cell_len(piece)
        return cut.pad(cells)

    @property
    def text(self) -> str:
        """The line without its styles."""
        return "".join(segment.text for segment in self.segments)


@dataclass(frozen=True)
class Frame:
    """A whole screen: `height` lines of exactly `width` cells. A rich renderable."""

    lines: tuple[tuple[Segment, ...], ...]

    @classmethod
    def of(cls, lines: Iterable[Line], width: int) -> Frame:
        """Lines of any width -> a frame."""
        return cls(tuple(tuple(line.fit(width).segments) for line in lines))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self.lines:
            yield from line
            yield Segment.line()


def level_bar(
    fraction: float, hold: float, cells: int, zones: tuple[float, float], glyphs: Glyphs
) -> Line:
    """A level filled from the left, with the held peak as a stroke.

    fraction, hold: 0..1 of the width; zones: the fractions from where it is near the top, and hot.
    """
    steps = len(glyphs.across) - 1
    filled = round(min(max(fraction, 0.0), 1.0) * cells * steps)
    at = min(int(hold * cells), cells - 1) if hold > 0.0 else -1
    line = Line()
    edges = (0, round(zones[0] * cells), round(zones[1] * cells), cells)
    for (start, end), style in zip(pairwise(edges), (GOOD, NEAR, HOT), strict=True):
        parts = [glyphs.across[min(max(filled - cell * steps, 0), steps)]
                 for cell in range(start, end)]  # fmt: skip
        if start <= at < end and filled < (at + 1) * steps:
            parts[at - start] = glyphs.hold
        line.add("".join(parts), style)
    return line


def knob_bar(unit: float, waits: float | None, cells: int, style: Style, glyphs: Glyphs) -> Line:
    """A value (0..1) on its track, and where the knob stands that has to pick it up."""
    track = [(glyphs.track, DIM)] * cells
    if waits is not None:
        track[_cell(waits, cells)] = (glyphs.waits, WAITS)
    track[_cell(unit, cells)] = (glyphs.knob, style)
    line = Line((glyphs.left, DIM))
    for same, run in groupby(track, key=itemgetter(1)):
        line.add("".join(glyph for glyph, _ in run), same)
    return line.add(glyphs.right, DIM)


def upright_bar(unit: float, glyphs: Glyphs) -> str:
    """A value (0..1) as one character."""
    return glyphs.upright[_cell(unit, len(glyphs.upright))]


def _cell(unit: float, cells: int) -> int:
    return round(min(max(unit, 0.0), 1.0) * (cells - 1))
