"""What stands on the screen: a pure function from how things are to lines of cells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from realtime.screen import parts
from realtime.screen.look import Frame, Line
from realtime.screen.panel import DENSE_LINES, DENSE_WIDTH, WIDE_LINES, WIDE_WIDTH, Panel
from realtime.screen.scene import Scene

_LIST_LINES = 3  # of the list of parameters, before other things give way
_AIRY_HEIGHT = 36
_OPTIONAL = 6  # sections from this rank on give way to all parameters at once


@dataclass
class _Section:
    """Lines that are shown together or not at all; those of the highest rank go first."""

    rank: int
    lines: list[Line]


def view(scene: Scene, width: int, height: int) -> Frame:
    """The screen: `height` lines of `width` cells. What matters less gives way first.

    The parameters have three layouts: two columns with bars, a line for each stage, or a list
    that follows the choice.
    """
    above = [
        _Section(0, parts.state_lines(scene, width, height >= _AIRY_HEIGHT)),
        _Section(4, parts.set_list_lines(scene)),
        _Section(2, parts.plugin_lines(scene)),
        _Section(1, parts.level_lines(scene, width)),
        _Section(3, [parts.health_line(scene, width)]),
        _Section(8, [parts.legend_line(scene, width)]),
    ]
    below = [_Section(0 if scene.question else 2, parts.key_lines(scene, width))]
    log = _Section(7, [Line()])
    if scene.helping:
        middle = parts.help_lines(scene)
        below = below if scene.question else []
    else:
        urgent = bool(scene.midi.learning or scene.midi.missing)
        chosen, about = parts.chosen_lines(scene, width)
        midi = _Section(1 if urgent else 6, [parts.midi_line(scene, width)])
        below = [_Section(5, [chosen]), _Section(9, [about]), midi, log, *below]
        middle = _parameters(scene, above + below, width, height)
    above, below = _fitting(above, below, height - len(middle))
    spare = height - len(middle) - _count(above + below)
    if any(section is log for section in below):  # what was said takes the room that is left
        said = parts.log_lines(scene, width, max(1, 1 + spare))
        log.lines = said + [Line()] * (1 + spare - len(said))
    lines = [*_lines(above), *middle, *_lines(below)]
    lines += [Line()] * (height - len(lines))
    return Frame.of(lines[:height], width)


def _parameters(scene: Scene, around: list[_Section], width: int, height: int) -> list[Line]:
    """The parameters in the layout that there is room for."""
    panel = Panel(scene.state, scene.midi.waiting, scene.chosen, scene.glyphs, scene.targets)
    if width >= WIDE_WIDTH and height >= WIDE_LINES + _count(around):
        return panel.wide(width)
    essential = _count(section for section in around if section.rank < _OPTIONAL)
    if width >= DENSE_WIDTH and height >= DENSE_LINES + essential:
        return panel.dense()
    kept, _ = _fitting(around, [], height - _LIST_LINES)
    return panel.around_chosen(max(1, height - _count(kept)), width)


def _fitting(
    above: list[_Section], below: list[_Section], room: int
) -> tuple[list[_Section], list[_Section]]:
    """What of both is shown in `room` lines; the lowest rank stays, whatever the room."""
    for rank in sorted({section.rank for section in above + below}, reverse=True)[:-1]:
        if _count(above + below) <= room:
            break
        above = [section for section in above if section.rank != rank]
        below = [section for section in below if section.rank != rank]
    return above, below


def _count(sections: Iterable[_Section]) -> int:
    return sum(len(section.lines) for section in sections)


def _lines(sections: Iterable[_Section]) -> list[Line]:
    return [line for section in sections for line in section.lines]
