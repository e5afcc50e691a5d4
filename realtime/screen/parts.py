"""The parts of the screen around the parameters, each a line or a few."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from itertools import zip_longest

from realtime.labels import stage_of, with_unit
from realtime.screen.hands import BINDINGS
from realtime.screen.levels import Level, fraction
from realtime.screen.look import (
    ALARM,
    BOLD,
    CHOSEN,
    DIM,
    GOOD,
    HAND,
    NEAR,
    NOTICE,
    PLAIN,
    TITLE,
    WAITS,
    Line,
    clean,
    knob_bar,
    level_bar,
)
from realtime.screen.scene import Scene

_NEAR_DBFS, _HOT_DBFS = -12.0, -3.0
_REDUCTION_MAX_DB = 24.0
_REDUCTION_BAR = 8
_BUSY = 0.7  # of a block's time
_LABEL, _NUMBER, _CLIPPED = 7, 6, 6
_BAR_MIN = 3
_SIDE_BY_SIDE = 50
_HELP_KEYS = 17


def state_lines(scene: Scene, width: int, airy: bool) -> list[Line]:
    """What is heard: the style, or dry. Three lines tall where there is room."""
    state, meters = scene.state, scene.meters
    if state.panicked:
        style = ALARM
        line = Line((" PANIC   dry, effects silenced; b brings the sound back", style))
    elif state.bypassed:
        style = NOTICE
        matched = "as it comes in" if state.dry_gain_db is None else "as loud as the sound"
        line = Line((f" BYPASS   dry, {matched}; b brings the sound back", style))
    else:
        style = PLAIN
        status = meters.style if meters else "starting"
        line = Line((f" {status}", BOLD), (f"  {state.origin}", PLAIN))
    if meters and width >= _SIDE_BY_SIDE:
        clock = _clock(meters.seconds)
        line = line.fit(width - len(clock) - 2).add(f" {clock} ", style)
    if style is not PLAIN:
        line = Line((line.text.ljust(width), style))
    blank = Line((" " * width, style))
    return [blank, line, blank] if airy else [line]


def set_list_lines(scene: Scene) -> list[Line]:
    """Where the set list stands."""
    return [Line((" set    ", TITLE), (scene.set_list, BOLD))] if scene.set_list else []


def plugin_lines(scene: Scene) -> list[Line]:
    """The plugins, by name, with what is wrong with them."""
    plugins = scene.meters.plugins if scene.meters else ()
    if not plugins:
        return []
    line = Line((" plugin ", TITLE))
    for plugin in plugins:
        line.add(plugin.name, CHOSEN if stage_of(scene.chosen) == plugin.name else BOLD)
        if plugin.state != "running":
            line.add(" ").add(f" {plugin.state.upper()} ", ALARM)
        if plugin.dry_blocks:
            line.add(f" {plugin.dry_blocks} dry", NEAR)
        line.add("  ")
    return [line]


def level_lines(scene: Scene, width: int) -> list[Line]:
    """Input and output, a line for each channel; below each other where it is narrow."""
    both = width >= _SIDE_BY_SIDE
    half = width // 2 if both else width
    sides = [
        [
            _level_line(scene, f"{name} {channel}".rstrip(), level, clipped, half)
            for channel, level in zip(_channels(len(levels)), levels, strict=True)
        ]
        for name, levels, clipped in (("in", scene.ins, "CLIP"), ("out", scene.outs, "LIMIT"))
    ]
    if not both:
        return sides[0] + sides[1]
    return [
        (a or Line()).pad(half).extend(b or Line()) for a, b in zip_longest(*sides, fillvalue=None)
    ]


def _channels(count: int) -> tuple[str, ...]:
    return ("",) if count == 1 else ("L", "R") if count == 2 else tuple(map(str, range(count)))


def _level_line(scene: Scene, name: str, level: Level, clipped: str, width: int) -> Line:
    glyphs = scene.glyphs
    line = Line((f" {name}", TITLE)).pad(_LABEL)
    cells = width - _LABEL - 2 - _NUMBER - _CLIPPED
    if cells >= _BAR_MIN:
        zones = fraction(_NEAR_DBFS), fraction(_HOT_DBFS)
        bar = level_bar(fraction(level.bar_dbfs), fraction(level.hold_dbfs), cells, zones, glyphs)
        line.add(glyphs.left, DIM).extend(bar).add(glyphs.right, DIM)
    # What is held can be read; what moves cannot.
    number = f"{level.hold_dbfs:.1f}" if level.hold_dbfs > -100.0 else f"-{glyphs.infinite}"
    line.add(f"{number:>{_NUMBER - 1}} ")
    return line.add(clipped, ALARM) if level.clipped else line


def health_line(scene: Scene, width: int) -> Line:
    """The compressor's work, the machine's, and what it missed."""
    meters, glyphs = scene.meters, scene.glyphs
    line = Line((" GR", TITLE)).pad(_LABEL)
    if meters is None:
        return line
    reduction = max(0.0, meters.gain_reduction_db)
    part = reduction / _REDUCTION_MAX_DB
    bar = level_bar(part, 0.0, max(_REDUCTION_BAR, width // 6), (1.0, 1.0), glyphs)
    line.add(glyphs.left, DIM).extend(bar).add(glyphs.right, DIM)
    line.add(f"{-reduction if reduction >= 0.05 else 0.0:>6.1f} dB")
    gaps = max(meters.underflows, meters.overflows)  # a driver mostly reports one on both sides
    missed = [f"{n} {what}" for n, what in ((meters.late_blocks, "late"), (gaps, "gaps")) if n]
    if missed:
        line.add("  ").add(f" DROPOUTS {', '.join(missed)} ", ALARM)
    busy = meters.dsp_load >= _BUSY
    load = f"load {100.0 * meters.dsp_load:.0f} %"
    line.add("  ").add(f"{load}{'!' if busy else ''}", NEAR if busy else PLAIN)
    added = sum(plugin.latency_frames for plugin in meters.plugins)
    plugins = f" + {1e3 * added / meters.sample_rate:.1f}" if added else ""
    return line.add(f"  latency {meters.latency_ms:.1f}{plugins} ms")


def legend_line(scene: Scene, width: int) -> Line:
    """What the marks behind values mean."""
    glyphs = scene.glyphs
    up_down = " ".join(glyphs.keys[:2])
    line = Line((glyphs.rule * 2 + " ", DIM))
    for mark, style, meaning in (
        (glyphs.predicted, TITLE, "predicted"),
        (glyphs.hand, HAND, "by hand"),
        (glyphs.waits, WAITS, "where its knob stands,"),
        (up_down, WAITS, "turn it there to pick up"),
    ):
        line.add(mark, style).add(f" {meaning} ", DIM)
    return line.add(glyphs.rule * max(0, width - line.cells), DIM)


def chosen_lines(scene: Scene, width: int) -> tuple[Line, Line]:
    """The parameter that the arrows move, large; and what it does, or what its knob has to do."""
    target, state, glyphs = scene.chosen, scene.state, scene.glyphs
    param, value = scene.targets.values[target], state.value(target)
    waits = scene.midi.waiting.get(target)
    line = Line((f" {target} ", CHOSEN), (" ", PLAIN))
    who = ""
    if target in state.overrides:
        whose = "predicted" if target in state.predicted else "loaded"
        who = f"  by hand, {whose} {with_unit(param, state.base[target])}"
    elif target in state.predicted:
        who = "  predicted"
    number = with_unit(param, value)
    cells = width - line.cells - 2 - len(number) - len(who) - 3
    if cells >= _BAR_MIN:
        line.extend(knob_bar(param.to_unit(value), waits, cells, BOLD, glyphs)).add(" ")
    line.add(number, BOLD).add(who, HAND if target in state.overrides else DIM)
    if waits is None:
        return line, Line((f" {param.description}", DIM))
    way = "down" if waits > param.to_unit(value) else "up"
    stands = f"its knob stands at {with_unit(param, param.from_unit(waits))}"
    return line, Line((f" {glyphs.waits} {stands}: turn it {way} to pick up", WAITS))


def midi_line(scene: Scene, width: int) -> Line:
    """Which MIDI inputs are open, which are gone, and what came last."""
    midi, glyphs = scene.midi, scene.glyphs
    if midi.learning:
        return Line((f" LEARN   move a knob for {midi.learning} (Esc: none) ".ljust(width), NOTICE))
    line = Line((" MIDI", TITLE)).pad(_LABEL)
    if midi.missing:
        line.add(f" MISSING {', '.join(midi.missing)} ", ALARM).add(" ")
    lamp = glyphs.lamp if scene.lit else " "
    line.add(f"{lamp} ", GOOD)
    if not midi.ports:
        return line.add("" if midi.missing else "no inputs", DIM)
    line.add(", ".join(midi.ports))
    return line.add(f" {glyphs.dot} {midi.last}" if midi.last else "", DIM)


def log_lines(scene: Scene, width: int, count: int) -> list[Line]:
    """The last lines that were said, at most `count` of the screen's."""
    rows: list[str] = []
    for said in reversed(scene.log):
        wrapped = textwrap.wrap(clean(said), max(1, width - 1)) or [""]
        if len(rows) + len(wrapped) > count:
            rows[:0] = [] if rows else wrapped[:count]
            break
        rows[:0] = wrapped
    return [Line((f" {row}", PLAIN)) for row in rows]


