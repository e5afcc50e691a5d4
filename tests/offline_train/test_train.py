"""Training: every stage runs, a killed run goes on, the exported file is what was trained."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from offline_train import pool, strategies  # noqa: E402
from offline_train.config import CONFIGS, ConfigError, Level, Stage, in_small, read  # noqa: E402
from offline_train.data import synthesised  # noqa: E402
from offline_train.export import PARITY_BOUND, ParityError, export, export_checkpoint, parity  # noqa: E402
from offline_train.level_training import teach_level  # noqa: E402
from offline_train.main import main  # noqa: E402
from offline_train.model import StyleModel, to_plain  # noqa: E402
from offline_train.strategies.ad import AutomaticDifferentiation  # noqa: E402
from offline_train.train import train_stage  # noqa: E402
from realtime.params import EQ_COMP, PROFILES, table_hash  # noqa: E402
from realtime.predictor import Predictor  # noqa: E402

EXACT = AutomaticDifferentiation(EQ_COMP)
ROOT = Path(__file__).resolve().parents[2]
SMOKE_SECONDS = 120.0  # of the processor's time: a busy machine takes longer by the clock
PATIENCE_SECONDS = 900.0
STAGE = Stage(
    steps=9, batch=8, learning_rate=1e-3, weight_decay=0.01, noise=0.05, every=3, patience=9
)


def command(out: Path) -> list[str]:
    return [sys.executable, "-m", "offline_train.main", "--smoke", "--out", str(out)]


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, float]:
    """A smoke run that is killed in its first stage and started again: output, folder, seconds."""
    out = tmp_path_factory.mktemp("smoke") / "run"
    began, spent = time.monotonic(), _children_seconds()
    first = subprocess.Popen(
        command(out), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    while not (out / "curve.ckpt").exists():
        assert first.poll() is None, "the run ended before its first checkpoint"
        assert time.monotonic() - began < PATIENCE_SECONDS
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    second = subprocess.run(
        [*command(out), "--resume"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert second.returncode == 0, second.stderr[-2_000:]
    return second.stdout, out, _children_seconds() - spent


def _children_seconds() -> float:
    """Processor time of all children that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def test_smoke_runs_every_stage_in_time(smoke):
    output, out, seconds = smoke
    for stage in (
        "curve: ",
        "settings: ",
        "audio: ",
        "level: ",
        "export: ",
        "speech, 24000 Hz",
        "music, 44100 Hz",
        "done",
    ):
        assert stage in output, stage
    assert "untouched" in output
    assert "MR-STFT" in output
    assert (out / "style.onnx").is_file()
    assert not list(out.rglob("*.tmp"))
    assert seconds < SMOKE_SECONDS


def test_a_killed_run_goes_on_from_its_checkpoint(smoke):
    assert "curve: resumed at step " in smoke[0]
    assert "curve: starts at" not in smoke[0]


def test_smoke_model_is_used_on_stage_and_names_its_table(smoke):
    path = smoke[1] / "style.onnx"
    assert Predictor(path).profile is EQ_COMP
    meta = {entry.key: entry.value for entry in onnx.load(str(path)).metadata_props}
    assert meta["table"] == table_hash()


