"""The loudness that runs along: that of a meter which hears the whole at once."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from realtime.running_loudness import RunningLoudness
from tests.support import bursts, cut, in_blocks, loudness, noise, sine, speech_like


def told(x: np.ndarray, rate: int, seconds: float = 30.0, size: int | str = "random") -> float:
    meter = RunningLoudness(rate, seconds)
    in_blocks(meter.add, x, cut(len(x), size))
    return meter.lufs()


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_it_is_what_pyloudnorm_says(rate: int, channels: int) -> None:
    low = np.cumsum(noise(4 * rate, channels, 0.001), axis=0)
    speech = np.repeat(speech_like(6.0, rate)[:, None], channels, axis=1)
    for x in (noise(3 * rate, channels, 0.1), bursts(5 * rate, channels), low, speech):
        x = x[: len(x) // (rate // 10) * (rate // 10)]
        assert told(x, rate) == pytest.approx(loudness(x, rate), abs=0.1)


@pytest.mark.parametrize("rate", [44_100, 48_000, 192_000])
def test_the_standards_own_tone(rate: int) -> None:
    """BS.1770-4: 997 Hz at full scale in one of two channels reads -3.01."""
    x = np.zeros((rate, 2), np.float32)
    x[:, 0] = sine(997.0, rate, rate)
    assert told(x, rate) == pytest.approx(-3.01, abs=0.05)


def test_only_the_last_seconds_since_the_restart_count() -> None:
    rate, meter = 48_000, RunningLoudness(48_000, 2.0)
    meter.add(noise(3 * rate, 1, 0.3))
    meter.add(noise(2 * rate, 1, 0.03))
    assert meter.lufs() == pytest.approx(loudness(noise(2 * rate, 1, 0.03), rate), abs=0.1)
    meter.restart()
    assert meter.lufs() == -math.inf
    meter.add(noise(rate // 2, 1, 0.003))
    assert meter.lufs() == pytest.approx(loudness(noise(rate // 2, 1, 0.003), rate), abs=0.2)


def test_silence_faults_and_too_little() -> None:
    assert told(np.zeros((48_000, 2), np.float32), 48_000) == -math.inf
    assert told(noise(19_000, 2, 0.1), 48_000) == -math.inf
    x = noise(48_000, 2, 0.1)
    want = told(x, 48_000)
    x[20_000] = np.nan, 1e30
    assert told(x, 48_000) == pytest.approx(want, abs=0.01)


def test_asking_takes_no_time() -> None:
    """Whoever presses bypass waits for it, and every other hand behind."""
    meter = RunningLoudness(48_000, 5.0)
    meter.add(noise(6 * 48_000, 2, 0.1))
    took = []
    for _ in range(20):
        began = time.perf_counter()
        meter.lufs()
        took.append(time.perf_counter() - began)
    assert min(took) < 1e-3
