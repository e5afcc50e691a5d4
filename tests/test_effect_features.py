"""What is heard of reverb and distortion: that it tells them, whatever the level and the rate."""

from __future__ import annotations

import numpy as np
import pytest
import soxr

from realtime import effect_features, features
from realtime.effect_features import BANDS, FALL_PERCENTILES, LAGS, LAYOUT, analyse_effects, hear
from realtime.features import AudioError
from realtime.preset import Preset
from realtime.transfer import render
from tests.support import loudness, speech_like

RATE = 24_000
X = speech_like(5.0, RATE, 1)


def heard(x, rate: int = RATE):
    return analyse_effects(x, rate, loudness(x, rate))


def falls(vector):
    """By band, lag and percentile."""
    return vector[LAYOUT["falls"]].reshape(BANDS, len(LAGS), len(FALL_PERCENTILES))


@pytest.mark.parametrize("gain_db", [-30.0, 11.0])
def test_the_vector_does_not_depend_on_level(gain_db):
    assert np.abs(heard(X * np.float32(10.0 ** (gain_db / 20.0))) - heard(X)).max() < 0.05


def test_the_vector_hardly_depends_on_sample_rate():
    low = soxr.resample(soxr.resample(X, RATE, 8_000), 8_000, RATE).astype(np.float32)
    wanted = heard(low)
    found = heard(soxr.resample(low, RATE, 48_000).astype(np.float32), 48_000)
    inside = np.array(effect_features.EDGES_HZ[1:]) < 3_000.0
    for part in ("falls", "levels", "flatness"):
        sides = [v[LAYOUT[part]].reshape(BANDS, -1)[inside] for v in (wanted, found)]
        assert np.abs(sides[0] - sides[1]).mean() < 1.0, part


def test_a_longer_reverb_falls_slower_in_every_band():
    """At 200 ms, to the level of a tail of T60 0.6 s or 2.5 s and no further."""
    lag = LAGS.index(40)
    slopes = []
    for room_size in (0.39, 0.7):
        preset = Preset({"reverb.room_size": room_size, "reverb.damping": 0.0, "reverb.wet": 1.0,
                         "reverb.dry": 0.0})  # fmt: skip
        slopes.append(falls(heard(render(X, preset, RATE)))[1:6, lag, 0])
    dry = falls(heard(X))[1:6, lag, 0]
    assert (dry < slopes[0]).all()
    assert (slopes[0] < slopes[1] - 2.0).all()


def test_a_harder_distortion_has_less_crest():
    time = np.arange(3 * RATE) / RATE
    chord = sum(np.sin(2.0 * np.pi * hz * time) for hz in (220.0, 331.0, 497.0)) * 0.08
    chord = (chord * (1.0 + 0.5 * np.sin(2.0 * np.pi * 3.0 * time))).astype(np.float32)
    crests = []
    for drive_db in (0.0, 18.0, 36.0):
        found = heard(render(chord, Preset({"dist.drive_db": drive_db, "dist.mix": 1.0}), RATE))
        crests.append(found[LAYOUT["amplitudes"]][-2])  # what 99.9 % stay below, over RMS
    assert crests[0] > crests[1] > crests[2]


def test_both_models_hear_one_vector():
    found = hear(X, RATE)
    assert found.shape == (effect_features.HEARD,)
    assert np.array_equal(found[: features.SIZE], features.analyse(X, RATE))
    loud = float(found[features.LAYOUT["loudness"]][0])
    assert np.array_equal(found[features.SIZE :], analyse_effects(X, RATE, loud))


@pytest.mark.parametrize("rate", [8_000, 192_000])
def test_any_rate_and_the_shortest_sound_give_finite_numbers(rate):
    shortest = speech_like(features.MIN_SECONDS + 0.01, rate, 2)
    assert np.isfinite(hear(shortest, rate)).all()


def test_useless_audio_is_named():
    with pytest.raises(AudioError, match="the reference is silent"):
        hear(np.zeros(RATE, np.float32), RATE, "the reference")