def test_a_run_that_was_killed_has_the_losses_of_one_that_was_not(smoke, tmp_path):
    """To float32's last digit, from the kill in the middle of its first stage on."""
    run = smoke[1]
    config = read(CONFIGS / "smoke.toml")
    frames = config.pools.audio_frames
    kept = {
        name: (run / "pools" / name, pool.Recipe(config.seed + number, count, length))
        for name, number, count, length in (
            ("features", 0, config.pools.features, 0),
            ("validation", 1, config.pools.validation, frames),
            ("audio", 2, config.pools.audio, frames),
        )
    }
    pairs, held_out = pool.Pool(kept["features"], kept["audio"]), pool.Pool(kept["validation"])
    torch.manual_seed(config.seed)
    model = StyleModel(EQ_COMP, config.width, config.dropout)
    known = pairs.some(len(pairs))
    model.set_statistics(known["input"], known["reference"])
    stage = config.curve
    train_stage("curve", model, pairs, held_out, stage, config.seed, tmp_path, EXACT)
    histories = [
        torch.load(out / "curve.ckpt", weights_only=False)["history"] for out in (run, tmp_path)
    ]
    steps, losses = zip(*[zip(*history, strict=True) for history in histories], strict=True)
    assert steps[0] == steps[1]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_a_checkpoint_becomes_the_model_that_was_exported(smoke, examples, tmp_path):
    """But for the level head, taught behind it, which moves the output gain alone."""
    path = tmp_path / "style.onnx"
    export_checkpoint(smoke[1] / "audio.ckpt", path)
    sides = [examples.some(4)[side].numpy() for side in ("input", "reference")]
    first, second = (Predictor(p).units(*sides) for p in (path, smoke[1] / "style.onnx"))
    gain = EQ_COMP.predicted.index("output.gain_db")
    assert np.allclose(np.delete(first, gain, 1), np.delete(second, gain, 1), atol=PARITY_BOUND)


