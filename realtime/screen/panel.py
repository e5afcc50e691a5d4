"""The parameters on the screen: all of them in few lines, one a line, or some of a long list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from rich.style import Style

from realtime.controls import State
from realtime.labels import is_off, label, stage_name, stage_of, with_unit
from realtime.params import EQ_BANDS, IDS, Param
from realtime.screen.hands import ORDER
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
from realtime.targets import VALUES

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
_WIDE_SPLIT = ORDER.index("comp.threshold_db")


@dataclass(frozen=True)
class Panel:
    """The parameters as they are now. waiting: id -> where the knob stands that has to pick up."""

    state: State
    waiting: Mapping[str, float]
    chosen: str
    glyphs: Glyphs

    def dense(self) -> list[Line]:
        """DENSE_LINES lines of DENSE_WIDTH, a stage or half of one on each."""
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
        half = width // 2
        left = self.listed(ORDER[:_WIDE_SPLIT], half - 1)
        right = self.listed(ORDER[_WIDE_SPLIT:], width - half)
        right += [Line() for _ in range(len(left) - len(right))]
        return [a.fit(half).extend(b) for a, b in zip(left, right, strict=True)]

    def listed(self, targets: Sequence[str], width: int) -> list[Line]:
        """One line a parameter; a stage is named where it begins."""
        lines = []
        for i, target in enumerate(targets):
            begins = i == 0 or stage_of(targets[i - 1]) != stage_of(target)
            lines.append(self._row(target, begins, width))
        return lines

    def around_chosen(self, count: int, width: int) -> list[Line]:
        """`count` lines of the list, the chosen one among them."""
        start = ORDER.index(self.chosen) - count // 2
        start = max(0, min(start, len(ORDER) - count))
        return self.listed(ORDER[start : start + count], width)

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
        return target not in IDS and self.state.value(target) != VALUES[target].default

    def _unit(self, target: str) -> float:
        return VALUES[target].to_unit(self.state.value(target))

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

    def _row(self, target: str, begins: bool, width: int) -> Line:
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
            line.add(f"{stage_of(target)} {label(target)}".strip(), style).pad(1 + _SHORT_NAME)
        value = self._value(target, off, _VALUE)
        bar = width - line.cells - 2 - 1 - _VALUE - 2
        if bar >= _BAR_MIN:
            waits = self.waiting.get(target)
            knob = DIM if off else BOLD
            line.extend(knob_bar(self._unit(target), waits, bar, knob, self.glyphs)).add(" ")
        return line.extend(value)

    def _value(self, target: str, off: bool, cells: int = 0) -> Line:
        style = CHOSEN if target == self.chosen else DIM if off else PLAIN
        text = with_unit(VALUES[target], self.state.value(target))
        return Line((text.rjust(cells), style), self.mark(target))


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
