"""What stands between two recordings of other sounds, told from those that both have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.matching import matched

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
    found, louder = matched(HERE, THERE + done + gain)
    averages = (THERE + done).mean(axis=0) - HERE.mean(axis=0)
    assert np.abs(found - done).mean() < 1.0
    assert np.abs(averages - averages.mean() - done).mean() > 3.0
    assert louder == pytest.approx(gain, abs=1.5)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_which_sound_comes_when_is_of_no_account_and_the_way_back_is_the_opposite(seed):
    shuffled = np.random.default_rng(seed).permutation(THERE)
    curve, gain = matched(HERE, shuffled)
    back, less = matched(shuffled, HERE)
    assert curve == pytest.approx(matched(HERE, THERE)[0], abs=1e-6)
    assert (back, less) == (pytest.approx(-curve, abs=1e-6), pytest.approx(-gain, abs=0.5))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3), st.integers(1, 40), st.floats(-158.0, 60.0))
def test_few_or_flat_spectra_tell_something_finite(few, many, level):
    curve, gain = matched(np.full((few, BANDS), level), said(OFTEN, 3)[:many])
    assert np.isfinite(curve).all() and np.isfinite(gain)
