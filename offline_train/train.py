"""The training loop: one stage at a time, early stopping, resumable, seeded step by step.

What a step does depends on the seed, the stage and the step's number alone, so a run that was
killed and resumed ends where it would have ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from offline_train.augment import augment
from offline_train.checkpoint import progress_bars, save
from offline_train.config import CurveStage, Stage
from offline_train.losses import WINDOWS, audio_loss, curve_term, mr_stft, settings_loss
from offline_train.model import STYLE, StyleModel, to_plain
from offline_train.parallel import Team, join
from offline_train.pool import Pool
from offline_train.strategies import Strategy
from realtime.features import LAYOUT
from realtime.params import BY_ID, WORKING_LOUDNESS_LUFS, Profile

CLIP_NORM = 1.0
AVERAGE = 0.998  # decay of the weights' running average, which is what gets validated and kept
WARM_UP = 100  # steps
VALIDATION_BATCH = 16

Batch = Mapping[str, Tensor]
Say = Callable[[str], None]


def train_stage(
    name: str,
    model: StyleModel,
    pool: Pool,
    validation: Pool,
    stage: Stage,
    seed: int,
    out: Path,
    strategy: Strategy,
    say: Say = print,
    team: Team | None = None,
) -> float:
    """Train `model` in place through one stage and leave its best weights in it.

    Writes OUT/NAME.ckpt (to resume from) as it goes; picks up from it where it is there.
    Returns the best validation loss. What is validated is what the stage trains on: the curve,
    settings, or the MR-STFT of the twin's rendering. team: whom the work is shared with; the leader
    writes.

    Raises: TeamError where a batch does not go round.
    """
    team = team or join()
    model.to(team.device)
    for parameter in model.parameters():
        parameter.requires_grad_(not isinstance(stage, CurveStage))
    model.curve.requires_grad_(True)
    trainee: nn.Module = _Trainee(model, isinstance(stage, CurveStage))
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE)
    )
    optimiser = torch.optim.AdamW(
        [p for p in model.parameters() if p.requires_grad],
        lr=stage.learning_rate,
        weight_decay=stage.weight_decay,
    )
    path = out / f"{name}.ckpt"
    state = _load(path)
    if state is None:
        best = validate(model, validation, stage, strategy, team)
        state = {"step": 0, "seconds": 0.0, "best": best, "since": 0, "history": [(0, best)]}
        state["best_weights"] = _copy(model)
        say(f"{name}: starts at {best:.4f}")
    else:
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        say(f"{name}: resumed at step {state['step']}")
    if team.size > 1:
        trainee = nn.parallel.DistributedDataParallel(trainee)
    with progress_bars() as bars:
        bar = bars.add_task(name, total=stage.steps, completed=state["step"], note="")
        while _done(state, stage) < 1.0 and state["since"] < stage.patience:
            for _ in range(min(stage.every, stage.steps - state["step"])):
                began = time.process_time()
                loss = _step(trainee, optimiser, pool, stage, seed, state, strategy, team)
                average.update_parameters(model)
                state["step"] += 1
                state["seconds"] += time.process_time() - began
                bars.update(bar, completed=state["step"], note=f"loss {loss:.3f}")
                if _done(state, stage) == 1.0:
                    break
            value = validate(average.module, validation, stage, strategy, team)
            state["history"].append((state["step"], value))
            state["since"] += 1
            if value < state["best"]:
                state.update(best=value, since=0, best_weights=_copy(average.module))
            say(f"{name}: step {state['step']}, loss {loss:.4f}, validation {value:.4f}")
            state.update(
                profile=model.profile.name,
                model=model.state_dict(),
                average=average.state_dict(),
                optimiser=optimiser.state_dict(),
            )
            if team.rank == 0:
                save(state, path)
    model.load_state_dict(state["best_weights"])
    return float(state["best"])


class _Trainee(nn.Module):
    """What of the model a stage trains, as a forward pass that several processes can share."""

    def __init__(self, model: StyleModel, curve_only: bool) -> None:
        super().__init__()
        self.model = model
        self.curve_only = curve_only

    def forward(self, input: Tensor, reference: Tensor) -> tuple[Tensor, ...]:
        if self.curve_only:
            return (self.model.aim(input, reference)[0],)
        return self.model.predict(input, reference)


def _done(state: Mapping[str, Any], stage: Stage) -> float:
    """How much of a stage is behind us, 0 to 1: of its steps, or of its time if that is more."""
    steps = state["step"] / stage.steps
    return min(1.0, max(steps, state["seconds"] / stage.seconds if stage.seconds else 0.0))


def _step(
    trainee: nn.Module,
    optimiser: torch.optim.Optimizer,
    pool: Pool,
    stage: Stage,
    seed: int,
    state: Mapping[str, Any],
    strategy: Strategy,
    team: Team,
) -> float:
    step = state["step"]
    model: StyleModel = next(m for m in trainee.modules() if isinstance(m, StyleModel))
    rng = np.random.default_rng([seed, len(stage.windows), step])
    torch.manual_seed(int(rng.integers(2**62)))
    warm = min(1.0, (step + 1) / WARM_UP)
    for group in optimiser.param_groups:
        cosine = 0.5 * (1.0 + math.cos(math.pi * _done(state, stage)))
        group["lr"] = stage.learning_rate * warm * (0.02 + 0.98 * cosine)
    trainee.train()
    # Features are small: everyone varies the whole batch, alike, and then keeps its own rows.
    chosen = np.sort(rng.choice(len(pool), min(stage.batch, len(pool)), replace=False))
    own = team.own(len(chosen))
    batch = _on(team.device, pool.rows(chosen))
    if not stage.windows:
        batch = augment(batch)
    inputs, references = (
        _perturb(batch[side], stage.noise, model)[own] for side in ("input", "reference")
    )
    batch = {k: v[own] for k, v in batch.items()}
    given = trainee(inputs, references)
    if isinstance(stage, CurveStage):
        loss = curve_term(given[0], batch)
    else:
        values = to_plain(given[0], model.profile)
        terms = settings_loss(values, given[1], batch, model.profile)
        loss = stage.settings_weight * torch.stack(list(terms.values())).sum()
    if stage.windows:
        batch |= _on(team.device, pool.sounds(chosen[own]))
        heard = _cut(batch, stage.frames, rng)
        windows = rng.permutation(stage.windows)[: stage.draws or None].tolist()
        output = strategy.train(*staged(values, heard, model.profile))
        loss = loss + audio_loss(output, heard["target_audio"], windows, stage.mae_weight)
    optimiser.zero_grad()
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    if torch.isfinite(norm):
        optimiser.step()
    return float(loss.detach())


def _on(device: torch.device, batch: Batch) -> dict[str, Tensor]:
    return {k: v.to(device, non_blocking=True) for k, v in batch.items()}


def _cut(batch: Batch, frames: int, rng: np.random.Generator) -> Batch:
    """The batch with `frames` of its audio from a random place on; with all of it where 0."""
    room = batch["input_audio"].shape[1] - frames
    if frames == 0 or room <= 0:
        return batch
    start = int(rng.integers(room + 1))
    sides = ("input_audio", "target_audio")
    return {**batch, **{side: batch[side][:, start : start + frames] for side in sides}}


def _perturb(features: Tensor, noise: float, model: StyleModel) -> Tensor:
    """Features with a little noise, in units of their spread; the mask and the loudness stay."""
    drawn = torch.randn(len(features), STYLE, device=features.device)
    scale = noise * model.feature_std * drawn
    scale[:, LAYOUT["mask"]] = 0.0
    return torch.cat([features[:, :STYLE] + scale, features[:, STYLE:]], dim=1)


def staged(
    values: Mapping[str, Tensor], batch: Batch, profile: Profile
) -> tuple[Tensor, dict[str, Tensor], Tensor]:
    """What a strategy renders: the batch's input audio, the values with those that the profile
    freezes and the gain staging of a live session, the sample rates."""
    rate = batch["sample_rate"]
    complete = {i: torch.full_like(rate, value) for i, value in profile.frozen.items()}
    complete.update(values)
    if "input.gain_db" not in complete:
        low, high = BY_ID["input.gain_db"].minimum, BY_ID["input.gain_db"].maximum
        loudness = batch["input"][:, LAYOUT["loudness"]][:, 0]
        complete["input.gain_db"] = (WORKING_LOUDNESS_LUFS - loudness).clamp(low, high)
    return batch["input_audio"], complete, rate


@torch.no_grad()
def validate(model: StyleModel, pool: Pool, stage: Stage, strategy: Strategy, team: Team) -> float:
    """Mean over the pool of the curve's distance, of the settings loss or, where the stage trains
    on audio, of the MR-STFT (all of the metric's windows) of the model's rendering against the
    target."""
    model.eval()
    total = 0.0
    starts = range(0, len(pool), VALIDATION_BATCH)
    for start in starts[team.rank :: team.size]:
        batch = pool.batch(np.arange(start, min(start + VALIDATION_BATCH, len(pool))))
        batch = _on(team.device, batch)
        if isinstance(stage, CurveStage):
            curve, _ = model.aim(batch["input"], batch["reference"])
            total += float(curve_term(curve, batch)) * len(curve)
            continue
        units, curve = model.predict(batch["input"], batch["reference"])
        values = to_plain(units, model.profile)
        if stage.windows:
            windows = [w for w in WINDOWS if w <= batch["input_audio"].shape[1]]
            output = strategy.hear(*staged(values, batch, model.profile))
            total += float(mr_stft(output, batch["target_audio"], windows).sum())
        else:
            terms = settings_loss(values, curve, batch, model.profile)
            total += float(torch.stack(list(terms.values())).sum()) * len(curve)
    return team.total(total) / len(pool)


def _load(path: Path) -> dict[str, Any] | None:
    return torch.load(path, map_location="cpu", weights_only=False) if path.exists() else None


def _copy(model: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone() for k, v in model.state_dict().items()}
