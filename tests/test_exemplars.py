"""A recording's frames in few: what must stay of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.exemplars import COUNT, RANGE_DB, exemplars

BANDS = 12


def frames(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    sounds = rng.normal(-60.0, 12.0, (5, BANDS))
    return (sounds[rng.integers(5, size=count)] + rng.normal(0.0, 2.0, (count, BANDS))).astype("f4")


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 400), seed=st.integers(0, 2**32 - 1))
def test_they_stand_for_all_frames_alike(count, seed):
    seen = frames(count, seed)
    centres, shares = exemplars(seen)
    assert centres.shape == (COUNT, BANDS)
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)
    assert np.allclose(shares @ centres, seen.mean(axis=0), atol=0.01)  # no frame counts for more


def test_each_sound_is_among_them_and_no_other():
    sounds = np.random.default_rng(0).normal(-60.0, 12.0, (3, BANDS)).astype("f4")
    centres, shares = exemplars(np.repeat(sounds, [70, 140, 210], axis=0))
    apart = np.abs(centres[:, None] - sounds).max(axis=2)
    assert (apart[shares > 0].min(axis=1) < 1e-3).all()
    assert [shares[apart[:, n] < 1e-3].sum() for n in range(3)] == pytest.approx(
        [1 / 6, 1 / 3, 1 / 2]
    )


def test_silence_between_the_words_is_left_out():
    seen = frames(200, 1)
    silent = np.full((300, BANDS), seen.max() - RANGE_DB - 30.0, "f4")
    both = exemplars(np.concatenate([seen[:100], silent, seen[100:]]))
    assert all(np.array_equal(a, b) for a, b in zip(both, exemplars(seen), strict=True))
