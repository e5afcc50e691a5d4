"""All strategies beside each other: the same start, the same examples, the same processor time.

    python -m offline_train.main --config offline_train/configs/strategies.toml [--data DIR]

Each trains the model on sound alone, from scratch. Then the compiled chain renders what each has
learnt to set, for the pairs held out. A strategy that is a new file stands in the table, too; a run
that was stopped goes on where it was.

Compared so by C. J. Steinmetz, N. J. Bryan, J. D. Reiss, "Style Transfer of Audio Effects with
Differentiable Signal Processing", JAES 70 (2022).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from offline_train import pool, proxies, strategies
from offline_train.config import SideBySide
from offline_train.data import Recording
from offline_train.effects import EFFECT_IDS
from offline_train.live import render_batch
from offline_train.losses import WINDOWS, mr_stft
from offline_train.metrics import ratio_interval
from offline_train.model import StyleModel, to_plain
from offline_train.pool import Pool
from offline_train.strategies import Workshop
from offline_train.train import VALIDATION_BATCH, staged, train_stage
from realtime.params import PROFILES, Profile

Values = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Row:
    """What a strategy reached. distance: MR-STFT of each pair held out; steps, and the processor's
    seconds for them; ready: seconds for what it needed first, such as proxies."""

    distance: Values
    steps: int
    seconds: float
    ready: float


def run(
    config: SideBySide, train: Sequence[Recording], val: Sequence[Recording], out: Path
) -> dict[str, Row]:
    """Train all of them, print what each reached and how far the proxies are from the effects."""
    sounds = pool.of_run("audio", train, out, config.pools, config.seed)
    held_out = pool.of_run("validation", val, out, config.pools, config.seed)
    profile = PROFILES[config.profile]
    workshop = Workshop(out, profile, sounds, config.proxies, config.seed)
    rows = {name: _one(name, config, workshop, sounds, held_out) for name in strategies.names()}
    proxies.trained(dataclasses.replace(workshop, profile=_untouched(profile)))
    console = Console(width=110)
    console.print(table(rows, judge(None, held_out)))
    console.print(proxies.table(out))
    return rows


def _one(name: str, config: SideBySide, workshop: Workshop, sounds: Pool, held_out: Pool) -> Row:
    began = time.process_time()
    strategy = strategies.load(name, workshop)
    ready = time.process_time() - began
    torch.manual_seed(config.seed)
    model = StyleModel(workshop.profile, config.width, config.dropout)
    known = sounds.some(len(sounds))
    model.set_statistics(known["input"], known["reference"])
    folder = workshop.out / name
    folder.mkdir(exist_ok=True)
    train_stage(
        "audio", model, sounds, held_out, config.audio, config.seed, folder, strategy,
        lambda said: print(f"{name}: {said}"),
    )  # fmt: skip
    state = torch.load(folder / "audio.ckpt", weights_only=False)
    return Row(judge(model, held_out), state["step"], state["seconds"], ready)


@torch.no_grad()
def judge(model: StyleModel | None, held_out: Pool) -> Values:
    """MR-STFT from the target of each pair, as the compiled chain renders what `model` sets, or
    of the untouched input where there is none."""
    found = []
    for start in range(0, len(held_out), VALIDATION_BATCH):
        batch = held_out.batch(np.arange(start, min(start + VALIDATION_BATCH, len(held_out))))
        output = batch["input_audio"]
        if model is not None:
            model.eval()
            values = to_plain(model(batch["input"], batch["reference"]), model.profile)
            x, complete, rate = staged(values, batch, model.profile)
            output = render_batch(x, complete, model.profile, rate)
        windows = [w for w in WINDOWS if w <= output.shape[1]]
        found.append(mr_stft(output, batch["target_audio"], windows).double().numpy())
    return np.concatenate(found)


def _untouched(profile: Profile) -> Profile:
    """Of the effects that a profile leaves alone, all parameters."""
    others = [ids for ids in EFFECT_IDS.values() if not set(ids) & set(profile.predicted)]
    return Profile("others", profile.band_types, tuple(i for ids in others for i in ids))


def table(rows: dict[str, Row], untouched: Values) -> Table:
    """What is printed."""
    made = Table(title=f"{len(untouched)} pairs held out, rendered by the compiled chain")
    heads = ("", "MR-STFT", "ratio to untouched", "steps", "ms a step", "CPU s", "CPU s before")
    for head in heads:
        made.add_column(head, justify="right" if head else "left")
    made.add_row("untouched", f"{untouched.mean():.3f}", *[""] * 5)
    for name, row in rows.items():
        ratio, low, high = (
            float(end[0]) for end in ratio_interval(row.distance[:, None], untouched[:, None])
        )
        told = (f"{row.distance.mean():.3f}", f"{ratio:.3f} ({low:.3f}-{high:.3f})")
        cost = (f"{1e3 * row.seconds / max(1, row.steps):.0f}", f"{row.seconds:.0f}")
        made.add_row(name, *told, str(row.steps), *cost, f"{row.ready:.0f}")
    return made
