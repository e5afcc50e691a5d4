"""From input audio to a predicted preset: once, off the audio thread, while the sound goes on."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass

from realtime.audio_files import check_reference
from realtime.capture import GATE_DBFS, Collector
from realtime.measure import Audio
from realtime.preset import Preset

_HINT_SECONDS = 10.0

Predict = Callable[[Audio, Audio, int, int], Preset]


@dataclass(frozen=True)
class StyleRequest:
    """How to get at a style.

    predict: (input, reference, sample_rate, reference's rate) -> Preset, called once on a thread
        of its own; both arrays float32 `(frames, channels)`.
    reference: audio and its rate, or None to capture `reference_seconds` from the input.
    name: what a person calls the reference. gate_dbfs: level above which input counts.
    """

    predict: Predict
    reference: tuple[Audio, int] | None
    name: str
    reference_seconds: float = 0.0
    gate_dbfs: float = GATE_DBFS


class Style:
    """From input audio to a predicted preset, step by step; `preset` is set at the end."""

    def __init__(
        self, request: StyleRequest, sample_rate: int, channels: int, say: Callable[[str], None]
    ) -> None:
        self._request = request
        self._rate = sample_rate
        self._channels = channels
        self._say = say
        self._result: Preset | Exception | None = None
        self._worker: threading.Thread | None = None
        self._frames = 0
        self._hinted = False
        self.preset: Preset | None = None
        self.error = ""
        self.reference = request.reference
        self._collector = self._collect_input(after_pause=False)
        if self.reference is None:
            self._collector = Collector(
                sample_rate, channels, request.reference_seconds, request.gate_dbfs
            )
            say(f"play the sound you like: {request.reference_seconds:g} s of it are the reference")
        else:
            self._announce_input("now")

    def step(self, x: Audio) -> Preset | None:
        """Take the next `(frames, channels)` of input; the preset, once, when it is there."""
        if self.preset is not None or self.error:
            return None
        if self._worker is not None:
            return self._collect_result()
        self._collector.add(x)
        self._frames += len(x)
        if not self._collector.done:
            if self._frames > _HINT_SECONDS * self._rate and not self._hinted:
                self._hinted = True
                for line in self.advice():
                    self._say(line)
            return None
        if self.reference is None:
            self._take_reference()
        else:
            self._start_worker()
        return None

    def status(self) -> str:
        """Where it stands, for a person, in a few words."""
        if self.preset is not None:
            return "styled"
        if self.error:
            return "dry: " + self.error
        if self._worker is not None:
            return "predicting"
        collector = self._collector
        if collector.waiting_for_pause:
            return "waiting for a second of quiet"
        what = "of the reference" if self.reference is None else "of your sound"
        gate = "" if collector.heard_seconds else f" above {self._request.gate_dbfs:g} dBFS"
        return f"heard {collector.heard_seconds:.1f} of {collector.seconds:g} s {what}{gate}"

    def advice(self) -> list[str]:
        """What a person can do who waits for a style in vain, in a line, or nothing."""
        if self._collector.heard_seconds or self._collector.waiting_for_pause or self.error:
            return []
        level = self._collector.loudest_dbfs
        heard = (
            f"the loudest was {level:.0f} dBFS" if level > -math.inf else "there was only silence"
        )
        return [
            f"nothing above {self._request.gate_dbfs:g} dBFS came in, {heard}: "
            "play louder, choose another --input-device, or set a lower --gate-db"
        ]

    def _take_reference(self) -> None:
        captured = self._collector.audio()
        try:
            check_reference(captured, self._rate, "the captured reference")
        except ValueError as error:
            self._fail(error)
            return
        self.reference = captured, self._rate
        self._collector = self._collect_input(after_pause=True)
        self._say("reference captured: stop it, keep quiet for a second")
        self._announce_input("then")

    def _collect_input(self, after_pause: bool) -> Collector:
        return Collector(
            self._rate, self._channels, gate_dbfs=self._request.gate_dbfs, after_pause=after_pause
        )

    def _announce_input(self, when: str) -> None:
        seconds = self._collector.seconds
        self._say(f"{when} play or speak: {seconds:g} s of your own sound are needed")

    def _start_worker(self) -> None:
        self._worker = threading.Thread(target=self._predict, name="predict", daemon=True)
        self._worker.start()

    def _predict(self) -> None:
        assert self.reference is not None
        audio, rate = self.reference
        try:
            self._result = self._request.predict(self._collector.audio(), audio, self._rate, rate)
        except Exception as error:  # whatever it is, the sound must go on: say it and stay dry
            self._result = error

    def _collect_result(self) -> Preset | None:
        result = self._result
        if isinstance(result, Exception):
            self._fail(result)
        elif result is not None:
            self.preset = result
            return result
        return None

    def _fail(self, error: Exception) -> None:
        self.error = " ".join(str(error).split()) or type(error).__name__
        self._say(f"no style, the sound stays dry: {self.error}")
