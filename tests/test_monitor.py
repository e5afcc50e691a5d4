"""What the meters, the A/B and the report are told: peaks, matched loudness, gain reduction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realtime.bridge import Bridge
from realtime.callback import run_block
from realtime.controls import Controls
from realtime.monitor import Monitor
from realtime.preset import Preset
from tests.support import loudness, noise, to_db

RATE = 48_000


def monitored() -> tuple[Monitor, Controls]:
    monitor = Monitor(RATE, 2, 2)
    controls = Controls(Preset.neutral(), lambda preset, fade_ms: None)
    controls.listen(monitor.changed)
    return monitor, controls


def test_peaks_are_of_each_channel_since_the_last_look() -> None:
    monitor, _ = monitored()
    x = np.zeros((100, 2), np.float32)
    x[7] = 0.5, -0.25
    x[9] = np.nan, 1e30  # faults, which the chain drops
    monitor.add(x, 0.5 * x)
    monitor.add(0.1 * x, x)
    heard, played = monitor.peaks_dbfs()
    assert heard == pytest.approx((to_db(0.5), to_db(0.25)))
    assert played == pytest.approx((to_db(0.5), to_db(0.25)))
    assert monitor.peaks_dbfs() == ((-math.inf,) * 2, (-math.inf,) * 2)


def test_the_matched_gain_is_the_difference_in_loudness() -> None:
    monitor, _ = monitored()
    x = noise(3 * RATE, 2, 0.1)
    y = np.cumsum(x, axis=0) * 0.01
    monitor.add(x, y.astype(np.float32))
    want_db = loudness(y, RATE) - loudness(x, RATE)
    assert monitor.matched_gain_db() == pytest.approx(want_db, abs=0.1)


def test_only_what_the_present_sound_played_is_matched() -> None:
    monitor, controls = monitored()
    x = noise(RATE, 2, 0.1)
    monitor.add(x, 0.1 * x)
    controls.set("comp.ratio", 3.0)
    assert monitor.matched_gain_db() is None
    monitor.add(x, 0.5 * x)
    monitor.add(x, x, bypassed=True)
    assert monitor.matched_gain_db() == pytest.approx(to_db(0.5), abs=0.1)
    controls.load(Preset.neutral(), "new")
    assert monitor.sounds()["output"].seconds == 0.0


def test_silence_and_too_little_cannot_be_matched() -> None:
    monitor, _ = monitored()
    monitor.add(noise(RATE // 4, 2, 0.1), noise(RATE // 4, 2, 0.1))
    assert monitor.matched_gain_db() is None
    silent, _ = monitored()
    silent.add(np.zeros((RATE, 2), np.float32), np.zeros((RATE, 2), np.float32))
    assert silent.matched_gain_db() is None


def test_the_meter_of_the_compressor_shows_what_it_takes_away() -> None:
    preset = Preset({"comp.threshold_db": -30.0, "comp.ratio": 4.0, "comp.knee_db": 0.0})
    bridge = Bridge(RATE, preset=preset)
    assert bridge.gain_reduction_db == 0.0
    x = np.full((RATE // 2, 2), 10.0 ** (-10.0 / 20.0), np.float32)
    x[::2] *= -1.0
    run_block(bridge.record, x, np.empty_like(x), 0)
    assert bridge.gain_reduction_db == pytest.approx(20.0 * (1.0 - 1.0 / 4.0), abs=0.1)
