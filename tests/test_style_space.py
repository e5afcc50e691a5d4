"""Style apart from content: what the distance hears, and what it does not."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.features import AudioError
from realtime.matching import match
from realtime.preset import Preset
from realtime.style_space import StyleSpace
from realtime.transfer import render
from tests.support import speech_like

RATE = 16_000
SPACE = StyleSpace((RATE,))
WORDS = [speech_like(4.0, RATE, seed) for seed in range(2)]
BRIGHT = Preset({"eq2.gain_db": -9.0, "eq5.gain_db": 12.0})


def test_a_sound_is_nowhere_from_itself_and_other_words_are_nearer_than_another_sound():
    said, other = (SPACE.hear(x, RATE) for x in WORDS)
    bright = SPACE.hear(render(WORDS[0], BRIGHT, RATE), RATE)
    assert SPACE.distance(said, said) == 0.0
    assert SPACE.distance(said, other) < 0.7 * SPACE.distance(said, bright)


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 5), st.floats(-12.0, 12.0), st.floats(-6.0, 6.0))
def test_what_an_equaliser_did_is_what_is_lacking(band, gain_db, louder_db):
    name = f"eq{band}"
    done = Preset({f"{name}.gain_db": gain_db, "output.gain_db": louder_db})
    here, there = SPACE.hear(WORDS[0], RATE), SPACE.hear(render(WORDS[0], done, RATE), RATE)
    lack = match(here.frames_db, there.frames_db).curve
    at = np.abs(SPACE.hz - done[f"{name}.freq_hz"]).argmin()
    away = np.abs(np.log2(SPACE.hz / done[f"{name}.freq_hz"])).argmax()
    assert lack[at] - lack[away] == pytest.approx(gain_db, abs=1.5)


def test_a_compressor_is_heard_in_the_dynamics_alone_when_spectra_agree():
    squeezed = Preset({"comp.threshold_db": -45.0, "comp.ratio": 6.0, "comp.makeup_gain_db": 9.0})
    here, there = SPACE.hear(WORDS[0], RATE), SPACE.hear(render(WORDS[0], squeezed, RATE), RATE)
    assert np.abs(here.dynamics_db - there.dynamics_db).max() > 3.0
    assert np.abs(match(here.frames_db, there.frames_db).curve).mean() < 2.5


def test_two_rates_meet_in_the_bands_that_both_reach():
    space = StyleSpace((16_000, 48_000))
    low, high = (space.hear(speech_like(4.0, rate, 3), rate) for rate in (16_000, 48_000))
    assert space.hz[-1] < 8_000.0
    assert low.spectrum_db.shape == high.spectrum_db.shape


@pytest.mark.parametrize("bad", [np.zeros(RATE), np.full(RATE, np.nan), np.ones(100)])
def test_nothing_to_hear_is_said_by_name(bad):
    with pytest.raises(AudioError, match="the reference"):
        SPACE.hear(bad.astype(np.float32), RATE, "the reference")


def test_what_nobody_hears_counts_nothing():
    """A recording at 96 kHz stands where it stood at 48 kHz, whatever is above 24 kHz."""
    rates, rng = (48_000, 96_000), np.random.default_rng(1)
    x = speech_like(3.0, rates[0], 1) + 1e-4 * rng.standard_normal(3 * rates[0]).astype(np.float32)
    twice = soxr.resample(x, *rates).astype(np.float32)
    whistle = np.sin(2.0 * np.pi * 30_000.0 / rates[1] * np.arange(len(twice)))
    spaces = [StyleSpace([rate]) for rate in rates]
    assert np.array_equal(spaces[0].hz, spaces[1].hz)
    here = spaces[0].hear(x, rates[0])
    for sound in (twice, twice + np.float32(0.01) * whistle.astype(np.float32)):
        there = spaces[1].hear(sound, rates[1])
        assert np.abs(there.mean_db - here.mean_db)[:-2] == pytest.approx(0.0, abs=0.5)
