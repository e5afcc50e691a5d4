"""The live engine: audio runs at once, is listened to, and the stage's work is done meanwhile.

Audio itself is the compiled callback's, and parameters reach it on the threads of those who set
them. This control loop only drains the rings, does what the buttons ask for and fills the
meters; if it stalls, the sound goes on.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Mapping

from realtime.audio_io import StreamPlan
from realtime.bridge import Bridge
from realtime.controls import END_FADE_MS, Controls
from realtime.live_stream import LiveStream
from realtime.measure import Sound, preload
from realtime.meters import Display, Meters
from realtime.midi.status import MidiStatus
from realtime.monitor import Monitor
from realtime.plugins.rack import Rack
from realtime.priority import audio_priority
from realtime.recovery import Recovery
from realtime.session import Session, overflows, reference_sounds, underflows
from realtime.stage import Stage

_TICK_SECONDS = 0.02
_SWITCH_SECONDS = 0.0005
_METER_SECONDS = 0.05
_BEAT_SECONDS = 0.5
_SILENT_DEVICE_SECONDS = 1.2  # longer than any block
_FIRST_BLOCK_SECONDS = 5.0
_FADE_OUT_SECONDS = 0.1  # and some blocks


class DeviceLostError(RuntimeError):
    """The sound device stopped calling. Its driver may hang in any clean-up: leave at once."""


def _settle() -> None:
    """Load what comes later anyway, and see that a hand waits for no other Python."""
    # By default a thread that computes keeps Python's lock for 5 ms: two blocks.
    sys.setswitchinterval(_SWITCH_SECONDS)
    preload()
    # A search for garbage among all that start-up made stops Python for 0.15 s.
    gc.freeze()


class LiveEngine:
    """Opens the devices and runs the chain on them.

    bridge: of the plan's rate and channels; controls publishes to it. monitor, stage: are fed
    with what comes in and goes out. recovery: is told how things stand, and knows of the engine
    before this one. rack: the plugins, inserted and set. midi: asked for the report, None
    without MIDI.

    Raises: AudioDeviceError if the devices do not open.
    """

    def __init__(
        self,
        plan: StreamPlan,
        bridge: Bridge,
        controls: Controls,
        monitor: Monitor,
        stage: Stage,
        display: Display,
        recovery: Recovery,
        rack: Rack,
        midi: Callable[[], MidiStatus] | None = None,
    ) -> None:
        self.plan = plan
        self._bridge = bridge
        self._controls = controls
        self._monitor = monitor
        self._stage = stage
        self._display = display
        self._recovery = recovery
        self._rack = rack
        self._midi = midi
        self._began: float | None = None
        self._ended: float | None = None
        self._block_size = _BlockSize()
        self._priority = ""
        self._histogram = bridge.dsp_histogram()
        self._stream = LiveStream(plan, bridge)
        self._latency_ms = self._stream.latency_ms

    def run(
        self,
        stop: threading.Event,
        duration: float | None = None,
        running: Callable[[], None] = lambda: None,
    ) -> bool:
        """Run until `stop` is set or `duration` seconds are over; False if the driver then hangs.

        running: called once, when the first block has been played.

        Raises: DeviceLostError if the device stops calling; AudioDeviceError if it does not
        start.
        """
        try:
            self._run(stop, duration, running)
        except DeviceLostError:
            raise
        except BaseException:
            self._stream.close()
            raise
        closed = self._stream.close()
        self._step()
        return closed

    def _run(
        self, stop: threading.Event, duration: float | None, running: Callable[[], None]
    ) -> None:
        self._stream.start()
        if not self._wait_for_first_block(stop):
            raise DeviceLostError("the sound device opened but never asked for audio")
        self._began = now = time.monotonic()
        self._priority = audio_priority(self._bridge.audio_thread, self.plan.output.host)
        end = self._recovery.end(duration, now)
        running()
        threading.Thread(target=_settle, name="settle", daemon=True).start()
        last_blocks, silent, last_meters, last_beat = 0, 0.0, 0.0, 0.0
        while not stop.is_set():
            self._stage.work(_TICK_SECONDS)
            before, now = now, time.monotonic()
            if end is not None and now >= end:
                break
            self._step()
            self._rack.tend()
            blocks = self._bridge.counters()["blocks"]
            # A tick counts for little: where this process was held, so was the device's thread.
            silent = 0.0 if blocks != last_blocks else silent + min(now - before, 0.1)
            last_blocks = blocks
            if silent > _SILENT_DEVICE_SECONDS or not self._stream.active:
                raise DeviceLostError("the sound device went away")
            if now - last_meters > _METER_SECONDS:
                last_meters = now
                self._display.show(self._meters(now - self._began))
            if now - last_beat > _BEAT_SECONDS:
                last_beat = now
                self._block_size.watch(self._bridge.counters(), self._display.say)
                self._recovery.beat(self, self._controls, self._bridge, self._stage, self._rack)
        self._ended = time.monotonic()
        self._recovery.closing()
        self._fade_out()

    @property
    def seconds(self) -> float:
        """How long audio ran, in engines before this one too."""
        if self._began is None:
            return self._recovery.seconds
        return self._recovery.seconds + (self._ended or time.monotonic()) - self._began

    def _wait_for_first_block(self, stop: threading.Event) -> bool:
        limit = time.monotonic() + _FIRST_BLOCK_SECONDS
        before = self._bridge.counters()["blocks"]  # an engine before this one may have counted
        while time.monotonic() < limit and not stop.is_set():
            if self._bridge.counters()["blocks"] > before:
                return True
            time.sleep(0.001)
        return stop.is_set()

    def _step(self) -> None:
        heard, _ = self._bridge.read_input()
        played, _ = self._bridge.read_output()
        self._monitor.add(heard, played, self._controls.state.bypassed)
        own = self.plan.ref_channel is not None
        self._stage.listen(heard, self._bridge.read_reference() if own else None)

    def _fade_out(self) -> None:
        """Go quiet before the stream ends: sound cut off in full swing is a click."""
        self._controls.finish()
        counters, rate = self._bridge.counters(), self.plan.sample_rate
        last = counters["frames"] + END_FADE_MS * 1e-3 * rate
        block_seconds = counters["frames"] / max(1, counters["blocks"]) / rate
        limit = time.monotonic() + _FADE_OUT_SECONDS + 3.0 * block_seconds
        while self._bridge.counters()["frames"] < last and time.monotonic() < limit:
            time.sleep(0.002)

    def _meters(self, seconds: float) -> Meters:
        in_dbfs, out_dbfs = self._monitor.peaks_dbfs()
        slowest_seconds = self._bridge.slowest_since(self._histogram)
        self._histogram = self._bridge.dsp_histogram()
        state, counters = self._controls.state, self._bridge.counters()
        block_seconds = counters["frames"] / counters["blocks"] / self.plan.sample_rate
        return Meters(
            in_dbfs=in_dbfs,
            out_dbfs=out_dbfs,
            gain_reduction_db=self._bridge.gain_reduction_db,
            style=self._stage.style.status() or ("styled" if state.predicted else "playing"),
            seconds=seconds,
            latency_ms=self._latency_ms,
            sample_rate=self.plan.sample_rate,
            late_blocks=counters["late_blocks"],
            underflows=underflows(counters),
            overflows=overflows(counters),
            dsp_load=slowest_seconds / block_seconds,
            plugins=self._rack.status(),
        )

    def session(self, measured: bool = True) -> Session:
        """What happened so far; without `measured` in no time, and without the sounds' measures."""
        plan, state = self.plan, self._controls.state
        style, notes = self._stage.style, []
        sounds: dict[str, Sound] = {}
        if measured:
            sounds = self._monitor.sounds()
            sounds |= reference_sounds(style.references, plan.out_channels)
        if style.status():
            notes.append(f"no new style was applied: {style.status()}")
            notes.extend(style.advice())
        devices = dict.fromkeys((plan.input.full_name, plan.output.full_name))
        return Session(
            place=" -> ".join(devices),
            sample_rate=plan.sample_rate,
            channels=plan.out_channels,
            preset=state.effective,
            origin=state.origin,
            predicted=state.predicted - state.overrides.keys(),
            by_hand=frozenset(state.overrides),
            seconds=self.seconds,
            latency_ms=self._latency_ms,
            priority=self._priority,
            sounds=sounds,
            counters=self._bridge.counters(),
            dsp_us=self._bridge.dsp_percentiles(),
            midi=self._midi() if self._midi else None,
            plugins=self._rack.status(),
            plugin_params=self._rack.params,
            notes=notes,
        )


class _BlockSize:
    """Notices that the device changed its block size under us, as a JACK server may."""

    def __init__(self) -> None:
        self._frames = self._blocks = 0
        self._mean = self._told = 0.0

    def watch(self, counters: Mapping[str, int], say: Callable[[str], None]) -> None:
        """Look at the bridge's counters now and then; `say` gets a line after a change."""
        frames, blocks = counters["frames"] - self._frames, counters["blocks"] - self._blocks
        if blocks <= 0:
            return
        self._frames, self._blocks = counters["frames"], counters["blocks"]
        before, self._mean = self._mean, frames / blocks
        if abs(self._mean - before) > 0.01 * before:
            return  # it is changing, or is a device whose blocks vary
        if self._told and abs(self._mean - self._told) > 0.1 * self._told:
            say(f"the device's blocks now have {self._mean:.0f} frames, they had {self._told:.0f}")
        self._told = self._mean
