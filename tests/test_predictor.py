"""The features and the predictor: what they depend on, what they must not, what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soxr

from realtime import features, predictor
from realtime.features import BAND_HZ, LAYOUT, AudioError, analyse
from realtime.params import EQ_COMP, WORKING_LOUDNESS_LUFS, table_hash
from realtime.predictor import ModelError, Predictor
from tests.support import noise, speech_like

RATE = 48_000
# A room's noise lies under each, as under every recording: digital silence has no spectrum.
SPEECH, OTHER = (speech_like(5.0, RATE, n) + noise(5 * RATE, 1, 5e-4, n)[:, 0] for n in (1, 2))


@pytest.fixture(scope="module")
def shipped() -> Predictor:
    return Predictor()


# --- features --------------------------------------------------------------------------------
@pytest.mark.parametrize("gain_db", [-30.0, -7.0, 11.0])
def test_features_do_not_depend_on_level(gain_db):
    before, after = analyse(SPEECH, RATE), analyse(SPEECH * np.float32(10 ** (gain_db / 20)), RATE)
    assert np.abs(before[:-1] - after[:-1]).max() < 0.02
    assert after[-1] - before[-1] == pytest.approx(gain_db, abs=0.01)


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 24_000, 44_100, 96_000, 192_000])
def test_features_hardly_depend_on_sample_rate(sample_rate):
    narrow = soxr.resample(SPEECH, RATE, 8_000)  # what every rate can carry
    x = soxr.resample(narrow, 8_000, sample_rate).astype(np.float32)
    wanted = analyse(soxr.resample(narrow, 8_000, RATE).astype(np.float32), RATE)
    found = analyse(x, sample_rate)
    inside = BAND_HZ < 3_400.0
    assert found[LAYOUT["mask"]][inside].all()
    apart = np.abs(wanted[LAYOUT["mean"]] - found[LAYOUT["mean"]])[inside]
    assert apart.mean() < 0.3
    assert apart.max() < 1.5
    for part in ("levels", "peaks", "steps", "samples", "scalars"):
        assert np.abs(wanted[LAYOUT[part]] - found[LAYOUT[part]]).mean() < 0.5, part


def test_bands_above_nyquist_are_masked_and_zero():
    found = analyse(speech_like(2.0, 16_000), 16_000)
    above = BAND_HZ > 8_000
    assert not found[LAYOUT["mask"]][above].any()
    assert not found[LAYOUT["mean"]][above].any()
    assert found[LAYOUT["mask"]][BAND_HZ < 7_000].all()


def test_a_tone_shows_in_its_band():
    time = np.arange(2 * RATE) / RATE
    for hz in (50.0, 440.0, 9_000.0):
        mean = analyse(0.1 * np.sin(2 * np.pi * hz * time), RATE)[LAYOUT["mean"]]
        assert BAND_HZ[mean.argmax()] == pytest.approx(hz, rel=0.1)


def test_channels_are_mixed_down():
    stereo = np.stack([SPEECH, SPEECH], axis=1)
    assert np.abs(analyse(stereo, RATE) - analyse(SPEECH, RATE)).max() < 1e-3


@pytest.mark.parametrize(
    ("audio", "sample_rate", "named"),
    [
        (np.zeros(RATE, np.float32), RATE, "silent"),
        (1e-6 * SPEECH, RATE, "silent"),
        (SPEECH[:480], RATE, "too short"),
        (np.zeros(0, np.float32), RATE, "too short"),
        (np.where(np.arange(len(SPEECH)) == 9, np.nan, SPEECH), RATE, "not finite"),
        (np.where(np.arange(len(SPEECH)) == 9, np.inf, SPEECH), RATE, "not finite"),
        (SPEECH, 4_000, "4000 Hz"),
        (SPEECH[None, None], RATE, "shape"),
    ],
)
def test_useless_audio_is_named_in_one_line(shipped, audio, sample_rate, named):
    with pytest.raises(AudioError, match=named) as caught:
        shipped.predict(SPEECH, audio, sample_rate)
    assert "\n" not in str(caught.value)


# --- predictor -------------------------------------------------------------------------------
def test_prediction_is_every_parameter_of_the_profile_within_its_range(shipped):
    found = shipped.predict(SPEECH, OTHER, RATE)
    assert found.profile == shipped.profile.name
    assert set(found.values) == {*shipped.profile.predicted, "input.gain_db"}
    for param_id in shipped.profile.predicted:
        low, high = shipped.profile.range_of(param_id)
        assert low <= found.values[param_id] <= high, param_id


def test_input_gain_brings_the_input_to_working_loudness(shipped):
    quiet = SPEECH * np.float32(0.1)  # speech_like is made at the working loudness
    assert WORKING_LOUDNESS_LUFS == -23.0
    assert shipped.predict(quiet, OTHER, RATE).values["input.gain_db"] == pytest.approx(20, abs=0.1)
    barely = SPEECH * np.float32(10 ** (-46 / 20))
    assert shipped.predict(barely, OTHER, RATE).values["input.gain_db"] == 40.0


def test_only_the_gains_follow_the_level(shipped):
    before = shipped.predict(SPEECH, OTHER, RATE).values
    after = shipped.predict(0.5 * SPEECH, np.float32(0.25) * OTHER, RATE).values
    moved = {i: after[i] - before[i] for i in before}
    assert moved.pop("input.gain_db") == pytest.approx(6.02, abs=0.02)
    assert moved.pop("output.gain_db") == pytest.approx(-12.04, abs=0.05)
    for param_id, change in moved.items():
        assert abs(change) < 0.01 * max(1.0, abs(before[param_id])), param_id


def test_a_brighter_reference_asks_for_treble_and_a_darker_one_for_less(shipped):
    spectrum = np.fft.rfft(SPEECH)
    freqs = np.fft.rfftfreq(len(SPEECH), 1.0 / RATE)
    slope = (np.maximum(freqs, 100.0) / 1_000.0) ** 0.5  # 3 dB an octave
    tilted = [np.fft.irfft(spectrum * s, len(SPEECH)) for s in (slope, 1.0 / slope)]
    gains = []
    for reference in tilted:
        values = shipped.predict(SPEECH, reference, RATE).values
        treble = values["eq5.gain_db"] + values["eq6.gain_db"]
        gains.append(treble - values["eq1.gain_db"] - values["eq2.gain_db"])
    assert gains[0] > 5.0
    assert gains[1] < -5.0


def test_same_sound_same_answer(shipped):
    first, again = (shipped.predict(SPEECH, OTHER, RATE) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("rates", [(16_000, 48_000), (48_000, 22_050), (44_100, 44_100)])
def test_rates_may_differ(shipped, rates):
    sides = [soxr.resample(x, RATE, r) for x, r in zip((SPEECH, OTHER), rates, strict=True)]
    found = shipped.predict(*sides, *rates).values
    at_home = shipped.predict(SPEECH, OTHER, RATE).values
    below = [i for i in found if i.startswith(("eq1", "eq2", "eq3")) and i.endswith("gain_db")]
    for param_id in below:
        assert abs(found[param_id] - at_home[param_id]) < 4.0, param_id


# --- models that do not fit ------------------------------------------------------------------
def altered(tmp_path: Path, **changes: str | None) -> Path:
    """The shipped model with other metadata; None leaves a key out."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(str(predictor.shipped_model()))
    meta = {entry.key: entry.value for entry in model.metadata_props}
    meta.update({k: v for k, v in changes.items() if v is not None})
    onnx.helper.set_model_props(
        model, {k: v for k, v in meta.items() if k not in changes or changes[k] is not None}
    )
    path = tmp_path / "other.onnx"
    onnx.save(model, str(path))
    return path


