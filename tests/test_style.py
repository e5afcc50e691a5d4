"""From input to style: what is said when, predicted once, and failures that leave the sound dry."""

from __future__ import annotations

import time

import numpy as np

from realtime.measure import Audio
from realtime.preset import Preset
from realtime.style import Reference, Style, StyleRequest
from realtime.transfer import predict
from tests.support import noise, speech_like

RATE = 16_000
BLOCK = 512


def run(
    style: Style, x: Audio, channel: Audio | None = None, patience_s: float = 30.0
) -> list[tuple[Preset, ...]]:
    """Feed `x` in blocks, then silence until the prediction is there; what step gave."""
    found = []
    for start in range(0, len(x), BLOCK):
        end = start + BLOCK
        found.append(style.step(x[start:end], None if channel is None else channel[start:end]))
    deadline = time.monotonic() + patience_s
    while style.status() == "predicting" and time.monotonic() < deadline:
        found.append(style.step(np.zeros((BLOCK, 1), np.float32)))
        time.sleep(0.01)
    return [presets for presets in found if presets]


def request(*references: tuple[Audio, int], **more: float | str) -> tuple[StyleRequest, list[int]]:
    calls: list[int] = []

    def counted(x: Audio, reference: Audio, rate: int, reference_rate: int) -> Preset:
        calls.append(len(x))
        return predict(x, reference, rate, reference_rate=reference_rate)

    named = tuple(Reference(audio, rate, "'style.wav'") for audio, rate in references)
    return StyleRequest(counted, named, **more), calls


def voice(seconds: float, rate: int = RATE, seed: int = 0) -> Audio:
    return speech_like(seconds, rate, seed)[:, None]


def test_predicts_once_from_three_seconds_and_a_reference_at_another_rate() -> None:
    asked, calls = request((voice(4.0, 44_100, seed=5), 44_100))
    style = Style(asked, RATE, 1, lambda line: None)
    x = np.concatenate([voice(6.0), voice(6.0, seed=1)])
    style.predict()
    presets = run(style, x)
    assert len(presets) == len(calls) == 1 and style.presets is presets[0]
    assert 3 * RATE <= calls[0] < 5 * RATE
    assert run(style, x) == [] and len(calls) == 1
    assert style.status() == "" and style.error == ""


def test_what_was_captured_live_becomes_the_reference() -> None:
    asked, calls = request(reference_seconds=2.0)
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    style.capture()
    reference = noise(2 * RATE + RATE // 2, 1, 0.1)
    quiet = np.zeros((2 * RATE, 1), np.float32)
    assert len(run(style, np.concatenate([reference, quiet, voice(8.0)]))) == 1
    assert len(calls) == 1
    captured = style.references[0]
    assert captured.sample_rate == RATE
    assert np.array_equal(captured.audio, reference[: len(captured.audio)])
    assert [line.split()[0] for line in said] == ["play", "reference", "then"]


def test_a_prediction_that_fails_is_said_and_changes_nothing() -> None:
    silent = np.zeros((2 * RATE, 1), np.float32)  # the real predictor refuses it
    asked, calls = request((silent, RATE))
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    style.predict()
    assert run(style, voice(8.0)) == []
    assert len(calls) == 1 and "silent" in style.error and style.presets == ()
    assert "stays as it is" in said[-1] and "\n" not in said[-1]
    assert run(style, voice(4.0)) == [] and len(calls) == 1


def test_too_short_a_live_reference_is_refused() -> None:
    asked, calls = request(reference_seconds=0.2)
    style = Style(asked, RATE, 1, lambda line: None)
    style.capture()
    assert run(style, voice(8.0)) == []
    assert "a reference needs" in style.error and calls == []


def test_who_waits_in_vain_is_told_why_once() -> None:
    asked, _ = request((voice(4.0), RATE))
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    style.predict()
    run(style, 1e-4 * voice(25.0))
    hints = [line for line in said if "--gate-db" in line]
    assert len(hints) == 1 and "above -55 dBFS" in hints[0]
    heard = Style(asked, RATE, 1, said.append)
    heard.predict()
    run(heard, np.concatenate([voice(1.0), np.zeros((15 * RATE, 1), np.float32)]))
    assert len([line for line in said if "--gate-db" in line]) == 1
    assert heard.advice() == []


def test_a_reference_with_a_channel_of_its_own_needs_no_pause() -> None:
    asked, calls = request(reference_seconds=2.0, channel="channel 2")
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    style.capture()
    mine, theirs = voice(5.0), noise(5 * RATE, 1, 0.1)
    assert len(run(style, mine, theirs)) == len(calls) == 1
    captured = style.references[0]
    assert np.array_equal(captured.audio, theirs[: len(captured.audio)])
    assert 3 * RATE <= calls[0] < 5 * RATE
    assert captured.name == "channel 2" and "channel 2" in said[0]


def test_asking_again_drops_what_was_under_way() -> None:
    asked, calls = request((voice(4.0, seed=5), RATE), reference_seconds=1.0)
    style = Style(asked, RATE, 1, lambda line: None)
    style.predict()
    run(style, voice(2.0))
    style.predict()  # while hearing the input: the two seconds count no more
    assert len(run(style, voice(6.0, seed=1))) == len(calls) == 1
    assert 3 * RATE <= calls[0] < 5 * RATE
    style.predict()
    x = voice(6.0, seed=2)
    while style.status() != "predicting":
        style.step(x[:BLOCK])
        x = x[BLOCK:]
    style.predict()  # while the model runs: its answer is not the one asked for
    assert len(run(style, voice(6.0, seed=3))) == 1
    assert len(calls) == 3
    style.capture()
    run(style, noise(RATE // 2, 1, 0.1))
    style.capture()  # while hearing the reference
    reference = noise(RATE * 5 // 4, 1, 0.1, seed=1)
    quiet = np.zeros((2 * RATE, 1), np.float32)
    assert len(run(style, np.concatenate([reference, quiet, voice(6.0)]))) == 1
    captured = style.references[0]
    assert np.array_equal(captured.audio, reference[: len(captured.audio)])


def test_two_references_are_predicted_on_the_same_input_and_each_can_be_captured_anew() -> None:
    first, second = (voice(4.0, seed=5), RATE), (voice(4.0, 44_100, seed=6), 44_100)
    asked, calls = request(first, second, reference_seconds=1.0)
    style = Style(asked, RATE, 1, lambda line: None)
    style.predict()
    (both,) = run(style, voice(6.0))
    assert len(both) == 2 and both[0] != both[1]
    assert calls[0] == calls[1]
    style.capture(1)
    quiet = np.zeros((2 * RATE, 1), np.float32)
    (again,) = run(style, np.concatenate([noise(2 * RATE, 1, 0.1), quiet, voice(6.0)]))
    assert len(again) == 2
    assert style.references[0].audio is first[0] and style.references[1].name == "the input"


def test_there_is_nothing_to_predict_from_before_a_reference() -> None:
    asked, _ = request()
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    style.predict()
    assert "capture one" in said[0] and style.status() == "" and not style.busy
