"""The model of what a rendering lacks: made, taught, exported."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from offline_train import goal_experiment, goal_pool  # noqa: E402
from offline_train.config import CONFIGS, GoalExperiment, read  # noqa: E402
from offline_train.data import synthesised  # noqa: E402
from offline_train.export import ParityError  # noqa: E402
from offline_train.goal_model import GoalModel  # noqa: E402
from realtime import goal  # noqa: E402
from realtime.comparison import OF_A_BAND, OF_ALL  # noqa: E402
from realtime.model_file import ModelFile  # noqa: E402
from realtime.preset import Preset  # noqa: E402
from realtime.style_space import BANDS  # noqa: E402
from realtime.transfer import answer, render  # noqa: E402
from tests.support import speech_like  # noqa: E402

RATE = 24_000
TRAIN, VAL = synthesised()


@pytest.fixture(scope="module")
def config() -> GoalExperiment:
    shipped = read(CONFIGS / "goal.toml")
    assert isinstance(shipped, GoalExperiment)
    return dataclasses.replace(shipped, examples=24, held_out=6, workers=1, steps=150, batch=24)


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    out = tmp_path_factory.mktemp("goal")
    return goal_experiment.run(config, TRAIN, VAL, out), out


def test_a_run_makes_a_model_that_is_taken(run):
    model = goal.GoalModel(run[0])
    bands, loudness = model.answers(
        np.zeros((3, BANDS, OF_A_BAND), np.float32), np.zeros((3, OF_ALL), np.float32)
    )
    assert bands.shape == (3, BANDS) and loudness.shape == (3, 1)


def test_what_is_shipped_was_trained_behind_the_models_that_are_shipped():
    shipped = ModelFile(goal.MODEL_FOLDER / goal.MODEL_NAME)
    assert shipped.metadata(("behind",), {})["behind"] == goal_experiment.behind(), (
        "another style.onnx or effects.onnx: train goal.onnx again"
    )


def test_what_it_was_taught_it_hears(run, config):
    rows = goal_pool.build(TRAIN, run[1] / "pools" / "train", config.seed, 24, 1)
    model = GoalModel(config.width, 0.0)
    goal_experiment.fit(model, rows, dataclasses.replace(config, steps=300))
    before, after = goal_experiment.errors(None, rows), goal_experiment.errors(model, rows)
    assert after[0] < 0.5 * before[0] and after[1] < 0.7 * before[1]


def test_a_pool_is_made_once_and_goes_on_where_it_stopped(run, config):
    folder = run[1] / "pools" / "validation"
    files = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    first = goal_pool.build(VAL, folder, config.seed + 1, 6, 1)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    next(iter(files)).unlink()
    second = goal_pool.build(VAL, folder, config.seed + 1, 6, 1)
    assert all(torch.equal(first[key], second[key]) for key in goal_pool.KEYS)


def test_an_example_lacks_what_brings_the_rendering_to_the_target():
    x, other = (speech_like(3.0, RATE, seed) for seed in (0, 1))
    style = Preset({"eq5.gain_db": 12.0})
    reference = render(other, style, RATE)
    made = render(x, answer(x, reference, RATE), RATE)
    for gain_db in (0.0, 6.0):
        target = made * np.float32(10.0 ** (gain_db / 20.0))
        row = dict(zip(goal_pool.KEYS, goal_pool.example(x, reference, target, RATE), strict=True))
        assert row["bands_db"] == pytest.approx(np.full(BANDS, gain_db), abs=0.1)
        assert row["levels_db"] == pytest.approx([gain_db, gain_db], abs=0.01)
        assert float(row["weight"].sum()) == pytest.approx(1.0)


def test_an_export_that_differs_is_not_written(run, tmp_path, monkeypatch):
    model, path = GoalModel(), tmp_path / "goal.onnx"
    sides = torch.randn(4, BANDS, OF_A_BAND), torch.randn(4, OF_ALL)
    other = GoalModel()
    calls = itertools.count()
    forward = model.forward
    monkeypatch.setattr(  # traced as it is, compared as another
        model, "forward", lambda *given: (other if next(calls) else forward)(*given)
    )
    with pytest.raises(ParityError):
        goal_experiment.export(model, *sides, path)
    assert not list(tmp_path.iterdir())
