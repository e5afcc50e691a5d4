"""Training by several processes, of data that no memory holds, and in half the precision."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from offline_train import parallel, pool  # noqa: E402
from offline_train.config import CONFIGS, Stage  # noqa: E402
from offline_train.main import main  # noqa: E402
from offline_train.model import StyleModel  # noqa: E402
from offline_train.parallel import Dropout, Team, TeamError  # noqa: E402
from offline_train.strategies.ad import AutomaticDifferentiation  # noqa: E402
from offline_train.train import train_stage  # noqa: E402
from realtime.features import SIZE  # noqa: E402
from realtime.params import EQ_COMP  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "examples = 2": "examples = 0",
    "width = 64": "width = 32",
    "features = 64": "features = 16",
    "audio = 32": "audio = 8",
    "steps = 60": "steps = 6",
    "every = 20": "every = 3",
    "learning_rate = 2e-3\nweight_decay = 0.02": "learning_rate = 0.1\nweight_decay = 0.02",
    "steps = 12\nbatch = 4\nlearning_rate = 2e-4": "steps = 4\nbatch = 4\nlearning_rate = 0.1",
    "every = 6": "every = 2",
    "batch = 32": "batch = 8",
}


def tiny_config(folder: Path) -> Path:
    text = (CONFIGS / "smoke.toml").read_text(encoding="utf-8")
    for old, new in TINY.items():
        assert old in text
        text = text.replace(old, new)
    path = folder / "tiny.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_two_processes_train_as_one_does(tmp_path):
    """The same losses step by step and the same weights, dropout, noise and all; one result."""
    config = tiny_config(tmp_path)
    alone, both = tmp_path / "alone", tmp_path / "both"
    assert main(["--config", str(config), "--out", str(alone)]) == 0
    both.mkdir()
    shutil.copytree(alone / "pools", both / "pools")
    shutil.copy(alone / "run.json", both)
    team = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*team, "-m", "offline_train.main", "--config", str(config), "--out", str(both)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stdout.count("export: ") == 1
    torch.manual_seed(1)
    start = {n: p.detach() for n, p in StyleModel(EQ_COMP, width=32).named_parameters()}
    for stage in ("settings", "audio"):
        one, two = (torch.load(out / f"{stage}.ckpt", weights_only=False) for out in (alone, both))
        assert [s for s, _ in one["history"]] == [s for s, _ in two["history"]]
        for (_, first), (_, second) in zip(one["history"], two["history"], strict=True):
            assert second == pytest.approx(first, rel=1e-4), stage
        apart, moved = (
            torch.cat([(one["model"][n] - other[n]).ravel() for n in start])
            for other in (two["model"], start)
        )
        assert float(apart.norm()) < 0.01 * float(moved.norm()), stage


def test_a_batch_that_cannot_be_shared_is_named():
    with pytest.raises(TeamError, match=r"batch of 9 .* 2 processes"):
        Team(0, 2, torch.device("cpu")).own(9)


def test_shares_are_the_whole_batch_once():
    rows = [np.arange(12)[Team(rank, 3, torch.device("cpu")).own(12)] for rank in range(3)]
    assert np.array_equal(np.concatenate(rows), np.arange(12))


def test_dropout_keeps_the_mean_and_does_nothing_on_stage():
    layer, x = Dropout(0.3), torch.ones(200, 500)
    torch.manual_seed(1)
    dropped = layer(x)
    assert float((dropped == 0.0).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.02)
    assert layer.eval()(x) is x


def test_rows_are_drawn_for_everyone_and_kept_by_one(monkeypatch):
    torch.manual_seed(3)
    whole = torch.rand(6)
    monkeypatch.setattr(parallel.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(parallel.distributed, "get_world_size", lambda: 3)
    parts = []
    for rank in range(3):
        monkeypatch.setattr(parallel.distributed, "get_rank", lambda rank=rank: rank)
        torch.manual_seed(3)
        parts.append(parallel.rows_of_all(torch.rand, 2))
    assert torch.equal(torch.cat(parts), whole)


def big_pool(folder: Path, chunks: int, frames: int) -> pool.Pool:
    """A pool whose audio is there but was never made: files with holes."""
    recipe = pool.Recipe(1, chunks * pool.CHUNK, audio_frames=frames)
    layout = [("input", np.float32, (SIZE,)), ("reference", np.float32, (SIZE,))]
    for index in range(chunks):
        path = folder / f"audio{frames}-seed1-{index:05d}.npy"
        rows = np.lib.format.open_memmap(path, "w+", layout, (pool.CHUNK,))
        rows["input"][:, 0] = index * pool.CHUNK + np.arange(pool.CHUNK)
        shape = (pool.CHUNK, 2, frames)
        sound = np.lib.format.open_memmap(path.with_suffix(".audio.npy"), "w+", np.int16, shape)
        sound[:, :, 0] = index + 1
    return pool.Pool((folder, recipe))


def test_a_pool_larger_than_memory_is_read_row_by_row(tmp_path):
    tracemalloc.start()
    try:
        made = big_pool(tmp_path, 8, 65_536)
        tracemalloc.reset_peak()
        for seed in range(4):
            rows = np.random.default_rng(seed).choice(len(made), 8, replace=False)
            batch = made.batch(rows)
            assert batch["input"][:, 0].tolist() == rows.tolist()
            chunk = batch["input_audio"][:, 0] * pool.AUDIO_SCALE
            assert np.allclose(chunk.numpy(), rows // pool.CHUNK + 1, atol=1e-3)
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    on_disk = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert held < 0.05 * on_disk


def test_pools_join(tmp_path):
    both = [tmp_path / name for name in "ab"]
    for folder in both:
        folder.mkdir()
    parts = [big_pool(folder, 1, 16) for folder in both]
    joined = pool.Pool(*parts[0].parts, *parts[1].parts)
    assert len(joined) == 2 * pool.CHUNK
    assert joined.rows([0, pool.CHUNK - 1, pool.CHUNK, 2 * pool.CHUNK - 1])["input"][
        :, 0
    ].tolist() == [0, pool.CHUNK - 1, 0, pool.CHUNK - 1]


def test_half_the_precision_trains_alike(smallest, tmp_path):
    """The networks in bfloat16, all around them as it was: losses within a few per cent."""
    stage = Stage(
        steps=8, batch=8, learning_rate=2e-3, weight_decay=0.0, noise=0.05, every=8, patience=9,
        windows=(128, 512),
    )  # fmt: skip
    ends = []
    for mixed in (False, True):
        torch.manual_seed(4)
        model = StyleModel(EQ_COMP, width=32, mixed_precision=mixed)
        model.set_statistics(*(smallest.some(12)[k] for k in ("input", "reference")))
        seen = set()
        model.trunk[0].register_forward_hook(
            lambda layer, given, out, seen=seen: seen.add((layer.training, out.dtype))
        )
        out = tmp_path / str(mixed)
        out.mkdir()
        exact = AutomaticDifferentiation(EQ_COMP)
        train_stage("s", model, smallest, smallest, stage, 1, out, exact, lambda line: None)
        state = torch.load(out / "s.ckpt", weights_only=False)
        ends.append([loss for _, loss in state["history"]])
        while_training = torch.bfloat16 if mixed else torch.float32
        assert seen == {(True, while_training), (False, torch.float32)}
        assert all(p.dtype == torch.float32 for p in model.parameters())
    assert ends[0][-1] < ends[0][0]
    assert ends[1] == pytest.approx(ends[0], rel=0.05)
    assert ends[1] != ends[0]


@pytest.fixture(scope="module")
def smallest(tmp_path_factory: pytest.TempPathFactory) -> pool.Pool:
    from offline_train.data import synthesised

    folder = tmp_path_factory.mktemp("pool")
    return pool.build(synthesised()[0], folder, pool.Recipe(1, 12, audio_frames=8_192), workers=1)
