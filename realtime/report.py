"""The report at the end of a session, for a tired person on a stage, and its `--stats` JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import TextIO

from realtime.audio_files import FilePath
from realtime.labels import in_frames, is_off, label, short, stage_name, stage_of, with_unit
from realtime.measure import Sound
from realtime.midi.status import MidiStatus
from realtime.output_files import write_text
from realtime.params import TABLE, Param
from realtime.plugins.setting import MIX, PluginParam, PluginSetting
from realtime.session import Session, overflows, underflows

_BY_MODEL = ("*", "chosen by the model")
_BY_HAND = ("#", "set by hand")
_ALARMS = ("late blocks", "underflows", "overflows", "dropouts")
_EQ_COLUMN = 15  # six bands below each other are read by column

Row = tuple[str, str]


def write_stats(session: Session, path: FilePath) -> None:
    """Write the session's counters, times and parameters as JSON, atomically.

    Raises: AudioFileError if the file cannot be written.
    """
    write_text(path, json.dumps(session.stats(), indent=2) + "\n")


def print_report(session: Session, file: TextIO) -> None:
    """The report: coloured where `file` is a terminal, plain lines otherwise."""
    print_sections(list(report_sections(session)), file)


def print_sections(sections: list[tuple[str, list[Row]]], file: TextIO) -> None:
    """Titles, and rows of (name, text) below each."""
    if file.isatty():
        _print_rich(sections, file)
        return
    for title, rows in sections:
        print(f"\n{title}", file=file)
        for name, text in rows:
            print(f"  {name:<18}{text}".rstrip(), file=file)


def report_sections(session: Session) -> Iterator[tuple[str, list[Row]]]:
    """(title, rows of (name, text)) for every part of the report."""
    used = ((session.predicted, _BY_MODEL), (session.by_hand, _BY_HAND))
    marks = ", ".join(f"{mark} {meaning}" for ids, (mark, meaning) in used if ids)
    legend = f"  ({marks})" if marks else ""
    yield f"Style: {session.origin}{legend}", list(_parameter_rows(session))
    yield "Sound", list(_sound_rows(session))
    if session.plugins:
        yield "Plugins", list(_plugin_rows(session))
    yield f"Audio: {session.place}", list(_audio_rows(session))
    if session.midi is not None:
        yield "MIDI", list(_midi_rows(session.midi))
    if session.notes:
        yield "Notes", [("!", note) for note in session.notes]


def _parameter_rows(session: Session) -> Iterator[Row]:
    preset = session.preset
    marks = dict.fromkeys(session.predicted, _BY_MODEL[0])
    marks |= dict.fromkeys(session.by_hand, _BY_HAND[0])
    for group, members in groupby(TABLE, key=lambda param: stage_of(param.id)):
        params = list(members)
        name = stage_name(group, preset.band_types)
        if is_off(group, preset) and marks.keys().isdisjoint(p.id for p in params):
            yield name, "off"
        else:
            values = (_value(p, preset[p.id], marks.get(p.id, "")) for p in params)
            yield name, "  ".join(values)
    for plugin in preset.plugins:
        yield plugin.name, _plugin_values(plugin, session.plugin_params, marks)
    yield "limiter", "always on: nothing leaves above full scale"


def _plugin_values(
    plugin: PluginSetting, params: Mapping[str, PluginParam], marks: Mapping[str, str]
) -> str:
    """What of a plugin is not as it starts."""
    if plugin.mix == 0.0 and f"{plugin.name}.{MIX}" not in marks:
        return "off"
    told = []
    for target, value in plugin.items():
        row, mark = params.get(target), marks.get(target, "")
        if row and (mark or with_unit(row, value) != with_unit(row, row.default)):
            told.append(_value(row, value, mark))
    return "  ".join(told) or "as it starts"


def _plugin_rows(session: Session) -> Iterator[Row]:
    for plugin, status in session.hosted():
        counted = (
            (status.dry_blocks, "block dry", "blocks dry"),
            (status.late_blocks, "of them late", "of them late"),
            (status.nonfinite_blocks, "with faulty samples", "with faulty samples"),
            (status.restarts, "restart", "restarts"),
        )
        wrong = [f"{n} {one if n == 1 else more}" for n, one, more in counted if n]
        state = "given up, it stays dry" if status.state == "bypassed" else status.state
        yield plugin.name, f"{plugin.point}: {', '.join((state, *wrong))}"
    yield "latency", f"plugins add {in_frames(session.plugin_frames, session.sample_rate)}"


def _value(param: Param, value: float, mark: str) -> str:
    """Name, value and unit of one parameter, e.g. "threshold -31.0 dBFS*"."""
    return f"{label(param.id)} {with_unit(param, value)}{mark}"


def _sound_rows(session: Session) -> Iterator[Row]:
    for name in ("input", "reference", "reference 1", "reference 2", "output"):
        if name in session.sounds:
            yield name, _sound(session.sounds[name])


def _sound(sound: Sound) -> str:
    over = f"over {duration(sound.seconds)}"
    if not math.isfinite(sound.centroid_hz):
        return f"silent {over}"
    loudness = (
        f"{sound.loudness_lufs:.1f} LUFS"
        if math.isfinite(sound.loudness_lufs)
        else "below -70 LUFS"
    )
    return (
        f"loudness {loudness}  centroid {sound.centroid_hz:.0f} Hz"
        f"  crest {sound.crest_db:.1f} dB  {over}"
    )


def _audio_rows(session: Session) -> Iterator[Row]:
    count = session.counters
    blocks = count["blocks"]
    frames = count["frames"]
    channels = "mono" if session.channels == 1 else "stereo"
    yield "ran", f"{duration(session.seconds)} at {session.sample_rate} Hz, {channels}"
    if not blocks:
        yield "blocks", "none"
        return
    mean = frames / blocks
    yield "blocks", f"{blocks} of {short(mean)} frames ({1e3 * mean / session.sample_rate:.3g} ms)"
    if session.render_seconds is None:
        yield "late blocks", str(count["late_blocks"])
        yield "underflows", str(underflows(count))
        yield "overflows", str(overflows(count))
    else:
        yield "speed", f"{session.seconds / session.render_seconds:.0f} times real time"
    yield "faulty samples", f"{count['nonfinite_resets']} silenced"
    times = "  ".join(
        f"{label} {short(session.dsp_us[key])} us"
        for key, label in (("p50", "p50"), ("p99", "p99"), ("p999", "p99.9"), ("max", "max"))
    )
    yield "DSP per block", times
    if session.render_seconds is None:
        yield "latency", f"{session.latency_ms:.1f} ms, as the driver reports it"
        if session.priority:
            yield "audio thread", session.priority
        yield "dropouts", _dropouts(session)


def _midi_rows(midi: MidiStatus) -> Iterator[Row]:
    yield "ports", ", ".join(midi.ports) or "none"
    if midi.missing:
        yield "missing", ", ".join(midi.missing)
    yield "received", f"{midi.messages} messages, {midi.ignored} bytes and messages ignored"


def _dropouts(session: Session) -> str:
    late = session.counters["late_blocks"]
    # A driver mostly reports one gap on both sides.
    gaps = max(underflows(session.counters), overflows(session.counters))
    if not late and not gaps:
        return "none"
    counted = ((late, "late block"), (gaps, "device gap"))
    parts = [f"{number} {what}{'s' if number > 1 else ''}" for number, what in counted if number]
    jack = "JACK" in session.place  # there blocks are the server's, whatever we ask for
    remedy = "a longer period of the JACK server" if jack else "a larger --block-size"
    return f"{' and '.join(parts)}: {remedy} helps"


def duration(seconds: float) -> str:
    """A time for a person."""
    if seconds < 60.0:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"


def _print_rich(sections: list[tuple[str, list[Row]]], file: TextIO) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=file, highlight=False)
    for title, rows in sections:
        console.print()
        console.print(Text(title, style="bold cyan"))
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
        table.add_column(style="dim", no_wrap=True)
        table.add_column()
        for name, text in rows:
            alarming = name in _ALARMS and text not in ("0", "none")
            style = "bold red" if alarming or name == "!" else ""
            table.add_row(Text(name), Text(text, style=style))
        console.print(table)