def key_lines(scene: Scene, width: int) -> list[Line]:
    """What the keys do, in two lines; or what is asked."""
    if scene.question:
        return [Line((f" {scene.question} ".ljust(width), NOTICE))]
    if not scene.has_keys:
        return [Line((" no keys: standard input is no terminal; Ctrl-C ends the session", DIM))]
    lines = [Line()]
    for labels, word, _ in _entries(scene):
        if not word:
            continue
        label = "".join(labels)
        if lines[-1].cells + len(label) + len(word) + 2 > width and lines[-1].cells:
            lines.append(Line())
        lines[-1].add(" " if not lines[-1].cells else "  ")
        lines[-1].add(label, ALARM if word == "PANIC" else BOLD).add(f" {word}", DIM)
    return lines[:2]


def help_lines(scene: Scene) -> list[Line]:
    """What every key does, a line each."""
    lines = []
    for labels, word, description in _entries(scene):
        line = Line((f" {' '.join(labels)}", ALARM if word == "PANIC" else BOLD)).pad(_HELP_KEYS)
        lines.append(line.add(description))
    return lines


def _entries(scene: Scene) -> Iterator[tuple[list[str], str, str]]:
    """(keys, word, description) of everything that keys do; pairs of keys come together."""
    arrows = str.maketrans("↑↓←→", scene.glyphs.keys)
    entries: list[tuple[list[str], str, str]] = []
    for binding in BINDINGS:
        label = binding.label.translate(arrows)
        if binding.description:
            entries.append(([label], binding.word, binding.description))
        else:
            entries[-1][0].append(label)
    return iter(entries)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds if math.isfinite(seconds) else 0.0), 60)
    return f"{minutes}:{rest:02}"
