"""The live engine: audio runs at once, is listened to, and the stage's work is done meanwhile.

Audio itself is the compiled callback's, and parameters reach it on the threads of those who set
them. This control loop only drains the rings, does what the buttons ask for and fills the
meters; if it stalls, the sound goes on.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from realtime.audio_io import LiveStream, StreamPlan
from realtime.bridge import Bridge
from realtime.controls import CHANGE_FADE_MS, Controls
from realtime.measure import preload
from realtime.meters import Display, Meters
from realtime.monitor import Monitor
from realtime.session import Session, overflows, reference_sounds, underflows
from realtime.stage import Stage

_TICK_SECONDS = 0.02
_METER_SECONDS = 0.05
_SILENT_DEVICE_SECONDS = 2.0
_FIRST_BLOCK_SECONDS = 5.0
_FADE_OUT_SECONDS = 0.5


class DeviceLostError(RuntimeError):
    """The sound device stopped calling; `session` is what happened until then.

    hung: whether the driver also hangs in its clean-up, so that only `os._exit` leaves.
    """

    def __init__(self, message: str, session: Session, hung: bool) -> None:
        super().__init__(message)
        self.session = session
        self.hung = hung


class LiveEngine:
    """Opens the devices and runs the chain on them.

    bridge: of the plan's rate and channels; controls publishes to it. monitor, stage: are fed
    with what comes in and goes out.

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
    ) -> None:
        self.plan = plan
        self._bridge = bridge
        self._controls = controls
        self._monitor = monitor
        self._stage = stage
        self._display = display
        self._histogram = bridge.dsp_histogram()
        self._stream = LiveStream(plan, bridge)
        self._latency_ms = self._stream.latency_ms

    def run(
        self,
        stop: threading.Event,
        duration: float | None = None,
        running: Callable[[], None] = lambda: None,
    ) -> Session:
        """Run until `stop` is set or `duration` seconds of audio are over.

        running: called once, when the first block has been played.

        Raises: DeviceLostError if the device stops calling; AudioDeviceError if it does not
        start.
        """
        try:
            return self._run(stop, duration, running)
        except BaseException:
            self._stream.close()
            raise

    def _run(
        self, stop: threading.Event, duration: float | None, running: Callable[[], None]
    ) -> Session:
        self._stream.start()
        started = time.monotonic()
        if not self._wait_for_first_block(stop):
            raise self._lost("the sound device opened but never asked for audio", 0.0)
        running()
        threading.Thread(target=preload, name="preload", daemon=True).start()
        end = math.inf if duration is None else time.monotonic() + duration
        last_block, last_blocks, last_meters = started, 0, 0.0
        while not stop.is_set():
            self._stage.work(_TICK_SECONDS)
            now = time.monotonic()
            if now >= end:
                break
            self._step()
            blocks = self._bridge.counters()["blocks"]
            if blocks != last_blocks:
                last_block, last_blocks = now, blocks
            elif now - last_block > _SILENT_DEVICE_SECONDS:
                raise self._lost("the sound device went away", last_block - started)
            if now - last_meters > _METER_SECONDS:
                last_meters = now
                self._display.show(self._meters(now - started))
        seconds = time.monotonic() - started
        self._fade_out()
        if not self._stream.close():
            raise self._lost("the sound driver hung while stopping", seconds)
        self._step()
        return self._session(seconds)

    def _wait_for_first_block(self, stop: threading.Event) -> bool:
        limit = time.monotonic() + _FIRST_BLOCK_SECONDS
        while time.monotonic() < limit and not stop.is_set():
            if self._bridge.counters()["blocks"]:
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
        last = self._bridge.counters()["frames"] + CHANGE_FADE_MS * 1e-3 * self.plan.sample_rate
        limit = time.monotonic() + _FADE_OUT_SECONDS
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
        )

    def _lost(self, message: str, seconds: float) -> DeviceLostError:
        hung = not self._stream.close()
        return DeviceLostError(message, self._session(seconds), hung)

    def _session(self, seconds: float) -> Session:
        plan, state = self.plan, self._controls.state
        references = reference_sounds(self._stage.style.references, plan.out_channels)
        sounds = self._monitor.sounds() | references
        style, notes = self._stage.style, []
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
            seconds=seconds,
            latency_ms=self._latency_ms,
            sounds=sounds,
            counters=self._bridge.counters(),
            dsp_us=self._bridge.dsp_percentiles(),
            notes=notes,
        )
