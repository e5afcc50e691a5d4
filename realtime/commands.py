"""What `afx-live` does to a file, and what a live session has in common with it."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import numpy as np
import numpy.typing as npt

from realtime.audio_files import AudioFileError, AudioReader, FilePath, check_input, read_reference
from realtime.capture import GATE_DBFS
from realtime.hosted import Hosted
from realtime.interpolate import morph, with_amount
from realtime.output_files import check_audio_output, check_output
from realtime.preset import Preset, PresetError, load_preset, save_preset
from realtime.set_list import Entry
from realtime.startup import compile_chain
from realtime.style import Predict, Reference, Refine, origin_of
from realtime.voice import Voice

if TYPE_CHECKING:
    from realtime.measure import Audio
    from realtime.predictor import Predictor
    from realtime.session import Session

_PROFILE_SECONDS_MIN = 0.5
_SELDOM_SECONDS = 2.0


def check_paths(args: argparse.Namespace) -> None:
    """Refuse files to write that are read, exist or cannot be written. Raises: AudioFileError"""
    named = (*(args.input or ()), *(args.ref or ()), args.model, args.preset, args.set_list)
    inputs: list[FilePath] = [path for path in named if path is not None]
    if args.output is not None:
        check_audio_output(args.output, inputs, args.overwrite)
        inputs.append(args.output)
    if args.save_preset is not None:
        check_output(args.save_preset, inputs, args.overwrite)
        inputs.append(args.save_preset)
    if args.stats is not None:
        check_output(args.stats, inputs, overwrite=True)
        inputs.append(args.stats)
    written = [p for p in (args.output, args.save_preset, args.stats) if p is not None]
    if len({os.path.realpath(path) for path in written}) < len(written):
        raise PresetError("--output, --save-preset and --stats must be different files")


@dataclass(frozen=True)
class FileStyle:
    """What files are to sound like, read once for however many there are.

    preset: as --preset names it, None where it is predicted for each file. origin: for a person.
    references: what --ref names. features: what the models hear of each, (effect_features.HEARD,).
    hosted: the plugins, of which none runs.
    """

    preset: Preset | None
    origin: str
    references: tuple[Reference, ...] = ()
    features: tuple[npt.NDArray[np.float32], ...] = ()
    hosted: Hosted = field(default_factory=Hosted)


def read_style(args: argparse.Namespace) -> FileStyle:
    """What --preset, --ref and the options of plugins name. Raises: ValueError"""
    entry = Entry("", Preset.neutral()) if args.preset is None else preset_entry(args.preset)
    hosted = _plugins(args, entry)
    if args.preset is not None:
        return FileStyle(entry.preset, entry.origin, hosted=hosted)
    if not args.ref:
        return FileStyle(entry.preset, "plugins alone", hosted=hosted)
    references = read_references(args)
    predictor(args.model)  # a model that is unusable is one for all files
    from realtime.effect_features import hear

    features = tuple(hear(r.audio, r.sample_rate, "the reference") for r in references)
    return FileStyle(None, origin_of(references), references, features, hosted)


def _plugins(args: argparse.Namespace, entry: Entry) -> Hosted:
    """The plugins that files go through. Raises: PluginError"""
    from realtime.plugins.requested import request

    voice = Voice(sys.stderr)
    presets = [(entry.name, entry.preset)]
    requested = request(
        args.insert or (), args.plugin_param or (), presets, voice.say, args.replace or (),
        args.plugin_map or (),
    )  # fmt: skip
    if not requested.settings:
        return Hosted()
    from realtime.plugins.rack import describe_rack

    return describe_rack(requested, voice.say)


def style_file(args: argparse.Namespace) -> int:
    """Style --input into --output; the exit status. Raises: ValueError; nothing written then."""
    (source,) = args.input
    check_input(source)
    style = read_style(args)
    with _progress_bar(sys.stderr) as progress:
        session = style_one(args, style, source, args.output, Voice(sys.stderr), progress)
    if args.save_preset is not None:
        save_preset(session.preset, args.save_preset)
    if style.references:
        from realtime.session import reference_sounds

        heard = reference_sounds(style.references, session.channels)
        session.sounds = {**session.sounds, **heard}
    finish(session, args)
    return 0


def style_one(
    args: argparse.Namespace,
    style: FileStyle,
    source: FilePath,
    target: FilePath,
    voice: Voice,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Session:
    """Style one file into another as the options say; what came of it.

    progress: called with the frames done and the frames there are.

    Raises: ValueError; nothing is written then.
    """
    preset = style.preset or _predict_for_file(args, style, source, voice)
    preset = style.hosted.begin(preset)
    preset = with_amount(preset, 1.0 if args.amount is None else args.amount)
    with AudioReader(source) as file:
        preset = style.hosted.follow(preset, file.sample_rate)
    from realtime.file_driver import render_file

    compile_chain(voice)
    session = render_file(source, target, preset, channels=args.channels, progress=progress)
    session.origin = style.origin
    session.plugin_params = style.hosted.params
    if style.references:
        from realtime.session import predicted_ids

        session.predicted = predicted_ids(preset)
    return session


def preset_entry(name_or_path: str) -> Entry:
    """A preset as --preset names it. Raises: PresetError"""
    return Entry(Path(name_or_path).name, load_preset(name_or_path))


def read_references(args: argparse.Namespace) -> tuple[Reference, ...]:
    """What --ref names. Raises: AudioFileError"""
    return tuple(Reference(*read_reference(path), repr(Path(path).name)) for path in args.ref or ())


@lru_cache(maxsize=1)
def predictor(model: str | None) -> Predictor:
    """The model of --model, or the shipped one, loaded once. Raises: ModelError"""
    from realtime.measure import LOADING

    with LOADING:
        from realtime.predictor import Predictor

    return Predictor(model)


def predict_with(model: str | None, first: bool) -> Predict:
    """How a style asks that model, which is loaded by then or at the first call.

    first: what it answers is only played until a refinement of it is there.
    """

    def call(x: Audio, reference: Audio, rate: int, reference_rate: int) -> Preset:
        from realtime.measure import LOADING

        loaded = predictor(model)
        with LOADING:
            from realtime import refine
            from realtime.transfer import answer, predict

            assert refine  # that `predict` loads
        ask = answer if first else predict
        return ask(x, reference, rate, reference_rate=reference_rate, predictor=loaded)

    return call


def refine_with(
    seconds: float | None, hosted: Hosted, by_hand: Callable[[], Mapping[str, float]] = dict
) -> Refine | None:
    """How a prediction is made better in so many seconds; None for not at all.

    hosted: its plugins are moved too. by_hand: what hands have set by then, id -> plain value.
    """
    if seconds is None:
        return None

    def call(
        preset: Preset,
        x: Audio,
        reference: Audio,
        rate: int,
        reference_rate: int,
        stop: threading.Event,
        say: Callable[[str], None],
    ) -> Preset:
        from realtime.measure import LOADING

        with LOADING:
            from realtime.refine import refine

        plugins, fixed = hosted.searched(by_hand())
        refined = refine(
            preset.with_plugins(plugins),
            x,
            reference,
            rate,
            seconds,
            reference_rate=reference_rate,
            fixed=fixed,
            stop=stop,
            progress=lambda progressed: say(f"refining: {progressed}"),
        )
        say(f"refined: {refined}")
        return refined.preset

    return call


def finish(session: Session, args: argparse.Namespace) -> None:
    """Print the report, write --stats. Raises: AudioFileError"""
    from realtime.report import print_report, write_stats

    print_report(session, sys.stdout)
    sys.stdout.flush()
    if args.stats is not None:
        write_stats(session, args.stats)


def _predict_for_file(
    args: argparse.Namespace, style: FileStyle, source: FilePath, voice: Voice
) -> Preset:
    from realtime.effect_features import hear
    from realtime.file_driver import input_profile
    from realtime.refine import at_once

    gate_dbfs = GATE_DBFS if args.gate_db is None else args.gate_db
    x, rate = input_profile(source, gate_dbfs)
    if len(x) < _PROFILE_SECONDS_MIN * rate:
        raise AudioFileError(
            f"{str(source)!r} has {len(x) / rate:.3g} s above {gate_dbfs:g} dBFS, too little to "
            "predict from: a louder input or a lower --gate-db helps"
        )
    model = predictor(args.model)
    heard = hear(x, rate, "the input")
    found = [model.from_features(heard, wanted) for wanted in style.features]
    presets = [Preset(f.values, name="predicted", profile=f.profile) for f in found]
    better = refine_with(args.refine, style.hosted)
    told = _Seldom(voice.say)
    for place, reference in enumerate(style.references):
        heard_of = presets[place], x, reference.audio, rate
        if better is None:
            presets[place] = at_once(*heard_of, reference_rate=reference.sample_rate).preset
        else:
            presets[place] = better(*heard_of, reference.sample_rate, threading.Event(), told)
            told.last()
    return morph(presets[0], presets[-1], args.morph or 0.0)


class _Seldom:
    """Says one of many lines now and then, and the last."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say, self._line = say, ""
        self._due = time.monotonic() + _SELDOM_SECONDS

    def __call__(self, line: str) -> None:
        self._line = line
        if time.monotonic() >= self._due:
            self.last()

    def last(self) -> None:
        """Say the last line, if it was not said."""
        if self._line:
            self._say(self._line)
        self._line, self._due = "", time.monotonic() + _SELDOM_SECONDS


@contextlib.contextmanager
def _progress_bar(file: TextIO) -> Iterator[Callable[[int, int], None]]:
    if not file.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=file), transient=True) as bar:
        task = bar.add_task("styling", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
