"""What `afx-live` does once its options are understood: a live session, or a file."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from realtime.audio_files import AudioFileError, FilePath, check_input, read_reference, to_channels
from realtime.output_files import check_audio_output, check_output
from realtime.preset import Preset, PresetError, load_preset, save_preset
from realtime.voice import Voice

if TYPE_CHECKING:
    from realtime.measure import Audio
    from realtime.predictor import Predictor
    from realtime.session import Session
    from realtime.style import Predict

_COMPILE_NOTICE_SECONDS = 3.0  # loading what is compiled takes less, on a busy laptop too
_TICK_SECONDS = 1.0
_PROFILE_SECONDS_MIN = 0.5


def check_paths(args: argparse.Namespace) -> None:
    """Refuse files to write that are read, exist or cannot be written. Raises: AudioFileError"""
    inputs: list[FilePath] = [
        path for path in (args.input, args.ref, args.model, args.preset) if path is not None
    ]
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


def live(args: argparse.Namespace, started: float) -> int:
    """Run live until Ctrl-C, SIGTERM or --duration; the exit status.

    started: `time.perf_counter()` when the program began.

    Raises: ValueError (of many kinds, each one line) before anything sounds.
    """
    from realtime.audio_io import list_devices, plan_stream

    voice = Voice(sys.stderr)
    preset = None if args.preset is None else load_preset(args.preset)
    reference = None if args.ref is None else read_reference(args.ref)
    loading = None if preset is not None else _in_background(lambda: _predictor(args.model))
    plan = plan_stream(
        list_devices(),
        input_query=args.input_device or args.device,
        output_query=args.output_device or args.device,
        sample_rate=args.sample_rate,
        block_size=args.block_size or 0,
        in_channels=args.input_channels,
        out_channels=args.channels,
    )
    from realtime.bridge import Bridge
    from realtime.capture import GATE_DBFS
    from realtime.controls import Controls
    from realtime.engine import DeviceLostError, LiveEngine
    from realtime.monitor import Monitor
    from realtime.style import StyleRequest

    request = None
    if loading is not None:
        request = StyleRequest(
            predict=_predictor_call(loading.result()),
            reference=reference,
            name="the input" if args.ref is None else repr(Path(args.ref).name),
            reference_seconds=args.ref_live or 0.0,
            gate_dbfs=GATE_DBFS if args.gate_db is None else args.gate_db,
        )
    _compile(voice)
    failed: list[str] = []

    def styled(found: Preset) -> None:
        if args.save_preset is not None:
            try:
                save_preset(found, args.save_preset)
                voice.say(f"preset written to {args.save_preset!r}")
            except PresetError as error:  # the sound goes on; the exit status tells
                failed.append(str(error))
                voice.say(f"afx-live: {error}")

    def running() -> None:
        devices = " -> ".join(dict.fromkeys((plan.input.full_name, plan.output.full_name)))
        voice.say(f"audio running after {time.perf_counter() - started:.2f} s: {devices}")
        voice.say("Ctrl-C stops it and prints a report")
        if preset is not None:
            styled(preset)

    begin = preset or Preset.neutral()
    bridge = Bridge(plan.sample_rate, plan.in_channels, plan.out_channels, begin)
    monitor = Monitor(plan.sample_rate, plan.in_channels, plan.out_channels)

    def matched_gain_db() -> float:
        gain_db = monitor.matched_gain_db()
        if math.isfinite(gain_db):
            return gain_db
        voice.say("dry at 0 dB: too little was heard since the sound changed to match its loudness")
        return 0.0

    controls = Controls(
        begin,
        bridge.set_preset,
        origin="dry" if preset is None else _named(preset, args.preset),
        matched_gain_db=matched_gain_db,
    )
    with _stop_on_signals() as stop:
        engine = LiveEngine(plan, bridge, controls, monitor, voice, request, styled=styled)
        try:
            session = engine.run(stop, args.duration, running)
        except DeviceLostError as lost:
            voice.close()
            _finish(lost.session, args)
            print(f"afx-live: {lost}", file=sys.stderr, flush=True)
            if lost.hung:
                sys.stdout.flush()
                os._exit(1)
            return 1
    voice.close()
    _finish(session, args)
    return 1 if failed or engine.style_failed else 0


def style_file(args: argparse.Namespace) -> int:
    """Style --input into --output; the exit status. Raises: ValueError; nothing written then."""
    voice = Voice(sys.stderr)
    check_input(args.input)
    reference = None
    if args.preset is not None:
        preset = load_preset(args.preset)
        origin = _named(preset, args.preset)
    else:
        reference = read_reference(args.ref)
        preset = _predict_for_file(args, reference)
        origin = f"predicted from {Path(args.ref).name!r}"
    from realtime.file_driver import render_file

    _compile(voice)
    with _progress_bar(sys.stderr) as progress:
        session = render_file(
            args.input, args.output, preset, channels=args.channels, progress=progress
        )
    if args.save_preset is not None:
        save_preset(preset, args.save_preset)
    session.origin = origin
    if reference is not None:
        from realtime.measure import measure
        from realtime.session import predicted_ids

        session.predicted = predicted_ids(preset)
        heard = to_channels(reference[0], session.channels)
        session.sounds = {**session.sounds, "reference": measure(heard, reference[1])}
    _finish(session, args)
    return 0


def _named(preset: Preset, name_or_path: str) -> str:
    description = f": {preset.description}" if preset.description else ""
    return f"preset {Path(name_or_path).name!r}{description}"


def _predict_for_file(args: argparse.Namespace, reference: tuple[Audio, int]) -> Preset:
    from realtime.capture import GATE_DBFS
    from realtime.file_driver import input_profile

    gate_dbfs = GATE_DBFS if args.gate_db is None else args.gate_db
    x, rate = input_profile(args.input, gate_dbfs)
    if len(x) < _PROFILE_SECONDS_MIN * rate:
        raise AudioFileError(
            f"{args.input!r} has {len(x) / rate:.3g} s above {gate_dbfs:g} dBFS, too little to "
            "predict from: a louder input or a lower --gate-db helps"
        )
    return _predictor_call(_predictor(args.model))(x, reference[0], rate, reference[1])


def _predictor(model: str | None) -> Predictor:
    from realtime.predictor import Predictor

    return Predictor(model)


def _predictor_call(predictor: Predictor) -> Predict:
    def call(x: Audio, reference: Audio, rate: int, reference_rate: int) -> Preset:
        from realtime.transfer import predict

        return predict(x, reference, rate, reference_rate=reference_rate, predictor=predictor)

    return call


def _in_background(work: Callable[[], Predictor]) -> Future[Predictor]:
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


def _compile(voice: Voice) -> None:
    """Load the compiled chain; the first time ever, say why it takes so long and how far it is."""
    from realtime.callback import compile_all

    began = time.perf_counter()
    finished = threading.Event()
    steps: list[str] = []

    def tell() -> None:
        told = 0
        if finished.wait(_COMPILE_NOTICE_SECONDS):
            return
        while not finished.wait(_TICK_SECONDS):
            now = f"compiling the audio chain, once: {steps[-1]}"
            if voice.lively:
                voice.status(f"{now}, {time.perf_counter() - began:.0f} s")
            elif told < len(steps):
                told = len(steps)
                voice.say(now)

    teller = threading.Thread(target=tell, daemon=True)
    steps.append("starting")
    teller.start()
    try:
        compile_all(
            progress=lambda name, index, count: steps.append(f"{name} ({index + 1} of {count})")
        )
    finally:
        finished.set()
        teller.join()
        voice.close()


@contextlib.contextmanager
def _stop_on_signals() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or SIGTERM sets; a second one ends at once."""
    stop = threading.Event()
    old: dict[signal.Signals, Any] = {}

    def handle(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, old[signal.Signals(number)])

    for number in (signal.SIGINT, signal.SIGTERM):
        old[number] = signal.getsignal(number)
        signal.signal(number, handle)
    try:
        yield stop
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


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


def _finish(session: Session, args: argparse.Namespace) -> None:
    from realtime.report import print_report, write_stats

    print_report(session, sys.stdout)
    sys.stdout.flush()
    if args.stats is not None:
        write_stats(session, args.stats)
