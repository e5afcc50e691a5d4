"""Train the model that hears what a rendering lacks, `goal.onnx`, for `realtime.goal`.

    python -m offline_train.main --config offline_train/configs/goal.toml --data DIR [--ship]

It hears renderings by the models that are shipped, so it is trained behind them and names them in
its metadata.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from offline_train import goal_pool
from offline_train.checkpoint import progress_bars
from offline_train.config import GoalExperiment
from offline_train.data import Recording
from offline_train.export import off_by_spreads, write_checked
from offline_train.goal_model import GoalModel
from realtime import goal
from realtime.comparison import OF_A_BAND, OF_ALL, fingerprint
from realtime.model_file import MODEL_FOLDER
from realtime.predictor import EFFECTS_NAME, MODEL_NAME
from realtime.style_space import BANDS

LACK_MAX_DB = 15.0  # more than this is an accident
PARITY_BOUND = 1e-2  # of what is exported, torch against onnxruntime, in spreads
Rows = dict[str, Tensor]


def run(
    config: GoalExperiment, train: Sequence[Recording], val: Sequence[Recording], out: Path
) -> Path:
    """Pools, training, export; returns the ONNX file's path."""
    with progress_bars() as bars:
        bar = bars.add_task("renderings", total=config.examples + config.held_out, note="")
        taught, held_out = (
            goal_pool.build(
                recordings, out / "pools" / name, config.seed + number, count, config.workers,
                lambda n: bars.advance(bar, n),
            )
            for number, (name, recordings, count) in enumerate(
                (("train", train, config.examples), ("validation", val, config.held_out))
            )
        )  # fmt: skip
    torch.manual_seed(config.seed)
    model = GoalModel(config.width, config.dropout)
    fit(model, taught, config)
    for name, rows in (("trained on", taught), ("held out", held_out)):
        before, after = errors(None, rows), errors(model, rows)
        print(
            f"goal: {name}: lacking {before[0]:.3f} dB a band and {before[1]:.3f} dB of loudness, "
            f"of which {after[0]:.3f} and {after[1]:.3f} are not heard"
        )
    path = out / goal.MODEL_NAME
    difference = export(model, held_out["bands"], held_out["whole"], path)
    size = path.stat().st_size / 1e6
    print(f"export: {path} ({size:.2f} MB), onnxruntime within {difference:.1e} of torch")
    return path


def fit(model: GoalModel, rows: Rows, config: GoalExperiment) -> None:
    """Train `model` in place, by the mean distance from what is lacking, in every band and of
    loudness and RMS."""
    model.set_statistics(rows["bands"], rows["whole"])
    model.train()
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    levels = rows["levels_db"].clamp(-LACK_MAX_DB, LACK_MAX_DB)
    lacking = rows["bands_db"].clamp(-LACK_MAX_DB, LACK_MAX_DB)
    chance = torch.Generator().manual_seed(config.seed)
    with progress_bars() as bars:
        bar = bars.add_task("goal", total=config.steps, note="")
        for step in range(config.steps):
            optimiser.param_groups[0]["lr"] = config.learning_rate * (1.0 - step / config.steps)
            some = torch.randint(len(levels), (config.batch,), generator=chance)
            bands, loudness = model(rows["bands"][some], rows["whole"][some])
            off = (bands - lacking[some]).abs() * rows["weight"][some]
            loss = off.sum(1).mean() + (loudness - levels[some]).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            bars.update(bar, completed=step + 1, note=f"loss {float(loss.detach()):.3f}")
    model.eval()


@torch.no_grad()
def errors(model: GoalModel | None, rows: Rows) -> tuple[float, float]:
    """Mean distance in dB from what is lacking, in a band and in loudness; None: adding nothing."""
    if model is None:
        bands, loudness = torch.zeros_like(rows["bands_db"]), torch.zeros(len(rows["whole"]), 1)
    else:
        bands, loudness = model(rows["bands"], rows["whole"])
    off = ((bands - rows["bands_db"]).abs() * rows["weight"]).sum(1).mean()
    return float(off), float((loudness - rows["levels_db"]).abs().mean())


def export(model: GoalModel, bands: Tensor, whole: Tensor, path: Path) -> float:
    """Write `model` to `path` atomically and return the largest difference from torch on these,
    over the spread of each output.

    Raises: ParityError where it is more than PARITY_BOUND; nothing is written.
    """

    def off(made: Path) -> float:
        with torch.no_grad():
            ours = [side.numpy() for side in model(bands, whole)]
        return off_by_spreads(ours, goal.GoalModel(made).answers(bands.numpy(), whole.numpy()))

    example = (torch.zeros(2, BANDS, OF_A_BAND), torch.zeros(2, OF_ALL))
    told = {"comparison": fingerprint(), "behind": behind()}
    return write_checked(model, example, goal.INPUTS, goal.OUTPUTS, told, path, off, PARITY_BOUND)


def behind() -> str:
    """The shipped models whose answers are heard: each file's name and what names its bytes."""
    paths = [MODEL_FOLDER / name for name in (MODEL_NAME, EFFECTS_NAME)]
    return " ".join(f"{p.name}:{hashlib.sha256(p.read_bytes()).hexdigest()[:16]}" for p in paths)
