"""The pair recipe: what it promises about levels, content and truth."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from offline_train import pairs
from offline_train.pairs import CURVE_HZ, make_pair, pair_of, random_equaliser
from tests.support import noise, speech_like

RATE = 24_000
CLEAN = speech_like(4.0, RATE, 7)


def peak_db(x: np.ndarray) -> float:
    return float(20.0 * np.log10(np.abs(x).max()))


@pytest.mark.parametrize("seed", range(8))
def test_both_sides_peak_at_the_recipes_level(seed):
    pair = make_pair(CLEAN, RATE, np.random.default_rng(seed))
    assert pair.input.shape == pair.target.shape == CLEAN.shape
    assert peak_db(pair.input) == pytest.approx(pairs.PEAK_DB, abs=1e-3)
    assert peak_db(pair.target) == pytest.approx(pairs.PEAK_DB, abs=1e-3)


def test_same_seed_same_pair_other_seed_other_pair():
    first, again, other = (make_pair(CLEAN, RATE, np.random.default_rng(s)) for s in (1, 1, 2))
    assert np.array_equal(first.input, again.input)
    assert np.array_equal(first.target, again.target)
    assert not np.array_equal(first.input, other.input)


def test_nothing_to_do_means_nothing_to_do():
    pair = make_pair(CLEAN, RATE, np.random.default_rng(3), same=True)
    assert np.abs(pair.input - pair.target).max() < 1e-6
    assert not pair.truth["curve_db"].any()
    assert pair.truth["compressor"][1] == 1.0


def test_the_input_is_left_as_it_is():
    before = CLEAN.copy()
    make_pair(CLEAN, RATE, np.random.default_rng(0))
    assert np.array_equal(before, CLEAN)


def test_true_curve_is_what_the_audio_shows():
    rng = np.random.default_rng(11)
    clean = noise(8 * RATE, 1, 0.1)[:, 0]
    eq_in, eq_out = (random_equaliser(RATE, rng, gentle=True) for _ in range(2))
    pair = pair_of(clean, RATE, eq_in, eq_out, pairs.Compressor())
    inside = CURVE_HZ < 0.45 * RATE
    spectra = [np.abs(np.fft.rfft(x)) ** 2 for x in (pair.input, pair.target)]
    freqs = np.fft.rfftfreq(len(clean), 1.0 / RATE)
    shown = []
    for hz in CURVE_HZ[inside]:
        near = np.abs(freqs - hz) < max(4.0, 0.02 * hz)
        shown.append(10.0 * np.log10(spectra[1][near].sum() / spectra[0][near].sum()))
    norms = pair.truth["norms_db"]
    wanted = pair.truth["curve_db"][inside] + norms[1] + norms[2] - norms[0]
    assert np.abs(np.array(shown) - wanted).mean() < 0.3


def test_peak_gains_never_add_up_beyond_the_recipes_24_db():
    rng = np.random.default_rng(0)
    drawn = [random_equaliser(RATE, rng) for _ in range(500)]
    running = np.cumsum([eq.gain_db[1:5] for eq in drawn], axis=1)
    assert np.abs(running).max() < 24.0
    gains = np.array([eq.gain_db for eq in drawn])
    assert np.abs(gains[:, [0, 5]]).max() <= 24.0
    assert np.abs(gains[:, 1:5]).max() > 20.0
    assert all((eq.freq_hz <= 0.45 * RATE).all() for eq in drawn)


def test_expander_turns_quiet_parts_down_only():
    x = np.concatenate([0.5 * np.ones(RATE), 0.001 * np.ones(RATE)]).astype(np.float32)
    for seed in range(5):
        y = pairs.expand(x, RATE, np.random.default_rng(seed))
        assert y[RATE - 1] == pytest.approx(0.5, rel=1e-3)
        assert 0.001 * 0.009 < y[-1] <= 0.001


def test_a_clip_with_a_silent_half_is_unusable():
    half = np.zeros_like(CLEAN)
    assert pairs.usable(CLEAN, RATE)
    assert not pairs.usable(np.concatenate([CLEAN, half]), RATE)
    assert not pairs.usable(CLEAN[: RATE // 2], RATE)
