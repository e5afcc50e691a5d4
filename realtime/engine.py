"""The live engine: audio runs dry at once, hears the input, predicts once, fades into the style.

Audio itself is the compiled callback's. This control loop only drains its rings, decides, and
publishes parameters; if it stalls, the sound goes on.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable

from realtime.audio_files import to_channels
from realtime.audio_io import LiveStream, StreamPlan
from realtime.bridge import Bridge
from realtime.capture import Recent
from realtime.dsp.units import gain_to_db
from realtime.measure import Audio, Sound, measure, peak, preload
from realtime.params import BY_ID
from realtime.preset import Preset
from realtime.session import Session, predicted_ids
from realtime.style import Style, StyleRequest

FADE_MS = 40.0
MEASURE_SECONDS = 30.0  # the report's measures are over the last half minute
_TICK_SECONDS = 0.02
_STATUS_SECONDS = 0.2
_SILENT_DEVICE_SECONDS = 2.0
_FIRST_BLOCK_SECONDS = 5.0
_FADE_OUT_SECONDS = 0.5
_SILENT_DBFS = -120.0


class DeviceLostError(RuntimeError):
    """The sound device stopped calling; `session` is what happened until then.

    hung: whether the driver also hangs in its clean-up, so that only `os._exit` leaves.
    """

    def __init__(self, message: str, session: Session, hung: bool) -> None:
        super().__init__(message)
        self.session = session
        self.hung = hung


class LiveEngine:
    """Opens the devices, runs the chain on them, and follows the style there.

    preset: what the chain starts with. request: how to get a style, or None to stay with it.
    origin: where `preset` comes from, for the report. say: gets one line for each event.

    Raises: AudioDeviceError if the devices do not open.
    """

    def __init__(
        self,
        plan: StreamPlan,
        preset: Preset,
        request: StyleRequest | None,
        *,
        origin: str,
        say: Callable[[str], None],
        status: Callable[[str], None] = lambda _: None,
        styled: Callable[[Preset], None] = lambda _: None,
    ) -> None:
        self.plan = plan
        self._say = say
        self._show = status
        self._styled = styled
        self._origin = origin
        self._preset = preset
        self._predicted: frozenset[str] = frozenset()
        self._peaks = (0.0, 0.0)
        self._request = request
        self._bridge = Bridge(plan.sample_rate, plan.in_channels, plan.out_channels, preset)
        self._heard = Recent(plan.sample_rate, plan.in_channels, MEASURE_SECONDS)
        self._played = Recent(plan.sample_rate, plan.out_channels, MEASURE_SECONDS)
        self._style: Style | None = None
        self._stream = LiveStream(plan, self._bridge)
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
        if self._request is not None:
            self._style = Style(
                self._request, self.plan.sample_rate, self.plan.in_channels, self._say
            )
        end = math.inf if duration is None else time.monotonic() + duration
        last_block, last_blocks, last_status = started, 0, 0.0
        while not stop.wait(_TICK_SECONDS):
            now = time.monotonic()
            if now >= end:
                break
            self._step()
            blocks = self._bridge.counters()["blocks"]
            if blocks != last_blocks:
                last_block, last_blocks = now, blocks
            elif now - last_block > _SILENT_DEVICE_SECONDS:
                raise self._lost("the sound device went away", last_block - started)
            if now - last_status > _STATUS_SECONDS:
                last_status = now
                self._show(self._status())
        seconds = time.monotonic() - started
        self._fade_out()
        if not self._stream.close():
            raise self._lost("the sound driver hung while stopping", seconds)
        self._step()
        return self._session(seconds)

    @property
    def style_failed(self) -> bool:
        """Whether a style was asked for, heard, and could not be made."""
        return self._style is not None and bool(self._style.error)

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
        self._heard.add(heard)
        self._played.add(played)
        self._peaks = (max(self._peaks[0], peak(heard)), max(self._peaks[1], peak(played)))
        if self._style is None:
            return
        preset = self._style.step(heard)
        if preset is not None:
            self._fade_into(preset)

    def _fade_into(self, preset: Preset) -> None:
        assert self._request is not None
        self._bridge.set_preset(preset, fade_ms=FADE_MS)
        self._preset = preset
        self._predicted = predicted_ids(preset)
        self._origin = f"predicted from {self._request.name}"
        self._heard.clear()
        self._played.clear()
        self._say(f"the style is on, predicted from {self._request.name}")
        self._styled(preset)

    def _fade_out(self) -> None:
        """Go quiet before the stream ends: sound cut off in full swing is a click."""
        quiet = {gain: BY_ID[gain].minimum for gain in ("input.gain_db", "output.gain_db")}
        self._bridge.set_preset(self._preset.with_values(quiet), fade_ms=FADE_MS)
        last = self._bridge.counters()["frames"] + FADE_MS * 1e-3 * self.plan.sample_rate
        limit = time.monotonic() + _FADE_OUT_SECONDS
        while self._bridge.counters()["frames"] < last and time.monotonic() < limit:
            time.sleep(0.002)

    def _status(self) -> str:
        state = self._style.status() if self._style else "playing"
        heard, played = (_level(value) for value in self._peaks)
        self._peaks = (0.0, 0.0)
        late = self._bridge.counters()["late_blocks"]
        return f"{state} · in {heard} · out {played}" + (f" · {late} late blocks" if late else "")

    def _lost(self, message: str, seconds: float) -> DeviceLostError:
        hung = not self._stream.close()
        return DeviceLostError(message, self._session(seconds), hung)

    def _session(self, seconds: float) -> Session:
        plan = self.plan

        def as_heard(x: Audio, sample_rate: int) -> Sound:
            return measure(to_channels(x, plan.out_channels), sample_rate)

        sounds = {"input": as_heard(self._heard.audio(), plan.sample_rate)}
        notes = []
        if self._style is not None:
            if self._style.reference is not None:
                sounds["reference"] = as_heard(*self._style.reference)
            if self._style.preset is None:
                notes.append(f"no style was applied: {self._style.status()}")
                notes.extend(self._style.advice())
        sounds["output"] = as_heard(self._played.audio(), plan.sample_rate)
        devices = dict.fromkeys((plan.input.full_name, plan.output.full_name))
        return Session(
            place=" -> ".join(devices),
            sample_rate=plan.sample_rate,
            channels=plan.out_channels,
            preset=self._preset,
            origin=self._origin,
            predicted=self._predicted,
            seconds=seconds,
            latency_ms=self._latency_ms,
            sounds=sounds,
            counters=self._bridge.counters(),
            dsp_us=self._bridge.dsp_percentiles(),
            notes=notes,
        )


def _level(peak_value: float) -> str:
    level_dbfs = float(gain_to_db(peak_value))
    return f"{level_dbfs:.0f} dBFS" if level_dbfs > _SILENT_DBFS else "silent"
