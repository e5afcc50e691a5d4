"""The effects' model: its pool, its training, and the file that the player opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from offline_train import effects_experiment  # noqa: E402
from offline_train.checkpoint import save  # noqa: E402
from offline_train.config import CONFIGS, EffectsExperiment, read  # noqa: E402
from offline_train.data import synthesised  # noqa: E402
from offline_train.effects_model import EffectsModel  # noqa: E402
from offline_train.effects_pool import VARIANTS, EffectsPool, build  # noqa: E402
from realtime.effect_features import STATISTICS, hear, looked_at  # noqa: E402
from realtime.effects_predictor import LOUDER, SET, Effects, EffectsPredictor  # noqa: E402
from realtime.features import BANDS, LAYOUT, SIZE  # noqa: E402
from realtime.model_file import ModelError  # noqa: E402
from realtime.params import BY_ID, WORKING_LOUDNESS_LUFS  # noqa: E402
from tests.support import speech_like  # noqa: E402

CONFIG = read(CONFIGS / "effects.toml")
assert isinstance(CONFIG, EffectsExperiment)
TINY = replace(CONFIG, clips=4, held_out=2, width=16, batch=4, steps=4, every=2)


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> EffectsPool:
    folder = tmp_path_factory.mktemp("pool")
    made = build(synthesised()[0], folder, 1, 4)
    again = build(synthesised()[0], folder, 1, 4)  # from what is there
    assert torch.equal(made.heard, again.heard)
    return made


@pytest.fixture(scope="module")
def shipped(pool, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "effects.onnx"
    model = EffectsModel(TINY.width)
    drawn = pool.draw(torch.arange(4), torch.Generator().manual_seed(1), False)
    model.set_statistics(drawn.input, drawn.reference)
    assert effects_experiment.export(model, drawn.input, drawn.reference, (0.5, 0.5), path) < 1e-2
    return path


def test_what_is_there_goes_with_what_is_set(pool):
    assert pool.heard.shape[:2] == (4, 4 + 2 * VARIANTS)
    drawn = pool.draw(torch.arange(4).repeat(50), torch.Generator().manual_seed(2), True)
    nothing = drawn.presence.sum(1) == 0
    assert torch.equal(drawn.reference[nothing], drawn.clean[nothing])
    assert 0.1 < nothing.float().mean() < 0.45
    for column, setting in enumerate(("dist.mix", "reverb.wet")):
        there = drawn.presence[:, column] > 0
        assert (drawn.settings[there][:, SET.index(setting)] > 0).all()
        assert (drawn.reference[there] != drawn.clean[there]).any(1).all()


def test_an_input_through_the_references_chain_leaves_nothing_to_do(pool):
    drawn = pool.draw(torch.arange(4).repeat(200), torch.Generator().manual_seed(3), False)
    by_protocol = pool.draw(torch.arange(4).repeat(200), torch.Generator().manual_seed(3), True)
    moved = (drawn.input != by_protocol.input).any(1)
    fewer = drawn.presence.sum(1) < by_protocol.presence.sum(1)
    assert 0.05 < moved.float().mean() < 0.4
    assert fewer.any() and moved[fewer].all()
    assert torch.equal(drawn.clean[fewer], drawn.reference[fewer])


def test_a_killed_training_ends_where_one_that_was_not_does(pool, tmp_path, monkeypatch):
    def trained(folder: Path) -> EffectsModel:
        folder.mkdir(exist_ok=True)
        torch.manual_seed(1)
        model = EffectsModel(TINY.width, TINY.dropout)
        effects_experiment.fit(model, pool, pool, TINY, folder)
        return model

    def killed(state, path: Path) -> None:
        save(state, path)
        raise KeyboardInterrupt

    whole = trained(tmp_path / "whole").state_dict()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(effects_experiment, "save", killed)
        trained(tmp_path / "killed")
    resumed = trained(tmp_path / "killed").state_dict()
    assert all(torch.equal(resumed[name], value) for name, value in whole.items())


def test_the_players_side_says_what_the_model_says(shipped, pool):
    predictor = EffectsPredictor(shipped)
    drawn = pool.draw(torch.arange(4), torch.Generator().manual_seed(4), True)
    presence, told, cleaned = predictor.answers(drawn.input.numpy(), drawn.reference.numpy())
    assert presence.shape == (4, 2) and told.shape == (4, len(SET))
    assert cleaned.shape == (4, STATISTICS)
    mask = drawn.reference[:, LAYOUT["mask"]].numpy()
    assert np.array_equal(cleaned[:, LAYOUT["mask"]], mask)
    for column, param_id in enumerate(SET[:-1]):
        assert all(BY_ID[param_id].contains(BY_ID[param_id].clamp(v)) for v in told[:, column])


def test_what_is_added_keeps_loudness_and_reaches_the_distortion_at_its_own():
    reference = np.zeros(SIZE, np.float32)
    reference[LAYOUT["loudness"]] = -18.0
    before = {"output.gain_db": 9.0, "comp.ratio": 4.0}  # so it reaches it at -27 LUFS
    found = Effects({"dist.mix": 0.8, "dist.drive_db": 20.0}, 3.0, reference).behind(before)
    assert found["comp.makeup_gain_db"] == pytest.approx(WORKING_LOUDNESS_LUFS + 27.0)
    assert found["output.gain_db"] == pytest.approx(9.0 - 4.0 - 3.0)
    assert found["comp.ratio"] == 4.0 and found["dist.drive_db"] == 20.0
    reverb = Effects({"reverb.wet": 0.3}, 1.0, reference).behind(before)
    assert reverb["comp.makeup_gain_db"] == 0.0
    assert reverb["output.gain_db"] == pytest.approx(8.0)


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [
        ("features", "beef", "feature layout"),
        ("settings", "[1]", LOUDER),
        ("thresholds", "[0.5]", LOUDER),
        ("table", "0", "table"),
    ],
)
def test_a_model_that_means_something_else_is_refused(shipped, tmp_path, key, value, named):
    model = onnx.load(str(shipped))
    meta = {entry.key: entry.value for entry in model.metadata_props}
    onnx.helper.set_model_props(model, {**meta, key: value})
    path = tmp_path / "effects.onnx"
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match=named) as caught:
        EffectsPredictor(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_below_the_threshold_nothing_is_set(shipped, tmp_path):
    sides = [hear(speech_like(1.0, 24_000, n), 24_000) for n in (1, 2)]
    answers = EffectsPredictor(shipped).answers(*(looked_at(side)[None] for side in sides))
    for threshold, there in ((0.0, True), (1.1, False)):
        model = onnx.load(str(shipped))
        meta = {entry.key: entry.value for entry in model.metadata_props}
        onnx.helper.set_model_props(model, {**meta, "thresholds": str([threshold] * 2)})
        path = tmp_path / f"{threshold}.onnx"
        onnx.save(model, str(path))
        found = EffectsPredictor(path).effects(*sides)
        assert (found is not None) == there
        if found is not None:
            assert set(found.values) == set(SET) - {LOUDER}
            assert found.louder_db == pytest.approx(float(answers[1][0, -1]), abs=1e-4)
            before, after = sides[1][:SIZE], found.reference
            rest = slice(LAYOUT["shares"].start, SIZE)
            assert np.array_equal(after[rest], before[rest])
            moved = [
                side[LAYOUT["exemplars"]].reshape(-1, BANDS) - side[LAYOUT["mean"]]
                for side in (before, after)
            ]
            assert np.allclose(*moved, atol=1e-3)  # the spectra go with their mean
