"""The library's front door: shapes, neutrality, and how much of a style it catches."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from realtime.features import AudioError
from realtime.params import EQ_BANDS
from realtime.preset import Preset
from realtime.transfer import predict, render
from tests.support import band_db, loudness, noise, speech_like

RATE = 24_000
SPEECH = speech_like(4.0, RATE, 1)
OTHER = speech_like(4.0, RATE, 2)
RATIO_LIMIT = 0.65  # of the MR-STFT distance, model over untouched


@pytest.mark.parametrize("shape", [(RATE,), (RATE, 1), (RATE, 2)])
def test_render_keeps_shape_and_input(shape):
    x = 0.1 * noise(RATE, 2, 1.0)[:, : shape[-1] if len(shape) == 2 else 1].reshape(shape)
    before = x.copy()
    preset = Preset({"eq3.gain_db": 9.0, "comp.threshold_db": -40.0, "comp.ratio": 4.0})
    y = render(x, preset, RATE)
    assert y.shape == shape
    assert y.dtype == np.float32
    assert np.array_equal(x, before)
    assert not np.shares_memory(x, y)
    assert np.abs(y - x).max() > 0.01


def test_render_takes_any_layout_and_type():
    x = noise(RATE, 2, 0.1)
    preset = Preset({"eq3.gain_db": 9.0})
    wanted = render(x, preset, RATE)
    for other in (np.asfortranarray(x), x.astype(np.float64), np.repeat(x, 2, axis=0)[::2]):
        assert np.array_equal(render(other, preset, RATE), wanted)


def test_neutral_render_gives_the_input_back():
    assert np.abs(render(SPEECH, Preset.neutral(), RATE) - SPEECH).max() < 1e-6


def test_nothing_in_nothing_out():
    assert render(np.zeros((0, 2), np.float32), Preset.neutral(), RATE).shape == (0, 2)


@pytest.mark.parametrize("shape", [(100, 3), (10, 10, 2), (100, 0)])
def test_impossible_shapes_are_named(shape):
    with pytest.raises(AudioError, match="shape"):
        render(np.zeros(shape, np.float32), Preset.neutral(), RATE)


@pytest.mark.parametrize("seconds", [2.0, 9.0])
@pytest.mark.parametrize("gain_db", [0.0, -12.0])
def test_a_reference_that_is_the_input_asks_for_nothing_but_its_level(seconds, gain_db):
    x = speech_like(seconds, RATE, 3)
    reference = np.float32(10.0 ** (gain_db / 20.0)) * x
    y = render(x, predict(x, reference, RATE), RATE)
    for low_hz in 100.0 * 2.0 ** np.arange(6):
        levels = [band_db(sound, RATE, low_hz, 2.0 * low_hz) for sound in (y, reference)]
        assert levels[0] == pytest.approx(levels[1], abs=1.0)
    assert loudness(y, RATE) == pytest.approx(loudness(reference, RATE), abs=0.5)


@pytest.mark.parametrize("channels", [None, 1, 2])
def test_predict_gives_a_preset_that_survives_toml(channels):
    x, reference = (
        a if channels is None else np.repeat(a[:, None], channels, axis=1) for a in (SPEECH, OTHER)
    )
    before = x.copy()
    preset = predict(x, reference, RATE)
    assert np.array_equal(x, before)
    assert isinstance(preset, Preset)
    assert preset.profile == "eq-comp"
    assert Preset.from_toml(preset.to_toml()) == preset
    assert -60.0 <= preset["comp.threshold_db"] <= 0.0
    assert preset["reverb.wet"] == 0.0
    assert preset["dist.mix"] == 0.0


def test_a_reverb_of_the_reference_is_heard_and_set_and_leaves_the_loudness():
    room = {"reverb.room_size": 0.65, "reverb.damping": 0.2, "reverb.wet": 0.6}
    reference = render(speech_like(8.0, RATE, 3), Preset(room), RATE)
    preset = predict(SPEECH, reference, RATE)
    assert preset.profile == "all-effects"
    assert preset["reverb.wet"] > 0.15
    assert 0.4 < preset["reverb.room_size"] < 0.85
    assert preset["dist.mix"] == 0.0
    assert Preset.from_toml(preset.to_toml()) == preset
    assert loudness(render(SPEECH, preset, RATE), RATE) == pytest.approx(
        loudness(reference, RATE), abs=3.0
    )
    wet_too = render(SPEECH, Preset(room), RATE)  # an input with the same room needs no other
    assert predict(wet_too, reference, RATE)["reverb.wet"] == 0.0


def test_predict_hears_what_is_wrong():
    for bad, named in (
        (np.zeros_like(SPEECH), "the reference is silent"),
        (SPEECH[:240], "the reference is too short"),
    ):
        with pytest.raises(AudioError, match=named):
            predict(SPEECH, bad, RATE)
        with pytest.raises(AudioError, match=named.replace("reference", "input")):
            predict(bad, SPEECH, RATE)


@pytest.mark.parametrize("sample_rate", [16_000, 24_000, 44_100, 48_000])
def test_a_reference_like_the_input_leaves_it_nearly_alone(sample_rate):
    x = speech_like(5.0, sample_rate, 3)
    y = render(x, predict(x, x, sample_rate), sample_rate)
    assert abs(loudness(y, sample_rate) - loudness(x, sample_rate)) < 1.5
    edges = np.geomspace(80.0, min(10_000.0, 0.4 * sample_rate), 8)
    moved = [
        band_db(y, sample_rate, low, high) - band_db(x, sample_rate, low, high)
        for low, high in pairwise(edges)
    ]
    assert np.abs(moved).mean() < 1.5
    assert np.abs(moved).max() < 4.0


def test_a_quiet_reference_makes_a_quiet_output():
    loud, quiet = (
        render(SPEECH, predict(SPEECH, OTHER * np.float32(g), RATE), RATE) for g in (1.0, 0.1)
    )
    assert loudness(loud, RATE) - loudness(quiet, RATE) == pytest.approx(20.0, abs=0.5)
    assert abs(loudness(loud, RATE) - loudness(OTHER, RATE)) < 4.0


def test_held_out_speech_comes_much_closer(shared_data: Path):
    pytest.importorskip("torch")
    from offline_train import data, evaluate, examples

    chosen = examples.select(data.scan(shared_data)[1], "speech", RATE)
    pairs = examples.examples(chosen, RATE, 16)
    scores = evaluate.evaluate(pairs, RATE, {"model": evaluate.by_model(None)["model"]})
    assert not scores.failures
    assert len(scores.rows["model"]) == 16
    assert scores.ratios("model")[0] <= RATIO_LIMIT


def test_every_band_is_used_somewhere(shared_data: Path):
    """A band that never moves would be a controller that has not learnt to use it."""
    pytest.importorskip("torch")
    from offline_train import data, examples

    chosen = examples.select(data.scan(shared_data)[1], "speech", RATE)
    presets = [predict(e.input, e.reference, RATE) for e in examples.examples(chosen, RATE, 8)]
    for band in range(1, EQ_BANDS + 1):
        gains = [preset[f"eq{band}.gain_db"] for preset in presets]
        assert np.ptp(gains) > 3.0, f"band {band}"
