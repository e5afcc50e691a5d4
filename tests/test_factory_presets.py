"""The factory presets, heard: each does what its name says, at the loudness of the bypass."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.params import BY_ID, NEUTRAL
from realtime.preset import FACTORY, Preset, factory_presets, load_preset
from tests.support import (
    RATES,
    at_loudness,
    band_db,
    band_t60_s,
    harmonics_db,
    loudness,
    render,
    rms,
    sine,
    speech_like,
    t60_s,
    to_db,
)

RATE = 48_000
LUFS = -23.0
NAMES = factory_presets()
WANTED = {
    "telephone", "broadcast-voice", "podcast-warm", "vintage-radio", "small-room", "hall", "crunch",
    "bright-and-tight",
}  # fmt: skip
CLIPS = (
    "vctk-assemvc/p226_p226_049-22k.flac",
    "vctk-assemvc/p244_p244.flac",
    "nabucasa/nl_NL_ronnie_0000000001.flac",
    "libritts-univnet/ltts3537_3537_5704_000008_000005.flac",
)


def play(name: str, x: np.ndarray, rate: int = RATE, **values: float) -> np.ndarray:
    """Mono `(frames,)` through a factory preset, some of its values changed (`comp__ratio=1`)."""
    preset = load_preset(name).with_values({k.replace("__", ".", 1): v for k, v in values.items()})
    return render(x[:, None], rate, preset)[:, 0]


def band_change_db(name: str, low_hz: float, high_hz: float) -> float:
    """What the preset does to a band of steady noise, against what it does to 500..2000 Hz."""
    x = steady_noise()
    y = play(name, x)

    def change(low, high):
        return band_db(y, RATE, low, high) - band_db(x, RATE, low, high)

    return change(low_hz, high_hz) - change(500.0, 2_000.0)


def steady_noise() -> np.ndarray:
    """Pink noise at the loudness the presets are made for."""
    frames = 4 * RATE
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(frames))
    spectrum /= np.sqrt(np.maximum(np.fft.rfftfreq(frames, 1.0 / RATE), 20.0))
    return at_loudness(np.fft.irfft(spectrum, frames), RATE, LUFS)


def thd_db(name: str, level_db: float = -12.0, freq_hz: float = 400.0) -> float:
    x = sine(freq_hz, RATE, RATE, 10.0 ** (level_db / 20.0))
    return harmonics_db(play(name, x)[-RATE // 2 :], freq_hz, RATE)[0]


def tail(name: str, seconds: float = 3.0, **values: float) -> np.ndarray:
    """What comes after the direct sound of a soft click, from 10 ms on."""
    x = np.zeros(round(seconds * RATE), "f4")
    x[0] = 0.05
    return play(name, x, **values)[RATE // 100 :]


def crest_db(x: np.ndarray) -> float:
    """Of all but the loudest thousandth."""
    return float(to_db(np.quantile(np.abs(x), 0.999) / rms(x)))


def level_spread_db(x: np.ndarray) -> float:
    """Between loud and soft syllables: the 95th over the 30th percentile of 50 ms levels."""
    frames = RATE // 20
    levels = [rms(x[i : i + frames]) for i in range(0, len(x) - frames, frames)]
    return float(to_db(np.quantile(levels, 0.95) / np.quantile(levels, 0.3)))


# --- all of them -----------------------------------------------------------------------------
def test_the_promised_ones_are_there():
    assert set(NAMES) >= WANTED
    readme = (FACTORY.parent / "README.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert f"| `{name}` |" in readme


@pytest.mark.parametrize("name", NAMES)
def test_file_is_named_described_and_says_only_what_matters(name):
    preset = load_preset(name)
    assert preset.name == name and 10 < len(preset.description) < 80
    text = (FACTORY / f"{name}.toml").read_text(encoding="utf-8")
    assert text.startswith("format = 1\n")
    for line in text.splitlines():
        key = line.split(" = ")[0]
        units = {BY_ID[i].unit for i in BY_ID if i.endswith(f".{key}")} - {""}
        assert not units or any(f"  # {unit}" in line for unit in units), line
    assert dict(preset) != dict(NEUTRAL)


@pytest.mark.parametrize("name", NAMES)
def test_as_loud_as_the_bypassed_sound(name):
    x = speech_like(5.0, RATE)
    y = play(name, x)
    assert loudness(y, RATE) == pytest.approx(LUFS, abs=2.5)
    assert np.abs(y).max() < 0.95  # the limiter has nothing to do


@pytest.mark.parametrize("name", NAMES)
def test_as_loud_as_the_bypassed_voice(name, shared_data: Path):
    differences = []
    for clip in CLIPS:
        x, rate = soundfile.read(shared_data / "val" / "speech" / clip, dtype="float32")
        y = play(name, at_loudness(x, rate, LUFS), rate)
        differences.append(loudness(y, rate) - LUFS)
        assert np.abs(y).max() <= 1.0
    assert np.mean(differences) == pytest.approx(0.0, abs=1.5)
    assert np.abs(differences).max() < 3.0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("rate", RATES)
def test_works_at_every_rate(name, rate):
    x = speech_like(1.0, rate)
    y = play(name, x, rate)
    assert np.all(np.isfinite(y)) and np.abs(y).max() < 0.95
    assert abs(to_db(rms(y) / rms(x))) < 8.0


def test_no_two_sound_alike():
    x = speech_like(2.0, RATE)
    heard = {name: play(name, x) for name in NAMES}
    for name, y in heard.items():
        for other, z in heard.items():
            assert name == other or rms(y - z) > 0.1 * rms(x)
        assert rms(y - play(name, x, **bypass())) > 0.05 * rms(x)


def bypass() -> dict[str, float]:
    return {param_id.replace(".", "__"): value for param_id, value in Preset.neutral().items()}


# --- one by one --------------------------------------------------------------------------------
def test_telephone_keeps_300_to_3400_hz():
    for low, high in ((300, 400), (400, 800), (800, 1_600), (1_600, 3_200), (3_200, 3_400)):
        assert abs(band_change_db("telephone", low, high)) < 4.0
    assert band_change_db("telephone", 20, 200) < -24.0
    assert band_change_db("telephone", 4_500, 20_000) < -20.0
    assert -40.0 < thd_db("telephone") < -15.0


def test_vintage_radio_is_all_middle_and_valves():
    assert band_change_db("vintage-radio", 20, 120) < -10.0
    assert band_change_db("vintage-radio", 5_000, 20_000) < -18.0
    assert abs(band_change_db("vintage-radio", 250, 500)) < 4.0
    assert -25.0 < thd_db("vintage-radio") < -8.0


def test_megaphone_is_nasal_clipped_and_answered_by_walls():
    assert band_change_db("megaphone", 20, 250) < -12.0
    assert band_change_db("megaphone", 8_000, 20_000) < -12.0
    assert thd_db("megaphone", freq_hz=1_000.0) > -15.0
    echo = tail("megaphone", 1.0)
    before, after = echo[: RATE // 33], echo[RATE // 33 :]
    assert rms(after[: RATE // 10]) > 10.0 * rms(before[RATE // 100 :])


def test_small_room_and_hall_differ_as_rooms_do():
    small, hall = tail("small-room", 1.0), tail("hall", 4.0)
    assert t60_s(small, RATE) < 0.45
    assert band_t60_s(hall, RATE, 200, 400) == pytest.approx(2.5, rel=0.1)
    assert band_t60_s(hall, RATE, 200, 400) > 5.0 * band_t60_s(small, RATE, 200, 400)
    # Both darken, and the hall's first sound comes later.
    for h in (small, hall):
        assert band_t60_s(h, RATE, 4_000, 6_000) < 0.8 * band_t60_s(h, RATE, 200, 400)
    first = [np.flatnonzero(np.abs(h) > 0.01 * np.abs(h).max())[0] / RATE for h in (small, hall)]
    assert first[1] - first[0] == pytest.approx(0.025, abs=0.005)


def test_rooms_leave_the_voice_in_front():
    for name in ("small-room", "hall", "vocal-plate"):
        x = speech_like(3.0, RATE)
        dry, wet = play(name, x, reverb__wet=0.0), play(name, x, reverb__dry=0.0)
        assert -16.0 < to_db(rms(wet) / rms(dry)) < -5.0


def test_vocal_plate_rings_bright_and_holds_the_voice():
    plate = tail("vocal-plate", 2.5)
    assert band_t60_s(plate, RATE, 400, 800) == pytest.approx(1.6, rel=0.1)
    hall = tail("hall", 4.0)
    brightness = [
        band_t60_s(h, RATE, 4_500, 5_500) / band_t60_s(h, RATE, 400, 800) for h in (plate, hall)
    ]
    assert brightness[0] > 0.85 > brightness[1]
    x = speech_like(5.0, RATE)
    assert level_spread_db(play("vocal-plate", x, reverb__wet=0.0)) < level_spread_db(x) - 1.5


def test_crunch_crunches():
    assert thd_db("crunch") > -12.0
    # Touch-sensitive: played 30 dB softer it cleans up.
    assert thd_db("crunch", -42.0) < thd_db("crunch") - 12.0
    assert band_change_db("crunch", 8_000, 20_000) < -4.0


def test_bright_and_tight_is_bright_and_tight():
    assert band_change_db("bright-and-tight", 8_000, 16_000) > 3.0
    assert band_change_db("bright-and-tight", 20, 150) < -3.0
    x = speech_like(5.0, RATE)
    assert crest_db(play("bright-and-tight", x)) < crest_db(x) - 1.5
    assert thd_db("bright-and-tight") < -40.0


def test_broadcast_voice_is_even_and_present():
    assert band_change_db("broadcast-voice", 20, 50) < -6.0
    assert band_change_db("broadcast-voice", 3_000, 4_500) > 2.0
    assert band_change_db("broadcast-voice", 300, 420) < -1.0
    x = speech_like(5.0, RATE)
    assert level_spread_db(play("broadcast-voice", x)) < level_spread_db(x) - 4.0


def test_podcast_warm_is_warm():
    low, high = (
        band_change_db("podcast-warm", 80, 200),
        band_change_db("podcast-warm", 6_000, 16_000),
    )
    assert low > 2.0 and high < -2.0 and low - high > 6.0
    assert -50.0 < thd_db("podcast-warm") < -25.0


def test_de_mud_clears_the_lower_middle_and_is_linear():
    assert band_change_db("de-mud", 200, 500) < -4.0
    assert band_change_db("de-mud", 2_000, 4_000) > 0.5
    x = speech_like(2.0, RATE)
    soft = play("de-mud", 0.1 * x)
    np.testing.assert_allclose(soft, 0.1 * play("de-mud", x), atol=1e-6)


def test_lo_fi_tape_is_thick_dull_and_saturated():
    assert band_change_db("lo-fi-tape", 80, 160) > 1.5
    assert band_change_db("lo-fi-tape", 8_000, 16_000) < -10.0
    assert -35.0 < thd_db("lo-fi-tape") < -15.0