def test_another_runs_folder_is_refused_in_one_line(smoke, tmp_path):
    marker = smoke[1] / "run.json"
    other = tmp_path / "other"
    other.mkdir()
    (other / marker.name).write_text("{}", encoding="utf-8")
    done = subprocess.run(command(other), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "another" in done.stderr


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> pool.Pool:
    """A few pairs of synthesised sound, with audio."""
    folder = tmp_path_factory.mktemp("pool")
    return pool.build(synthesised()[0], folder, pool.Recipe(1, 12, audio_frames=8_192), workers=1)


def small_model(examples: pool.Pool, profile=EQ_COMP) -> StyleModel:
    torch.manual_seed(4)
    model = StyleModel(profile, width=32)
    sides = [examples.some(12)[k] for k in ("input", "reference")]
    model.set_statistics(*sides)
    return model


class Cut(pool.Pool):
    """A pool whose power is cut after so many batches."""

    def __init__(self, whole: pool.Pool, batches: int) -> None:
        self.__dict__.update(whole.__dict__)
        self.left = batches

    def rows(self, indices):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return super().rows(indices)


@pytest.mark.parametrize(("windows", "batches"), [((), 2), ((), 7), ((128, 512), 6)])
def test_an_interrupted_stage_ends_where_it_would_have_ended(examples, tmp_path, windows, batches):
    stage = Stage(**{**STAGE.__dict__, "windows": windows})
    finals = []
    for name in ("whole", "cut"):
        out = tmp_path / name
        out.mkdir()
        model = small_model(examples)
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                train_stage("s", model, Cut(examples, batches), examples, stage, 1, out, EXACT)
            model = small_model(examples)
        best = train_stage("s", model, examples, examples, stage, 1, out, EXACT)
        finals.append((best, torch.cat([p.detach().ravel() for p in model.parameters()])))
    assert finals[0][0] == finals[1][0]
    assert torch.equal(finals[0][1], finals[1][1])


def test_training_lowers_the_loss_and_keeps_the_best(examples, tmp_path):
    longer = Stage(**{**STAGE.__dict__, "steps": 120, "every": 40, "learning_rate": 5e-3})
    model = small_model(examples)
    said: list[str] = []
    best = train_stage("s", model, examples, examples, longer, 1, tmp_path, EXACT, said.append)
    values = [float(line.split()[-1]) for line in said]
    assert best == pytest.approx(min(values), abs=1e-4)
    assert best < 0.97 * values[0]


def test_training_stops_early_when_nothing_gets_better(examples, tmp_path):
    stuck = Stage(**{**STAGE.__dict__, "learning_rate": 0.0, "steps": 100, "patience": 2})
    said: list[str] = []
    train_stage(
        "s", small_model(examples), examples, examples, stuck, 1, tmp_path, EXACT, said.append
    )
    assert "step 6," in said[-1]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_export_is_what_was_trained(examples, tmp_path, profile):
    model = small_model(examples, profile)
    sides = [examples.some(12)[k] for k in ("input", "reference")]
    path = tmp_path / "m.onnx"
    assert export(model, *sides, path, {}) <= PARITY_BOUND
    units = Predictor(path).units(*(side.numpy() for side in sides))
    assert units.shape == (12, len(profile.predicted))
    assert np.ptp(units, axis=0).max() > 0.01  # it does listen
    weights = sum(p.numel() for p in model.parameters())
    assert path.stat().st_size < 2 * weights + 360_000  # two bytes each, and the graph


def test_export_that_differs_is_not_written(examples, tmp_path):
    model = small_model(examples)
    sides = [examples.some(12)[k] for k in ("input", "reference")]
    path = tmp_path / "m.onnx"
    export(model, *sides, path, {})
    written = path.read_bytes()
    with torch.no_grad():
        model.start.add_(0.5)
    assert parity(model, path, *sides) > PARITY_BOUND
    wrong = [sides[0], torch.full_like(sides[1], float("nan"))]
    with pytest.raises(ParityError):
        export(model, *wrong, path, {})
    assert path.read_bytes() == written
    assert list(tmp_path.iterdir()) == [path]


def test_every_configuration_in_the_package_reads():
    found = sorted(CONFIGS.glob("*.toml"))
    assert {"default.toml", "smoke.toml", "seed.toml"} <= {path.name for path in found}
    for path in found:
        assert getattr(read(path), "strategy", "ad") in strategies.names()


def test_any_run_can_be_tried_in_small():
    """Its switches, the small run's sizes."""
    large, small = (read(CONFIGS / name) for name in ("gpu.toml", "smoke.toml"))
    tried = in_small(large)
    assert tried.mixed_precision and not small.mixed_precision
    assert tried.audio.draws == large.audio.draws
    assert tried.settings.learning_rate == large.settings.learning_rate
    assert tried.pools == small.pools
    for stage in ("settings", "audio"):
        assert getattr(tried, stage).steps == getattr(small, stage).steps
    assert max(tried.audio.windows) <= small.pools.audio_frames
    with pytest.raises(ConfigError, match="experiment"):
        in_small(read(CONFIGS / "seed.toml"))


def test_the_level_head_takes_away_what_the_level_lacks(examples):
    """So a model that is 6 dB too quiet by itself is as loud as the same one that is not."""
    level = Level(4, steps=60, rendered_steps=250, batch=64, learning_rate=5e-3, weight_decay=0.0)
    train, _ = synthesised(3)
    known = examples.some(16)
    gains = []
    for moved in (0.0, -0.6):
        model = small_model(examples)
        model.start[EQ_COMP.predicted.index("output.gain_db")] += moved
        teach_level(model, train, examples, level, 1, lambda line: None)
        with torch.no_grad():
            values = to_plain(model(known["input"], known["reference"]), EQ_COMP)
        gains.append(values["output.gain_db"])
    assert float((gains[1] - gains[0]).abs().median()) < 2.0


def test_a_strategy_that_is_none_is_named(tmp_path, capsys):
    text = (CONFIGS / "smoke.toml").read_text(encoding="utf-8")
    path = tmp_path / "mine.toml"
    path.write_text(text.replace('strategy = "ad"', 'strategy = "hope"'), encoding="utf-8")
    assert main(["--config", str(path), "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "hope" in said and "np-fh" in said and said.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("seed = 1", "sead = 1"), "sead"),
        (("width = 64", ""), "width"),
        (('profile = "eq-comp"', 'profile = "loud"'), "loud"),
        (("seed = 1", "seed ="), "line 2"),
        (("[audio]\nsteps = 12", "[audio]\nstops = 12"), "stops"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, change, named):
    text = (CONFIGS / "smoke.toml").read_text(encoding="utf-8")
    assert change[0] in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(*change), encoding="utf-8")
    with pytest.raises(ConfigError, match=named) as caught:
        read(path)
    assert "mine.toml" in str(caught.value)
    assert "\n" not in str(caught.value)
