"""The paper's experiment: its clips, its early stopping, its table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from offline_train import seed_experiment, strategies  # noqa: E402
from offline_train.config import CONFIGS, ConfigError, SeedExperiment, read  # noqa: E402
from offline_train.data import synthesised  # noqa: E402
from offline_train.model import to_plain  # noqa: E402
from offline_train.seed_experiment import SeedModel  # noqa: E402
from offline_train.seed_tracks import KNOBS, OWN, Tracks, make_tracks, rendered  # noqa: E402
from realtime.measure import loudness_lufs  # noqa: E402
from realtime.params import FULL, SEED, WORKING_LOUDNESS_LUFS  # noqa: E402

CONFIG = replace(
    read(CONFIGS / "seed.toml"), strategy="ad", tracks=8, held_out=4, channels=2, batch=4, epochs=3
)


@pytest.fixture(scope="module")
def tracks() -> Tracks:
    return make_tracks(synthesised()[0], 8, (OWN,), CONFIG, 1)


def test_the_configuration_is_the_papers():
    config = read(CONFIGS / "seed.toml")
    assert isinstance(config, SeedExperiment)
    assert (config.tracks, config.sample_rate) == (1_000, 24_000)
    assert config.frames / config.sample_rate == pytest.approx(0.53)
    assert config.windows == (32, 128, 512, 2_048)
    assert set(KNOBS[OWN]) == set(SEED.predicted)
    assert len(SEED.predicted) == 8


def test_another_experiment_is_refused_by_name(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('experiment = "sead"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="sead"):
        read(path)


@pytest.mark.parametrize("way", KNOBS)
def test_clips_stand_at_working_loudness_and_targets_differ(way):
    made = make_tracks(synthesised()[0], 3, (way,), CONFIG, 2)
    assert made.clip.shape == made.target.shape == made.reference.shape == (3, CONFIG.frames)
    for clip, target in zip(made.clip.numpy(), made.target.numpy(), strict=True):
        loudness = loudness_lufs(clip[:, None], CONFIG.sample_rate)
        assert loudness == pytest.approx(WORKING_LOUDNESS_LUFS, abs=0.05)
        assert np.abs(target).max() <= 1.0
        assert np.abs(clip - target).max() > 1e-3
    again = make_tracks(synthesised()[0], 3, (way,), CONFIG, 2)
    assert torch.equal(made.target, again.target)


def test_the_model_sets_every_parameter_from_both_sounds(tracks):
    torch.manual_seed(1)
    model = SeedModel(SEED, 2).eval()
    units = model(tracks.clip, tracks.reference)
    assert units.shape == (8, 8)
    assert float(units.detach().min()) > 0.0 and float(units.detach().max()) < 1.0
    for sides in ((tracks.clip.flip(0), tracks.reference), (tracks.clip, tracks.reference.flip(0))):
        assert float((model(*sides) - units).detach().abs().max()) > 1e-5


def test_training_ends_when_the_validation_loss_rises(tracks, tmp_path, capsys):
    held_out = replace(tracks, target=tracks.target.flip(0), reference=tracks.reference)
    config = replace(CONFIG, epochs=40, learning_rate=0.0)  # it can only stand still: no fall
    workshop = strategies.Workshop(tmp_path, SEED, tracks, config.proxies, 1)
    strategy = strategies.load("ad", workshop)
    torch.manual_seed(1)
    model = SeedModel(SEED, 2)
    for layer in model.encoder:
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 0.0
    seed_experiment.fit(model, strategy, tracks, held_out, config, tmp_path)
    assert capsys.readouterr().out.count("seed: epoch") == 2


def test_the_whole_experiment_runs_and_shows_the_papers_figures(tmp_path, capsys):
    train, val = synthesised()
    rows = seed_experiment.run(CONFIG, train, val, tmp_path)
    assert set(rows) == set(KNOBS)
    assert all(np.isfinite(row).all() for row in rows.values())
    shown = capsys.readouterr().out
    for figure in ("0.0539 / 0.2703", "0.0686 / 0.4552", "10798.1200 / 79496.9100", "32768"):
        assert figure in shown
    best = torch.load(tmp_path / "seed.ckpt", weights_only=False)
    assert best["epoch"] <= CONFIG.epochs


def test_what_is_said_of_the_targets_makes_them():
    """Settings known in `full`'s terms, rendered by `full` with anything for those that are not,
    are the targets of the two ways that only it has; another draw makes others of the same clips.
    """
    made = make_tracks(synthesised()[0], 4, tuple(KNOBS)[1:], CONFIG, 2)
    units = made.units(FULL)
    generator = torch.Generator().manual_seed(3)
    units = torch.where(units.isnan(), torch.rand(units.shape, generator=generator), units)
    heard = rendered(made.clip, to_plain(units, FULL), FULL, made.sample_rate)
    assert float((heard - made.target).abs().max()) < 1e-3 * float(made.target.abs().max())
    again = made.again(np.random.default_rng(9))
    assert torch.equal(again.clip, made.clip)
    assert float((again.target - made.target).abs().amax(1).min()) > 1e-3


def test_what_is_said_of_its_own_way_makes_nearly_the_same():
    """Four of the six peaks are told; without those at 20 and 45 Hz this is the target."""
    made = make_tracks(synthesised()[0], 4, tuple(KNOBS)[:1], CONFIG, 2)
    low = {f"eq{band}.gain_db": torch.zeros(4) for band in (1, 2)}
    still = {i: torch.full((4,), v) for i, v in SEED.values().items()}
    target = rendered(made.clip, {**still, **made.values, **low}, SEED, made.sample_rate)
    units = made.units(FULL)
    units = torch.where(units.isnan(), torch.full_like(units, 0.3), units)
    heard = rendered(made.clip, to_plain(units, FULL), FULL, made.sample_rate)
    assert float((heard - target).abs().max()) < 1e-3 * float(target.abs().max())


def test_with_all_parameters_it_learns_settings_first_and_resumes(tmp_path, capsys):
    config = replace(
        read(CONFIGS / "seed-full.toml"), tracks=6, held_out=3, channels=2, batch=3, epochs=3,
        settings_epochs=2,
    )  # fmt: skip
    train, val = synthesised()
    rows = seed_experiment.run(config, train, val, tmp_path)
    assert capsys.readouterr().out.count("seed: epoch") == 3
    assert all(np.isfinite(row).all() for row in rows.values())
    assert seed_experiment.run(config, train, val, tmp_path) == rows
    assert "seed: epoch" not in capsys.readouterr().out