def test_a_model_for_another_table_is_refused_naming_both(tmp_path):
    path = altered(tmp_path, table="0123456789abcdef")
    with pytest.raises(ModelError) as caught:
        Predictor(path)
    message = str(caught.value)
    assert "0123456789abcdef" in message
    assert table_hash() in message
    assert str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"features": "beef"}, features.fingerprint()),
        ({"profile": "seed"}, "other parameters"),
        ({"profile": "loudest"}, "loudest"),
        ({"outputs": "nonsense"}, "other parameters"),
        ({"table": None}, "table"),
    ],
)
def test_a_model_that_means_something_else_is_refused(tmp_path, changes, named):
    with pytest.raises(ModelError, match=named) as caught:
        Predictor(altered(tmp_path, **changes))
    assert "\n" not in str(caught.value)


def test_an_unaltered_copy_is_accepted(tmp_path):
    assert Predictor(altered(tmp_path)).profile is EQ_COMP


@pytest.mark.parametrize("content", [None, b"", b"not a model at all"])
def test_what_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.onnx") as caught:
        Predictor(path)
    assert "\n" not in str(caught.value)


def test_short_noise_is_enough(shipped):
    shortest = round(features.MIN_SECONDS * RATE)
    found = shipped.predict(noise(shortest, 2, 0.05), OTHER, RATE)
    assert np.isfinite(list(found.values.values())).all()
