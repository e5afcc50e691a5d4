"""Measures against signals whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from realtime import measure
from tests.support import noise, sine


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 96_000, 192_000])
def test_a_full_scale_997_hz_sine_has_the_loudness_the_standard_says(rate: int) -> None:
    # ITU-R BS.1770: a 0 dBFS 997 Hz sine in one front channel reads -3.01 LKFS.
    x = sine(997.0, 3 * rate, rate).astype("f4")[:, None]
    tolerance = 0.1 if rate > 8_000 else 0.2  # the filter's shelf is bent next to Nyquist
    assert measure.loudness_lufs(x, rate) == pytest.approx(-3.01, abs=tolerance)
    both = np.repeat(x, 2, axis=1)
    assert measure.loudness_lufs(both, rate) == pytest.approx(0.0, abs=tolerance)


@pytest.mark.parametrize("rate", [8_000, 48_000, 192_000])
def test_centroid_of_a_sine_is_its_frequency(rate: int) -> None:
    x = sine(1_000.0, rate, rate, 0.3).astype("f4")[:, None]
    assert measure.centroid_hz(x, rate) == pytest.approx(1_000.0, rel=0.02)


@pytest.mark.parametrize("rate", [8_000, 48_000])
def test_centroid_of_white_noise_is_half_of_nyquist(rate: int) -> None:
    assert measure.centroid_hz(noise(4 * rate, 2, 0.1), rate) == pytest.approx(rate / 4, rel=0.02)


def test_centroid_is_not_moved_by_silence_around() -> None:
    x = noise(48_000, 1, 0.1)
    padded = np.concatenate([np.zeros_like(x), x, np.zeros_like(x)])
    alone = measure.centroid_hz(x, 48_000)
    assert measure.centroid_hz(padded, 48_000) == pytest.approx(alone, rel=0.01)


def test_crest_of_a_sine_is_3_db() -> None:
    x = sine(1_000.0, 48_000, 48_000, 0.01).astype("f4")[:, None]
    assert measure.crest_db(x) == pytest.approx(3.01, abs=0.01)


@pytest.mark.parametrize("frames", [0, 1, 100, 48_000])
def test_silence_and_nothing_have_no_measures(frames: int) -> None:
    sound = measure.measure(np.zeros((frames, 2), np.float32), 48_000)
    assert sound.loudness_lufs == -math.inf
    assert math.isnan(sound.centroid_hz) and math.isnan(sound.crest_db)


def test_faults_are_left_out_of_measures() -> None:
    x = noise(48_000, 1, 0.1)
    faulty = x.copy()
    faulty[100], faulty[200], faulty[300] = np.nan, np.inf, 1e30
    clean, measured = measure.measure(x, 48_000), measure.measure(faulty, 48_000)
    assert measured.loudness_lufs == pytest.approx(clean.loudness_lufs, abs=0.05)
    assert measured.centroid_hz == pytest.approx(clean.centroid_hz, rel=0.01)
    assert measured.crest_db == pytest.approx(clean.crest_db, abs=0.05)
