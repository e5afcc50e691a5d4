"""A live session: from the options to the sound, with all that a performer's hands hold."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.capture import GATE_DBFS
from realtime.commands import finish, predict_with, predictor, preset_entry, read_references
from realtime.controls import Controls
from realtime.interpolate import with_amount
from realtime.preset import Preset, PresetError, save_preset
from realtime.set_list import Entry, load_set_list
from realtime.startup import compile_chain, stop_on_signals
from realtime.style import REFERENCE_SECONDS, StyleRequest
from realtime.voice import Voice

if TYPE_CHECKING:
    from realtime.audio_io import Device, StreamPlan
    from realtime.lifeline import Lifeline
    from realtime.meters import Display
    from realtime.midi.controller import Midi
    from realtime.predictor import Predictor
    from realtime.programs import Programs
    from realtime.recovery import Recovery
    from realtime.stage import Stage


def live(args: argparse.Namespace, started: float, link: Lifeline | None) -> int:
    """Run live until Ctrl-C, SIGTERM or --duration; the exit status.

    started: `time.perf_counter()` when the program began. link: to the supervisor, who then gives
        the report and starts another of us should the device or this process be lost.

    Raises: ValueError (of many kinds, each one line) before anything sounds.
    """
    from realtime.audio_io import list_devices, plan_stream
    from realtime.recovery import Recovery, StoppedError, leave

    recovery = Recovery(link)
    started = recovery.since(started)
    voice = Voice(sys.stderr)
    begin, programs = recovery.once("beginning", lambda: _beginning(args))
    programs = recovery.kept("programs", programs)
    midi_map = None
    if args.midi is not None:
        from realtime.midi.maps import load_map

        midi_map = load_map(args.map)
    references = recovery.kept("references", ()) or read_references(args)
    wants_style = bool(references) or args.ref_live is not None
    loading = _in_background(args.model) if wants_style or args.model else None
    if recovery.resumed:  # the device may not be there yet
        compile_chain(voice)

    def planned(devices: list[Device], source: str | None, sink: str | None) -> StreamPlan:
        return plan_stream(
            devices,
            input_query=source,
            output_query=sink,
            sample_rate=args.sample_rate,
            block_size=args.block_size or 0,
            in_channels=args.input_channels,
            out_channels=args.channels,
            ref_channel=args.ref_channel,
        )

    queries = args.input_device or args.device, args.output_device or args.device
    try:
        plan = recovery.find(list_devices, planned, queries, voice.say)
    except StoppedError:
        return recovery.stopped()
    from realtime.bridge import Bridge
    from realtime.engine import DeviceLostError, LiveEngine
    from realtime.monitor import Monitor
    from realtime.stage import Stage
    from realtime.style import Style

    if not recovery.resumed:
        if loading is not None:
            loading.result()
        compile_chain(voice)
    request = StyleRequest(
        predict=predict_with(args.model),
        references=references,
        reference_seconds=args.ref_live or REFERENCE_SECONDS,
        gate_dbfs=GATE_DBFS if args.gate_db is None else args.gate_db,
        channel="" if args.ref_channel is None else f"channel {args.ref_channel}",
    )
    amount = 1.0 if args.amount is None else args.amount
    first = with_amount(begin.preset, amount)
    bridge = Bridge(plan.sample_rate, plan.in_channels, plan.out_channels, first, plan.ref_channel)
    monitor = Monitor(plan.sample_rate, plan.in_channels, plan.out_channels)
    controls = Controls(
        begin.preset,
        bridge.set_preset,
        origin=begin.origin if begin.name else "dry",
        amount=amount,
        morph=args.morph or 0.0,
        matched_gain_db=monitor.matched_gain_db,
    )
    stop = threading.Event() if link is None else link.stop
    midi = None
    if midi_map is not None:
        from realtime.midi.command import midi_of

        midi = midi_of(
            args.midi,
            midi_map,
            controls,
            say=lambda line: display.say(line),
            program=lambda bank, number: stage.program(bank, number),
        )
    display = _display(args, controls, programs, midi, stop.set)
    saving = _Saving(args.save_preset, controls, display, recovery)
    stage = Stage(
        bridge,
        controls,
        monitor,
        Style(request, plan.sample_rate, plan.in_channels, display.say),
        programs,
        say=display.say,
        styled=saving.first,
        save_to=None if args.save_preset is None else Path(args.save_preset),
    )

    def running() -> None:
        devices = " -> ".join(dict.fromkeys((plan.input.full_name, plan.output.full_name)))
        recovery.running(plan)
        display.start()
        again = "again " if recovery.resumed else ""
        display.say(f"audio running {again}after {time.perf_counter() - started:.2f} s: {devices}")
        if not recovery.resumed:
            display.say("Ctrl-C stops it and prints a report")
        if recovery.kept("busy", wants_style):
            if references:
                stage.style.predict()
            else:
                stage.capture()
        else:
            saving.first()

    recovery.take_over(controls, bridge)
    recovery.opening()
    with stop_on_signals(stop), ExitStack() as hands:
        hands.callback(display.close)
        engine = LiveEngine(
            plan, bridge, controls, monitor, stage, display, recovery, midi.status if midi else None
        )
        _open_hands(hands, args, controls, midi, stage, display)
        try:
            closed = engine.run(stop, args.duration, running)
        except DeviceLostError as lost:
            display.close()  # and nothing else: MIDI over a JACK server that died hangs too
            recovery.lost(str(lost), engine.session)
            finish(engine.session(), args)
            print(f"afx-live: {lost}", file=sys.stderr)
            leave(1)
        session = engine.session()  # while MIDI still has its ports
        if not closed:
            display.close()
            print("afx-live: the sound driver hung while stopping", file=sys.stderr)
            if not recovery.ended(session, 1):
                finish(session, args)
            leave(1)
    unstyled = wants_style and bool(stage.style.error) and not stage.style.presets
    status = 1 if saving.failed or unstyled else 0
    if not recovery.ended(session, status):
        finish(session, args)
    return status


def _beginning(args: argparse.Namespace) -> tuple[Entry, Programs]:
    """What sounds first, and what can be stepped through. Raises: PresetError, SetListError"""
    from realtime.programs import Programs

    set_list = None if args.set_list is None else load_set_list(args.set_list)
    if args.preset is not None:
        begin = preset_entry(args.preset)
    elif set_list is not None and args.ref is None and args.ref_live is None:
        begin = set_list.entries[0]
    else:
        begin = Entry("", Preset.neutral())
    return begin, Programs(set_list, begin.name)


def _display(
    args: argparse.Namespace,
    controls: Controls,
    programs: Programs,
    midi: Midi | None,
    stop: Callable[[], None],
) -> Display:
    """The screen, or plain lines where they are asked for or stderr is no terminal."""
    if args.plain or not sys.stderr.isatty():
        return Voice(sys.stderr)
    from realtime.midi.status import MidiStatus
    from realtime.screen.screen import Screen

    return Screen(
        controls,
        midi=midi.status if midi else MidiStatus,
        set_list=lambda: programs.place,
        stop=stop,
        output=sys.stderr,
        learn=midi.learn if midi else None,
        cancel_learn=midi.cancel_learn if midi else None,
        unlearn=midi.unlearn if midi else None,
    )


def _open_hands(
    hands: ExitStack,
    args: argparse.Namespace,
    controls: Controls,
    midi: Midi | None,
    stage: Stage,
    display: Display,
) -> None:
    """Open what moves the controls from outside; leaving `hands` closes it.

    Raises: MidiError, OscError
    """
    if midi is not None:
        hands.callback(midi.close)
        midi.start()
    if args.osc is not None:
        from realtime.osc import Osc

        host, port = args.osc
        osc = Osc(
            controls,
            host=host,
            port=port,
            reply=args.osc_reply,
            say=display.say,
            program=stage.program,
        )
        hands.callback(osc.close)
        osc.start()


class _Saving:
    """--save-preset: the first sound that was asked for, written once."""

    def __init__(
        self, path: str | None, controls: Controls, display: Display, recovery: Recovery
    ) -> None:
        self._path = None if recovery.kept("saved", False) else path
        self._recovery = recovery
        self._controls = controls
        self._display = display
        self.failed = False

    def first(self) -> None:
        """Write the sound as it is now, if nothing was written yet."""
        path, self._path = self._path, None
        if path is None:
            return
        try:
            save_preset(self._controls.state.effective, path)
            self._recovery.keep("saved", True)
            self._display.say(f"preset written to {path!r}")
        except PresetError as error:  # the sound goes on; the exit status tells
            self.failed = True
            self._display.say(f"afx-live: {error}")


def _in_background(model: str | None) -> Future[Predictor]:
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(predictor, model)
    pool.shutdown(wait=False)
    return future
