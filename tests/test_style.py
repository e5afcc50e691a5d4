"""From input to style: what is said when, predicted once, and failures that leave the sound dry."""

from __future__ import annotations

import time

import numpy as np

from realtime.measure import Audio
from realtime.preset import Preset
from realtime.style import Style, StyleRequest
from realtime.transfer import predict
from tests.support import noise, speech_like

RATE = 16_000
BLOCK = 512


def run(style: Style, x: Audio, patience_s: float = 30.0) -> list[Preset]:
    """Feed `x` in blocks, then silence until the prediction is there; what step gave."""
    found = [style.step(x[start : start + BLOCK]) for start in range(0, len(x), BLOCK)]
    deadline = time.monotonic() + patience_s
    while style.status() == "predicting" and time.monotonic() < deadline:
        found.append(style.step(np.zeros((BLOCK, 1), np.float32)))
        time.sleep(0.01)
    return [preset for preset in found if preset is not None]


def request(reference: tuple[Audio, int] | None, **more: float) -> tuple[StyleRequest, list[int]]:
    calls: list[int] = []

    def counted(x: Audio, reference: Audio, rate: int, reference_rate: int) -> Preset:
        calls.append(len(x))
        return predict(x, reference, rate, reference_rate=reference_rate)

    return StyleRequest(counted, reference, "'style.wav'", **more), calls


def voice(seconds: float, rate: int = RATE, seed: int = 0) -> Audio:
    return speech_like(seconds, rate, seed)[:, None]


def test_predicts_once_from_three_seconds_and_a_reference_at_another_rate() -> None:
    asked, calls = request((voice(4.0, 44_100, seed=5), 44_100))
    style = Style(asked, RATE, 1, lambda line: None)
    x = np.concatenate([voice(6.0), voice(6.0, seed=1)])
    presets = run(style, x)
    assert len(presets) == len(calls) == 1 and style.preset is presets[0]
    assert 3 * RATE <= calls[0] < 5 * RATE
    assert run(style, x) == [] and len(calls) == 1
    assert style.status() == "styled" and style.error == ""


def test_what_was_captured_live_becomes_the_reference() -> None:
    asked, calls = request(None, reference_seconds=2.0)
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    reference = noise(2 * RATE + RATE // 2, 1, 0.1)
    quiet = np.zeros((2 * RATE, 1), np.float32)
    assert len(run(style, np.concatenate([reference, quiet, voice(8.0)]))) == 1
    assert len(calls) == 1
    assert style.reference is not None and style.reference[1] == RATE
    assert np.array_equal(style.reference[0], reference[: len(style.reference[0])])
    assert [line.split()[0] for line in said] == ["play", "reference", "then"]


def test_a_prediction_that_fails_is_said_and_leaves_the_sound_dry() -> None:
    silent = np.zeros((2 * RATE, 1), np.float32)  # the real predictor refuses it
    asked, calls = request((silent, RATE))
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    assert run(style, voice(8.0)) == []
    assert len(calls) == 1 and "silent" in style.error and style.preset is None
    assert "stays dry" in said[-1] and "\n" not in said[-1]
    assert run(style, voice(4.0)) == [] and len(calls) == 1


def test_too_short_a_live_reference_is_refused() -> None:
    asked, calls = request(None, reference_seconds=0.2)
    style = Style(asked, RATE, 1, lambda line: None)
    assert run(style, voice(8.0)) == []
    assert "a reference needs" in style.error and calls == []


def test_who_waits_in_vain_is_told_why_once() -> None:
    asked, _ = request((voice(4.0), RATE))
    said: list[str] = []
    style = Style(asked, RATE, 1, said.append)
    run(style, 1e-4 * voice(25.0))
    hints = [line for line in said if "--gate-db" in line]
    assert len(hints) == 1 and "above -55 dBFS" in hints[0]
    heard = Style(asked, RATE, 1, said.append)
    run(heard, np.concatenate([voice(1.0), np.zeros((15 * RATE, 1), np.float32)]))
    assert len([line for line in said if "--gate-db" in line]) == 1
    assert heard.advice() == []
