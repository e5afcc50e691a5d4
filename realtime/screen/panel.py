"""The parameters on the screen: all of them in few lines, one a line, or some of a long list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import zip_longest

from rich.style import Style

from realtime.controls import State
from realtime.labels import is_off, label, stage_name, stage_of, with_unit
from realtime.params import EQ_BANDS, Param
from realtime.screen.look import (
    BOLD,
    CHOSEN,
    DIM,
    HAND,
    PLAIN,
    TITLE,
    WAITS,
    Glyphs,
    Line,
    knob_bar,
    upright_bar,
)
from realtime.targets import BUILT_IN, VALUES, Targets

_DENSE_TITLE = 8
_DENSE_BAR = 15
_ROOMY = 50  # from this width on, a stage has its name
_TITLE, _NAME, _VALUE = 16, 12, 10
_SHORT_NAME = 18
_BAR_MIN = 4
_DENSE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("input", ("input.gain_db",)),
    *(
        (f"eq {band}", (f"eq{band}.freq_hz", f"eq{band}.gain_db", f"eq{band}.q"))
        for band in range(1, EQ_BANDS + 1)
    ),
    ("comp", ("comp.threshold_db", "comp.ratio", "comp.knee_db")),
    ("", ("comp.attack_ms", "comp.release_ms", "comp.makeup_gain_db")),
    ("dist", ("dist.drive_db", "dist.tone_hz", "dist.mix")),
    (
        "reverb",
        ("reverb.room_size", "reverb.damping", "reverb.predelay_ms", "reverb.wet", "reverb.dry"),
    ),
    ("output", ("output.gain_db", "amount", "morph")),
)
_SHORT = {"reverb.room_size": "room", "reverb.damping": "damp", "reverb.predelay_ms": "pre"}
DENSE_LINES = len(_DENSE)
DENSE_WIDTH = 80
WIDE_LINES = 1 + 3 * EQ_BANDS
WIDE_WIDTH = 100
_WIDE_SPLIT = tuple(VALUES).index("comp.threshold_db")
_COLUMN_WIDTH = 40  # of a plugin's parameters


@dataclass(frozen=True)
class Panel:
    """The parameters as they are now: those of the chain or, where one of its own is chosen, a
    plugin's.

    waiting: id -> where the knob stands that has to pick up.
    """

    state: State
    waiting: Mapping[str, float]
    chosen: str
    glyphs: Glyphs
    targets: Targets = BUILT_IN

    def dense(self) -> list[Line]:
        """DENSE_LINES lines of DENSE_WIDTH, a stage or half of one on each."""
        if self._plugins:
            return self._page(DENSE_LINES, DENSE_WIDTH)
        lines = []
        for title, ids in _DENSE:
            off = _off(ids[0], self.state)
            line = Line((f" {title}", DIM if off else TITLE)).pad(_DENSE_TITLE)
            for target in ids:
                line.extend(self._cell(target, off))
            stage = stage_of(ids[0])
            if stage.startswith("eq"):
                kind = stage_name(stage, self.state.effective.band_types).split(" ", 2)[2]
                line.add(kind, DIM)
            lines.append(line)
        return lines

    def wide(self, width: int) -> list[Line]:
        """WIDE_LINES lines of `width`, the equaliser on the left and the rest on the right."""
        if self._plugins:
            return self._page(WIDE_LINES, width)
        half = width // 2
        order = tuple(VALUES)
        left = self.listed(order[:_WIDE_SPLIT], half - 1)
        right = self.listed(order[_WIDE_SPLIT:], width - half)
        return _beside([left, right], half)

    def listed(self, targets: Sequence[str], width: int, named: bool = True) -> list[Line]:
        """One line a parameter; a stage is named where it begins, or in a narrow list in each line,
        unless it is not to be `named` there."""
        lines = []
        for i, target in enumerate(targets):
            begins = i == 0 or stage_of(targets[i - 1]) != stage_of(target)
            lines.append(self._row(target, begins, width, named))
        return lines

    def around_chosen(self, count: int, width: int) -> list[Line]:
        """`count` lines of the list, the chosen one among them."""
        order = tuple(self.targets.values)
        start = order.index(self.chosen) - count // 2
        start = max(0, min(start, len(order) - count))
        return self.listed(order[start : start + count], width)

    @property
    def _plugins(self) -> tuple[str, ...]:
        """The parameters of the plugin that is being looked at; none where it is the chain."""
        stage = stage_of(self.chosen)
        if self.chosen in VALUES:
            return ()
        return tuple(i for i in self.targets.values if stage_of(i) == stage)

    def _page(self, count: int, width: int) -> list[Line]:
        """`count` lines of a plugin's parameters in columns; of many, those around the choice."""
        columns = width // _COLUMN_WIDTH
        ids = self._plugins
        first = ids.index(self.chosen) // (count * columns) * count * columns
        starts = range(first, first + count * columns, count)
        cells = width // columns
        listed = [
            self.listed(ids[start : start + count], cells - 1, named=False) for start in starts
        ]
        lines = _beside(listed, cells)
        return lines + [Line() for _ in range(count - len(lines))]

    def mark(self, target: str) -> tuple[str, Style]:
        """Who set a value, a hand or a model; or which way its knob has to go to pick it up."""
        if target in self.waiting:
            return self.glyphs.keys[self.waiting[target] > self._unit(target)], WAITS
        if target in self.state.overrides or self._moved(target):
            return self.glyphs.hand, HAND
        if target in self.state.predicted:
            return self.glyphs.predicted, TITLE
        return " ", PLAIN

    def _moved(self, target: str) -> bool:
        return "." not in target and self.state.value(target) != VALUES[target].default

    def _unit(self, target: str) -> float:
        return self.targets.values[target].to_unit(self.state.value(target))

    def _cell(self, target: str, off: bool) -> Line:
        """A parameter in a dense line: a bar, its name, value and unit, a mark."""
        chosen = target == self.chosen
        line = Line()
        if target.endswith(".gain_db") and target.startswith("eq"):
            line.extend(knob_bar(self._unit(target), None, _DENSE_BAR, BOLD, self.glyphs))
            name = " "
        else:
            line.add(upright_bar(self._unit(target), self.glyphs), DIM if off else TITLE)
            name = "" if target.endswith("freq_hz") else _SHORT.get(target, label(target)) + " "
            name = " " + name
        line.add(name, CHOSEN if chosen else DIM)
        return line.extend(self._value(target, off)).pad(_dense_cells(target))

    def _row(self, target: str, begins: bool, width: int, named: bool) -> Line:
        """A parameter on a line of its own."""
        chosen = target == self.chosen
        off = _off(target, self.state)
        line = Line((self.glyphs.chosen if chosen else " ", CHOSEN if chosen else PLAIN))
        style = CHOSEN if chosen else PLAIN
        if width >= _ROOMY:
            stage = stage_of(target)
            title = stage_name(stage, self.state.effective.band_types) if stage and begins else ""
            line.add(title.ljust(_TITLE), DIM if off else TITLE).add(label(target), style)
            line.pad(1 + _TITLE + _NAME)
        else:
            stage = stage_of(target) if named else ""
            line.add(f"{stage} {label(target)}".strip(), style).pad(1 + _SHORT_NAME)
        value = self._value(target, off, _VALUE)
        bar = width - line.cells - 2 - 1 - _VALUE - 2
        if bar >= _BAR_MIN:
            waits = self.waiting.get(target)
            knob = DIM if off else BOLD
            line.extend(knob_bar(self._unit(target), waits, bar, knob, self.glyphs)).add(" ")
        return line.extend(value)

    def _value(self, target: str, off: bool, cells: int = 0) -> Line:
        style = CHOSEN if target == self.chosen else DIM if off else PLAIN
        text = with_unit(self.targets.values[target], self.state.value(target))
        return Line((text.rjust(cells), style), self.mark(target))


def _beside(columns: Sequence[Sequence[Line]], width: int) -> list[Line]:
    """Columns of `width` cells from left to right, as long as the longest."""
    lines = []
    for row in zip_longest(*columns):
        *cells, last = (cell or Line() for cell in row)
        line = Line()
        for cell in cells:
            line.extend(cell.fit(width))
        lines.append(line.extend(last))
    return lines


def _off(target: str, state: State) -> bool:
    stage = stage_of(target)
    return bool(stage) and is_off(stage, state.effective)


@cache
def _value_cells(param: Param) -> int:
    """How long a value with its unit gets."""
    return max(len(with_unit(param, param.from_unit(i / 96))) for i in range(97))


@cache
def _dense_cells(target: str) -> int:
    """How wide the cell of a parameter is in a dense line: bar, name, value, mark, a space."""
    value = _value_cells(VALUES[target]) + 2
    if target.startswith("eq"):
        return {"freq_hz": 2, "gain_db": _DENSE_BAR + 3, "q": 4}[target.partition(".")[2]] + value
    return 2 + len(_SHORT.get(target, label(target))) + 1 + value
