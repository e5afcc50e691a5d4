"""Pairs behind distortion and reverb, and settings that mean the same at another level."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from offline_train.effect_pairs import Effects, random_effects, with_effects
from offline_train.effects_model import RANGES, plain, shares_of
from offline_train.effects_pool import at_working_loudness
from offline_train.pairs import PEAK_DB, Pair
from realtime.measure import loudness_lufs
from realtime.params import BY_ID, WORKING_LOUDNESS_LUFS
from realtime.preset import Preset
from realtime.transfer import render
from tests.support import speech_like

RATE = 16_000
X = 0.5 * speech_like(3.0, RATE, 1)


def test_each_effect_is_in_half_of_the_examples_and_within_the_table():
    rng = np.random.default_rng(1)
    drawn = [random_effects(rng) for _ in range(1000)]
    with_reverb = np.array([e.wet > 0.0 for e in drawn])
    with_distortion = np.array([e.mix > 0.0 for e in drawn])
    for there in (with_reverb, with_distortion, with_reverb ^ with_distortion):
        assert 0.44 < there.mean() < 0.56
    for effects in drawn[:50]:
        for param_id, value in effects.values().items():
            assert BY_ID[param_id].contains(value), param_id


def test_the_same_seed_gives_the_same_effects():
    first, again = (random_effects(np.random.default_rng(3)) for _ in range(2))
    assert first == again


def test_a_target_stands_at_the_protocols_peak_and_without_effects_as_it_was():
    pair = Pair(X, X, RATE)
    wet, _ = with_effects(pair, Effects(drive_db=20.0, mix=0.7, room_size=0.5, wet=0.4))
    assert 20.0 * np.log10(np.abs(wet.target).max()) == pytest.approx(PEAK_DB, abs=0.01)
    assert np.array_equal(wet.input, X)
    peak = np.abs(X).max()
    dry, gain_db = with_effects(pair, Effects())
    assert np.allclose(dry.target * peak * 10.0 ** (-PEAK_DB / 20.0), X, atol=1e-6)
    assert gain_db == pytest.approx(PEAK_DB - 20.0 * np.log10(peak), abs=1e-3)


def test_a_clip_begins_in_the_tail_of_its_end():
    """As if it had been played over and over."""
    x = np.zeros(2 * RATE, np.float32)
    x[-RATE // 2 :] = X[: RATE // 2]
    effects = Effects(room_size=0.5, wet=0.5)
    found = effects.apply(x, RATE)
    twice = render(np.tile(x, 2), Preset(effects.values()), RATE)[len(x) :]
    head = slice(0, RATE // 2)
    assert np.abs(twice[head]).max() > 1e-3
    assert np.abs(found[head] - twice[head]).max() < 1e-4


@given(
    st.floats(6.0, 36.0), st.floats(0.3, 1.0), st.floats(0.0, 0.5), st.floats(-18.0, 12.0)
)  # fmt: skip
@settings(max_examples=15, deadline=None)
def test_settings_for_the_working_loudness_make_the_same_sound(drive_db, mix, wet, up_db):
    quiet = X * np.float32(10.0 ** (up_db / 20.0))
    loudness = loudness_lufs(quiet[:, None], RATE)
    effects = Effects(drive_db=drive_db, mix=mix, room_size=0.4, wet=wet)
    row = torch.tensor(list(vars(effects).values()))
    told, moved_db = at_working_loudness(row, torch.tensor(loudness))
    there = Effects(*told.tolist())
    if not 0.0 <= there.drive_db <= 48.0:
        return
    at_work = X * np.float32(10.0 ** ((WORKING_LOUDNESS_LUFS - loudness + up_db) / 20.0))
    wanted = render(quiet, Preset(effects.values()), RATE)
    found = render(at_work, Preset(there.values()), RATE)
    if max(np.abs(wanted).max(), np.abs(found).max()) > 0.9:  # the limiter's business
        return
    scale = np.float32(10.0 ** (float(moved_db) / 20.0))
    assert np.abs(wanted * scale - found).max() < 2e-3 * np.abs(found).max()


@given(st.lists(st.floats(0.0, 1.0), min_size=len(RANGES), max_size=len(RANGES)))
@settings(max_examples=30, deadline=None)
def test_shares_and_plain_values_are_one_another(shares):
    row = torch.tensor([shares])
    assert torch.allclose(shares_of(plain(row)), row, atol=1e-4)
