"""From what is heard to predicted presets: off the audio thread, while the sound goes on.

A reference is given, or captured from the input or from a channel of its own; then some seconds
of the input are heard, and the model runs. All of it can be asked for again at any time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from realtime.audio_files import check_reference
from realtime.capture import GATE_DBFS, Collector
from realtime.measure import Audio
from realtime.preset import Preset
from realtime.priority import step_back

REFERENCE_SECONDS = 10.0
_HINT_SECONDS = 10.0

Predict = Callable[[Audio, Audio, int, int], Preset]
# (preset, input, reference, sample rate, reference's rate, stop, say) -> a better one
Refine = Callable[[Preset, Audio, Audio, int, int, threading.Event, Callable[[str], None]], Preset]


@dataclass(frozen=True)
class Reference:
    """A recording to sound like: float32 `(frames, channels)`, its rate, its name for a person."""

    audio: Audio
    sample_rate: int
    name: str


@dataclass(frozen=True)
class StyleRequest:
    """How to get at a style.

    predict: (input, reference, sample_rate, reference's rate) -> Preset, called for each
        reference on a thread of its own; both arrays float32 `(frames, channels)`.
    references: what to sound like, at most two; none yet where they are to be captured.
    reference_seconds: how much of a reference is captured. gate_dbfs: level above which input
        counts. channel: a person's name for the channel that a reference is captured from,
        "" where that is the input itself. refine: makes a prediction better while it plays
        already, on a thread of its own; None for leaving it as it is.
    """

    predict: Predict
    references: tuple[Reference, ...] = ()
    reference_seconds: float = REFERENCE_SECONDS
    gate_dbfs: float = GATE_DBFS
    channel: str = ""
    refine: Refine | None = None


def origin_of(references: Sequence[Reference]) -> str:
    """Where presets predicted from these come from, for a person."""
    return "predicted from " + " and ".join(reference.name for reference in references)


class Style:
    """Listens, predicts, and says what it waits for. Driven by one thread.

    references: what there is to sound like now. presets: the newest prediction, one for each.
    error: why the newest attempt came to nothing, or "".
    """

    def __init__(
        self, request: StyleRequest, sample_rate: int, channels: int, say: Callable[[str], None]
    ) -> None:
        self._request = request
        self._rate = sample_rate
        self._channels = channels
        self._say = say
        self.references = request.references
        self.presets: tuple[Preset, ...] = ()
        self.error = ""
        self._reference: Collector | None = None  # what is being heard of the next reference
        self._input: Collector | None = None  # and of the input
        self._place = 0
        self._prediction: _Prediction | None = None
        self._refinement: _Refinement | None = None
        self._frames = 0
        self._hinted = False

    @property
    def busy(self) -> bool:
        """Whether a style is on its way."""
        return any((self._reference, self._input, self._prediction, self._refinement))

    def capture(self, place: int = 0) -> None:
        """Hear a new reference, then predict; what was under way is dropped.

        place: which of two references it replaces.
        """
        request, seconds = self._request, self._request.reference_seconds
        self.drop()
        self._place = place
        self._reference = Collector(
            self._rate, 1 if request.channel else self._channels, seconds, request.gate_dbfs
        )
        where = f" into {request.channel}" if request.channel else ""
        self._say(f"play the sound you like{where}: {seconds:g} s of it are the reference")
        if request.channel:  # both can be heard at the same time
            self._hear_input("and")

    def predict(self) -> None:
        """Predict for what is played from now on; what was under way is dropped."""
        if self.references:
            self.drop()
            self._hear_input("now")
        else:
            self._say("there is no reference to predict from yet: capture one")

    def drop(self) -> None:
        """Give up what is under way."""
        if self._refinement is not None:
            self._refinement.stop.set()
        self._reference = self._input = self._prediction = self._refinement = None
        self.error, self._frames, self._hinted = "", 0, False

    def step(self, heard: Audio, channel: Audio | None = None) -> tuple[Preset, ...]:
        """Take the next `(frames, channels)` of input, and `(frames, 1)` of the reference's
        channel; the presets, once, when they are there."""
        if self._prediction is not None:
            return self._collect()
        if self._refinement is not None:
            return self._collect_refined(self._refinement)
        if not self.busy:
            return ()
        self._frames += len(heard)
        if self._input is not None:
            self._input.add(heard)
        if self._reference is not None:
            self._reference.add(heard if channel is None else channel)
            if self._reference.done:
                self._take_reference(self._reference)
        if self._reference is None and self._input is not None and self._input.done:
            self._prediction = _Prediction(
                self._request.predict, self._input.audio(), self._rate, self.references
            )
            self._input = None
        elif self._frames > _HINT_SECONDS * self._rate and not self._hinted:
            for line in self.advice():
                self._hinted = True
                self._say(line)
        return ()

    def status(self) -> str:
        """What it is doing, for a person, in a few words; "" when it is done."""
        if self._prediction is not None:
            return "predicting"
        if self._refinement is not None:
            return self._refinement.doing
        collector = self._waiting()
        if collector is None:
            return f"no style: {self.error}" if self.error else ""
        if collector.waiting_for_pause:
            return "waiting for a second of quiet"
        what = "of the reference" if collector is self._reference else "of your sound"
        gate = "" if collector.heard_seconds else f" above {self._request.gate_dbfs:g} dBFS"
        return f"heard {collector.heard_seconds:.1f} of {collector.seconds:g} s {what}{gate}"

    def advice(self) -> list[str]:
        """What a person can do who waits for a style in vain, in a line, or nothing."""
        collector = self._waiting()
        if collector is None or collector.heard_seconds or collector.waiting_for_pause:
            return []
        heard = (
            f"the loudest was {collector.loudest_dbfs:.0f} dBFS"
            if collector.loudest_dbfs > float("-inf")
            else "there was only silence"
        )
        own = bool(self._request.channel) and collector is self._reference
        where, choose = (
            (f" on {self._request.channel}", "--ref-channel") if own else ("", "--input-device")
        )
        return [
            f"nothing above {self._request.gate_dbfs:g} dBFS came in{where}, {heard}: "
            f"play louder, choose another {choose}, or set a lower --gate-db"
        ]

    def _waiting(self) -> Collector | None:
        """What is being listened for."""
        return self._reference or self._input

    def _hear_input(self, when: str, *, after_pause: bool = False) -> None:
        self._frames, self._hinted = 0, False
        self._input = Collector(
            self._rate,
            self._channels,
            gate_dbfs=self._request.gate_dbfs,
            after_pause=after_pause,
        )
        self._say(f"{when} play or speak: {self._input.seconds:g} s of your own sound are needed")

    def _take_reference(self, collector: Collector) -> None:
        audio = collector.audio()
        try:
            check_reference(audio, self._rate, "the captured reference")
        except ValueError as error:
            self._fail(error)
            return
        captured = Reference(audio, self._rate, self._request.channel or "the input")
        if self.references:
            self.references = (
                *self.references[: self._place], captured, *self.references[self._place + 1 :],
            )  # fmt: skip
        else:
            self.references = (captured,)
        self._reference = None
        if self._request.channel:
            self._say("reference captured")
        else:
            self._say("reference captured: stop it, keep quiet for a second")
            self._hear_input("then", after_pause=True)

    def _collect(self) -> tuple[Preset, ...]:
        assert self._prediction is not None
        result = self._prediction.result
        if isinstance(result, Exception):
            self._fail(result)
            return ()
        if result:
            if self._request.refine is not None:
                self._refinement = _Refinement(self._request.refine, self._prediction, result)
            self._prediction = None
            self.presets = result
        return result

    def _collect_refined(self, refinement: _Refinement) -> tuple[Preset, ...]:
        if not refinement.done:
            return ()
        self._refinement = None
        if refinement.error:
            self._say(f"not refined, the prediction stays: {refinement.error}")
            return ()
        self._say(refinement.doing)
        self.presets = refinement.result
        return refinement.result

    def _fail(self, error: Exception) -> None:
        self.drop()
        self.error = " ".join(str(error).split()) or type(error).__name__
        self._say(f"no new style, the sound stays as it is: {self.error}")


class _Prediction:
    """The model at work on a thread of its own; `result` is empty until it is done."""

    def __init__(
        self, predict: Predict, heard: Audio, sample_rate: int, references: Sequence[Reference]
    ) -> None:
        self._predict, self.heard = predict, heard
        self.sample_rate, self.references = sample_rate, references
        self.result: tuple[Preset, ...] | Exception = ()
        threading.Thread(target=self._run, name="predict", daemon=True).start()

    def _run(self) -> None:
        try:
            self.result = tuple(
                self._predict(self.heard, r.audio, self.sample_rate, r.sample_rate)
                for r in self.references
            )
        except Exception as error:  # whatever it is, the sound must go on: say it, change nothing
            self.result = error


class _Refinement:
    """A search for something better than a prediction that plays already, behind everything else.

    stop: set it, and the search ends. done: whether there is a result or an error. doing: how far
    it is, for a person.
    """

    def __init__(self, refine: Refine, made: _Prediction, presets: Sequence[Preset]) -> None:
        self._refine, self._made, self._presets = refine, made, presets
        self.stop = threading.Event()
        self.done = False
        self.error = ""
        self.doing = "refining"
        self.result: tuple[Preset, ...] = ()
        threading.Thread(target=self._run, name="refine", daemon=True).start()

    def _say(self, line: str) -> None:
        self.doing = line

    def _run(self) -> None:
        step_back()
        made = self._made
        try:
            self.result = tuple(
                self._refine(
                    preset, made.heard, r.audio, made.sample_rate, r.sample_rate, self.stop,
                    self._say,
                )
                for preset, r in zip(self._presets, made.references, strict=True)
            )  # fmt: skip
        except Exception as error:  # as above
            self.error = " ".join(str(error).split()) or type(error).__name__
        self.done = True
