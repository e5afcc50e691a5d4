"""What stands between two recordings of other sounds, told from those that both have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.matching import match

BANDS = 64
RNG = np.random.default_rng(7)
# Six sounds of 12 dB between them; what one recording has often the other has seldom.
SOUNDS = np.cumsum(RNG.normal(0.0, 4.0, (6, BANDS)), axis=1)
OFTEN = np.array([30, 25, 20, 10, 5, 5])


def said(often: np.ndarray, seed: int) -> np.ndarray:
    """(spectra, bands): each sound so often, at other levels each time, a little otherwise."""
    rng = np.random.default_rng(seed)
    sounds = np.repeat(SOUNDS, often, axis=0)
    return sounds + rng.normal(0.0, 3.0, (len(sounds), 1)) + rng.normal(0.0, 1.0, sounds.shape)


HERE, THERE = said(OFTEN, 1), said(OFTEN[::-1], 2)


@settings(max_examples=10, deadline=None)
@given(st.floats(0.5, 3.0), st.floats(-9.0, 9.0), st.floats(-12.0, 12.0))
def test_the_filter_and_the_gain_are_found_though_the_averages_say_otherwise(turns, high_db, gain):
    done = high_db * np.cos(np.linspace(0.0, turns * np.pi, BANDS))
    done -= done.mean()
    told = match(HERE, THERE + done + gain)
    averages = (THERE + done).mean(axis=0) - HERE.mean(axis=0)
    assert np.abs(told.curve - done).mean() < 1.0
    assert np.abs(told.near_curve - done).mean() < 1.0
    assert np.abs(told.sides - done).mean() < 1.5
    assert np.abs(averages - averages.mean() - done).mean() > 3.0
    assert told.gain == pytest.approx(gain, abs=1.5)
    assert told.near_gain == pytest.approx(gain, abs=1.5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_which_sound_comes_when_is_of_no_account_and_the_way_back_is_the_opposite(seed):
    shuffled = np.random.default_rng(seed).permutation(THERE)
    there, back = match(HERE, shuffled), match(shuffled, HERE)
    assert there.curve == pytest.approx(match(HERE, THERE).curve, abs=1e-6)
    assert back.curve == pytest.approx(-there.curve, abs=1e-6)
    assert back.sides == pytest.approx(-there.sides[::-1], abs=1e-6)
    assert back.gain == pytest.approx(-there.gain, abs=0.5)
    assert back.spread == pytest.approx(there.spread, abs=1e-6)
    assert back.apart == pytest.approx(there.apart, abs=1e-6)


def test_what_is_done_to_loud_sounds_is_told_apart_from_what_is_done_to_quiet_ones():
    """As of a reference that was compressed: half the level above the middle is gone."""
    level = HERE.mean(axis=1, keepdims=True)
    told = match(HERE, HERE - 0.5 * np.maximum(level - np.median(level), 0.0))
    assert told.gains_by_level[2] < told.gains_by_level[0] - 1.0


def test_how_sure_it_is_follows_how_alike_the_sounds_are():
    strangers = np.cumsum(np.random.default_rng(3).normal(0.0, 4.0, (40, BANDS)), axis=1)
    same, other = match(HERE, THERE), match(HERE, strangers)
    assert other.spread.mean() > 2.0 * same.spread.mean()
    assert other.gain_spread > 2.0 * same.gain_spread


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 40), st.floats(-158.0, 60.0))
def test_few_or_flat_spectra_tell_something_finite(few, many, level):
    told = match(np.full((few, BANDS), level), said(OFTEN, 3)[:many])
    assert all(np.isfinite(part).all() for part in vars(told).values())
