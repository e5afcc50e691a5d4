"""What a rendering lacks of a reference, told without the target."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.comparison import OF_A_BAND, OF_ALL, Comparison, compare
from realtime.goal import GoalModel, Lack, shipped_goal
from realtime.model_file import MODEL_FOLDER, ModelError
from realtime.preset import Preset
from realtime.style_space import BANDS, StyleSpace
from realtime.transfer import render
from tests.support import speech_like

RATE = 24_000
SPACE = StyleSpace([RATE])
INPUT, OTHER = (speech_like(4.0, RATE, seed) for seed in (0, 1))
WANTED = Preset({"eq2.gain_db": -9.0, "eq5.gain_db": 12.0, "output.gain_db": 3.0})
INPUT_HEARD = SPACE.hear(INPUT, RATE)


def compared(reference: np.ndarray, made: np.ndarray = INPUT) -> Comparison:
    return compare(SPACE, INPUT_HEARD, SPACE.hear(made, RATE), SPACE.hear(reference, RATE))


def lack(reference: np.ndarray) -> Lack:
    return shipped_goal().lack(compared(reference))


def test_most_of_an_equaliser_and_a_gain_is_heard_through_other_words():
    told = lack(render(OTHER, WANTED, RATE))
    target = SPACE.hear(render(INPUT, WANTED, RATE), RATE)
    wanted_db = target.mean_db - INPUT_HEARD.mean_db
    assert np.abs(told.bands_db - wanted_db) @ SPACE.weight < 0.5 * np.abs(wanted_db) @ SPACE.weight


def test_nothing_is_lacking_of_itself():
    told = lack(INPUT)
    assert np.abs(told.bands_db).max() < 0.1 and told.loudness_db == pytest.approx(0.0, abs=0.1)


def test_a_difference_in_level_is_heard_in_part():
    """Recordings differ in level by what is played, too."""
    even = lack(OTHER).loudness_db
    for gain_db in (-6.0, 6.0):
        louder = lack(np.float32(10.0 ** (gain_db / 20.0)) * OTHER).loudness_db
        assert 0.15 < (louder - even) / gain_db < 1.0


@settings(max_examples=10, deadline=None)
@given(st.floats(-20.0, 0.0), st.floats(-20.0, 0.0), st.integers(0, 99))
def test_how_loud_recordings_are_is_heard_as_a_difference_only(input_db, both_db, seed):
    rng = np.random.default_rng(seed)
    rooms = rng.standard_normal((3, RATE)) * 0.01  # of digital silence there is no level
    sounds = np.stack([INPUT[:RATE], INPUT[:RATE], OTHER[:RATE]]) + rooms
    gain_db = np.array([[0.0, 0.0, 0.0], [input_db, both_db, both_db]])
    first, second = (
        compare(SPACE, *(SPACE.hear(x, RATE) for x in gains[:, None] * sounds))
        for gains in 10.0 ** (gain_db / 20.0)
    )
    assert second.bands == pytest.approx(first.bands, abs=0.2)
    assert second.whole == pytest.approx(first.whole, abs=0.2)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-60.0, 0.0), st.sampled_from([8_000, 44_100]))
def test_any_sound_beside_any_other_tells_something_finite(seed, level_db, rate):
    rng = np.random.default_rng(seed)
    space = StyleSpace([rate])
    noise = rng.standard_normal(rate).astype(np.float32) * 10.0 ** (level_db / 20.0)
    tone = np.sin(np.arange(rate) * rng.uniform(0.01, 3.0)).astype(np.float32)
    sides = [space.hear(x, rate) for x in (noise, tone)]
    numbers = compare(space, sides[0], *sides)
    assert numbers.bands.shape == (BANDS, OF_A_BAND) and numbers.whole.shape == (OF_ALL,)
    told = shipped_goal().lack(numbers)
    assert np.isfinite(told.bands_db).all() and np.isfinite(told.loudness_db)


def test_other_models_are_refused_in_a_line(tmp_path):
    broken = tmp_path / "goal.onnx"
    broken.write_bytes(b"no model")
    for path in (broken, tmp_path / "nowhere.onnx", MODEL_FOLDER / "style.onnx"):
        with pytest.raises(ModelError, match=path.name) as caught:
            GoalModel(path)
        assert "\n" not in str(caught.value)
