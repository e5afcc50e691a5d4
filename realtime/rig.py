"""All that a live session is made of, put together: bridge, controls, stage, display, hands."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.audio_io import StreamPlan
from realtime.bridge import Bridge
from realtime.capture import GATE_DBFS
from realtime.commands import predict_with, refine_with
from realtime.controls import Controls
from realtime.engine import LiveEngine
from realtime.interpolate import with_amount
from realtime.live_files import LiveFiles
from realtime.meters import Display
from realtime.monitor import Monitor
from realtime.plugins.rack import open_rack
from realtime.preset import Preset, PresetError, save_preset
from realtime.recovery import Recovery
from realtime.stage import Stage
from realtime.style import REFERENCE_SECONDS, Style, StyleRequest
from realtime.voice import Voice

if TYPE_CHECKING:
    from realtime.midi.controller import Midi

_BLOCK_FRAMES = 64  # of a device that has not said; the plugins follow it to longer ones


class Rig:
    """What sounds, what sets it and what shows it, each connected to the others.

    files: what the options name, read. plan: the stream to be opened. stop: ends the session.

    Raises: ValueError (of many kinds, each one line)
    """

    def __init__(
        self,
        args: argparse.Namespace,
        files: LiveFiles,
        plan: StreamPlan,
        recovery: Recovery,
        stop: Callable[[], None],
    ) -> None:
        self._args = args
        self._plan = plan
        self._recovery = recovery
        self._wants_style = files.wants_style
        amount = 1.0 if args.amount is None else args.amount
        rate, ins, outs = plan.sample_rate, plan.in_channels, plan.out_channels
        self.display: Display = Voice(sys.stderr)  # until there is something to show
        self.rack = open_rack(
            files.plugins,
            sample_rate=rate,
            channels=outs,
            block_frames=plan.block_frames or _BLOCK_FRAMES,
            say=lambda line: self.display.say(line),
        )
        begin = self.rack.begin(files.begin.preset)
        first = self.rack.follow(with_amount(begin, amount), rate)
        self.bridge = Bridge(rate, ins, outs, first, plan.ref_channel)
        self.bridge.insert(self.rack.inserts)
        self.rack.publish(first, 0.0)
        self.monitor = Monitor(rate, ins, outs)
        self.controls = Controls(
            begin,
            self._publish,
            origin=files.begin.origin if files.begin.name else "dry",
            amount=amount,
            morph=args.morph or 0.0,
            matched_gain_db=self.monitor.matched_gain_db,
            hosted=self.rack,
        )
        self.midi = self._midi_of(files)
        self.display = self._display_of(files, stop)
        self.saving = _Saving(args, self.controls, self.display, recovery)
        self.stage = Stage(
            self.bridge,
            self.controls,
            self.monitor,
            Style(self._style_request(files), rate, ins, self.display.say),
            files.programs,
            say=self.display.say,
            styled=self.saving.save,
            save_to=None if args.save_preset is None else Path(args.save_preset),
        )

    def engine(self) -> LiveEngine:
        """What runs all of it on the devices. Raises: AudioDeviceError if they do not open."""
        return LiveEngine(
            self._plan,
            self.bridge,
            self.controls,
            self.monitor,
            self.stage,
            self.display,
            self._recovery,
            self.rack,
            self.midi.status if self.midi else None,
        )

    def _publish(self, preset: Preset, fade_ms: float | None) -> None:
        self.rack.publish(preset, fade_ms)
        self.bridge.set_preset(preset, fade_ms)

    def begin(self) -> None:
        """Audio runs: go after the style that was asked for, or keep the sound there is."""
        if not self._recovery.kept("busy", self._wants_style):
            self.saving.save()
        elif self.stage.style.references:
            self.stage.style.predict()
        else:
            self.stage.capture()

    @property
    def failed(self) -> bool:
        """Whether what was asked for did not come about: the style, or a file."""
        style = self.stage.style
        unstyled = self._wants_style and bool(style.error) and not style.presets
        return self.saving.failed or unstyled

    def open_hands(self, hands: ExitStack) -> None:
        """Open what moves the controls from outside; leaving `hands` closes it.

        Raises: MidiError, OscError
        """
        if self.midi is not None:
            hands.callback(self.midi.close)
            self.midi.start()
        if self._args.osc is not None:
            from realtime.osc import Osc

            host, port = self._args.osc
            osc = Osc(
                self.controls,
                host=host,
                port=port,
                reply=self._args.osc_reply,
                say=self.display.say,
                program=self.stage.program,
            )
            hands.callback(osc.close)
            osc.start()

    def _midi_of(self, files: LiveFiles) -> Midi | None:
        if files.midi_map is None:
            return None
        from realtime.midi.command import midi_of

        return midi_of(
            self._args.midi,
            files.midi_map,
            self.controls,
            say=lambda line: self.display.say(line),
            program=lambda bank, number: self.stage.program(bank, number),
        )

    def _display_of(self, files: LiveFiles, stop: Callable[[], None]) -> Display:
        """The screen, or plain lines where they are asked for or stderr is no terminal."""
        if self._args.plain or not sys.stderr.isatty():
            return Voice(sys.stderr)
        from realtime.midi.status import MidiStatus
        from realtime.screen.screen import Screen

        midi = self.midi
        return Screen(
            self.controls,
            midi=midi.status if midi else MidiStatus,
            set_list=lambda: files.programs.place,
            stop=stop,
            output=sys.stderr,
            learn=midi.learn if midi else None,
            cancel_learn=midi.cancel_learn if midi else None,
            unlearn=midi.unlearn if midi else None,
        )

    def _style_request(self, files: LiveFiles) -> StyleRequest:
        args, controls = self._args, self.controls
        return StyleRequest(
            predict=predict_with(args.model, first=args.refine is not None),
            references=files.references,
            reference_seconds=args.ref_live or REFERENCE_SECONDS,
            gate_dbfs=GATE_DBFS if args.gate_db is None else args.gate_db,
            channel="" if args.ref_channel is None else f"channel {args.ref_channel}",
            refine=refine_with(args.refine, self.rack, lambda: controls.state.overrides),
        )


class _Saving:
    """--save-preset: the first sound that was asked for, and over it what that is refined to."""

    def __init__(
        self, args: argparse.Namespace, controls: Controls, display: Display, recovery: Recovery
    ) -> None:
        self._path = None if recovery.kept("saved", False) else args.save_preset
        self._times = 1 if args.refine is None else 2
        self._recovery = recovery
        self._controls = controls
        self._display = display
        self.failed = False

    def save(self) -> None:
        """Write the sound as it is now, unless all that was asked for is written."""
        path, self._times = self._path, self._times - 1
        if path is None or self._times < 0:
            return
        try:
            controls = self._controls
            save_preset(controls.hosted.kept(controls.state.effective), path)
            self._recovery.keep("saved", True)
            self._display.say(f"preset written to {path!r}")
        except PresetError as error:  # the sound goes on; the exit status tells
            self.failed = True
            self._display.say(f"afx-live: {error}")
