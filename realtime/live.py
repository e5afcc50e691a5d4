"""A live session, from the options to the report."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

from realtime.commands import finish, predictor
from realtime.labels import in_frames
from realtime.live_files import read_live_files
from realtime.startup import compile_chain, stop_on_signals
from realtime.voice import Voice

if TYPE_CHECKING:
    from realtime.audio_io import Device, StreamPlan
    from realtime.lifeline import Lifeline
    from realtime.predictor import Predictor
    from realtime.recovery import Recovery
    from realtime.rig import Rig
    from realtime.session import Session


def live(args: argparse.Namespace, started: float, link: Lifeline | None) -> int:
    """Run live until Ctrl-C, SIGTERM or --duration; the exit status.

    started: `time.perf_counter()` when the program began. link: to the supervisor, who then gives
        the report and starts another of us should the device or this process be lost.

    Raises: ValueError (of many kinds, each one line) before anything sounds.
    """
    from realtime.recovery import Recovery, StoppedError

    recovery = Recovery(link)
    voice = Voice(sys.stderr)
    files = read_live_files(args, recovery, voice.say)
    loading = _in_background(args.model) if files.wants_style or args.model else None
    if recovery.resumed:  # the device may not be there yet
        compile_chain(voice)
    try:
        plan = _find_devices(args, recovery, voice.say)
    except StoppedError:
        return recovery.stopped()
    if not recovery.resumed:
        if loading is not None:
            loading.result()
        compile_chain(voice)
    from realtime.rig import Rig  # and all that is heavy

    stop = threading.Event() if link is None else link.stop
    rig = Rig(args, files, plan, recovery, stop.set)
    recovery.take_over(rig.controls, rig.bridge, rig.rack)
    recovery.opening()

    def running() -> None:
        recovery.running(plan)
        rig.display.start()
        _say_running(rig, plan, recovery.since(started), recovery.resumed)
        rig.begin()

    with stop_on_signals(stop), ExitStack() as hands:
        hands.callback(rig.rack.close)
        hands.callback(rig.display.close)
        hands.callback(rig.stage.style.drop)
        session = _play(args, rig, recovery, hands, stop, running)
    status = 1 if rig.failed else 0
    if not recovery.ended(session, status):
        finish(session, args)
    return status


def _find_devices(
    args: argparse.Namespace, recovery: Recovery, say: Callable[[str], None]
) -> StreamPlan:
    """The stream that the options ask for. Raises: AudioDeviceError, StoppedError"""
    from realtime.audio_io import list_devices, plan_stream

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
    return recovery.find(list_devices, planned, queries, say)


def _say_running(rig: Rig, plan: StreamPlan, since: float, resumed: bool) -> None:
    say = rig.display.say
    devices = " -> ".join(dict.fromkeys((plan.input.full_name, plan.output.full_name)))
    again = "again " if resumed else ""
    say(f"audio running {again}after {time.perf_counter() - since:.2f} s: {devices}")
    if rig.rack.hosts:
        rig.rack.tend()  # the device's blocks are known now
        say(f"plugins add {in_frames(rig.rack.latency_frames, plan.sample_rate)} of latency")
    if not resumed:
        say("Ctrl-C stops it and prints a report")


def _play(
    args: argparse.Namespace,
    rig: Rig,
    recovery: Recovery,
    hands: ExitStack,
    stop: threading.Event,
    running: Callable[[], None],
) -> Session:
    """Open the devices and the hands, play, and say how it was.

    Does not return where the device is lost or hangs.
    """
    from realtime.engine import DeviceLostError
    from realtime.recovery import leave

    engine = rig.engine()
    rig.open_hands(hands)
    try:
        closed = engine.run(stop, args.duration, running)
    except DeviceLostError as lost:
        rig.display.close()  # and nothing else: MIDI over a JACK server that died hangs too
        recovery.lost(str(lost), engine.session)
        finish(engine.session(), args)
        print(f"afx-live: {lost}", file=sys.stderr)
        leave(1)
    session = engine.session()  # while MIDI still has its ports
    if not closed:
        rig.display.close()
        print("afx-live: the sound driver hung while stopping", file=sys.stderr)
        if not recovery.ended(session, 1):
            finish(session, args)
        leave(1)
    return session


def _in_background(model: str | None) -> Future[Predictor]:
    # Numba begins it, too, and does not wait for `measure.LOADING`: so it is there before either.
    import scipy

    assert scipy
    pool = ThreadPoolExecutor(max_workers=1)
    future = pool.submit(predictor, model)
    pool.shutdown(wait=False)
    return future
