"""Train the model for distortion and reverb, `effects.onnx`, which stands beside `style.onnx`.

    python -m offline_train.main --config offline_train/configs/effects.toml --data DIR [--ship]

It is taught what was done: which of the two is there, their settings, how much louder they made it,
and what would be heard of the reference without them. The best weights by the loss on held-out
speakers are kept and exported.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from offline_train.checkpoint import progress_bars, save
from offline_train.config import EffectsExperiment
from offline_train.data import Recording
from offline_train.effects_model import EffectsModel, shares_of
from offline_train.effects_pool import EffectsPool, Examples, build
from offline_train.export import off_by_spreads, write_checked
from realtime.effect_features import LOOKED_AT, STATISTICS, fingerprint
from realtime.effects_predictor import DISTORTION, INPUTS, OUTPUTS, SET, EffectsPredictor
from realtime.features import LAYOUT
from realtime.params import table_hash
from realtime.predictor import EFFECTS_NAME

CLIP_NORM = 1.0
AVERAGE = 0.995  # decay of the weights' running average, which is what is validated and kept
WARM_UP = 100  # steps
# What counts how much: settings in shares of their ranges, as SET has them, and the clean features.
SETTING_WEIGHTS = (2.0, 1.0, 1.0, 2.0, 1.0, 0.3, 2.0, 4.0)
CLEAN_WEIGHT = 0.5
PARITY_BOUND = 1e-2  # of what is exported, torch against onnxruntime, in spreads or in shares


def run(
    config: EffectsExperiment, train: Sequence[Recording], val: Sequence[Recording], out: Path
) -> Path:
    """Pools, training, export; returns the ONNX file's path."""
    with progress_bars() as bars:
        bar = bars.add_task("clips", total=config.clips + config.held_out, note="")
        pools = [
            build(
                recordings, out / "pools" / name, config.seed + number, clips,
                lambda n: bars.advance(bar, n),
            )
            for number, (name, recordings, clips) in enumerate(
                (("train", train, config.clips), ("validation", val, config.held_out))
            )
        ]  # fmt: skip
    torch.manual_seed(config.seed)
    model = EffectsModel(config.width, config.dropout)
    taught, held_out = pools
    fit(model, taught, held_out, config, out)
    path = out / EFFECTS_NAME
    some = _everything(held_out, by_protocol=True)
    difference = export(model, some.input, some.reference, config.thresholds, path)
    size = path.stat().st_size / 1e6
    print(f"export: {path} ({size:.2f} MB), onnxruntime within {difference:.1e} of torch")
    return path


def fit(
    model: EffectsModel,
    pool: EffectsPool,
    held_out: EffectsPool,
    config: EffectsExperiment,
    out: Path,
) -> float:
    """Train `model` in place, going on from OUT/effects.ckpt, and leave its best weights in it;
    returns their loss on `held_out`."""
    everything = _everything(pool, by_protocol=False)
    model.set_statistics(everything.input, everything.reference)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE)
    )
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    path = out / "effects.ckpt"
    state: dict[str, Any] = {"step": 0, "best": math.inf}
    if path.exists():
        state = torch.load(path, map_location="cpu", weights_only=False)
        for name, part in (("model", model), ("average", average), ("optimiser", optimiser)):
            part.load_state_dict(state[name])
        print(f"effects: resumed at step {state['step']}")
    with progress_bars() as bars:
        bar = bars.add_task("effects", total=config.steps, completed=state["step"], note="")
        while state["step"] < config.steps:
            step = state["step"]
            cosine = 0.5 * (1.0 + math.cos(math.pi * step / config.steps))
            for group in optimiser.param_groups:
                warm = min(1.0, (step + 1) / WARM_UP)
                group["lr"] = config.learning_rate * warm * (0.02 + 0.98 * cosine)
            torch.manual_seed(config.seed + 1_000_003 * (step + 1))
            generator = torch.Generator().manual_seed(config.seed + 1_000_003 * (step + 1))
            clips = torch.randint(len(pool), (config.batch,), generator=generator)
            loss = _loss(model.train(), pool.draw(clips, generator, False), config.noise)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimiser.step()
            average.update_parameters(model)
            state["step"] += 1
            bars.update(bar, completed=state["step"], note=f"loss {float(loss.detach()):.3f}")
            if state["step"] % config.every == 0 or state["step"] == config.steps:
                value = validate(average.module, held_out)
                if value < state["best"]:
                    kept = {k: v.detach().clone() for k, v in average.module.state_dict().items()}
                    state.update(best=value, best_weights=kept)
                print(f"effects: step {state['step']}, loss {float(loss.detach()):.4f}, "
                      f"validation {value:.4f}")  # fmt: skip
                parts = {"model": model, "average": average, "optimiser": optimiser}
                save({**state, **{n: part.state_dict() for n, part in parts.items()}}, path)
    model.load_state_dict(state["best_weights"])
    return float(state["best"])


@torch.no_grad()
def validate(model: EffectsModel, pool: EffectsPool) -> float:
    """The loss on a pool's clips, drawn by the protocol."""
    return float(_loss(model.eval(), _everything(pool, by_protocol=True)))


def _everything(pool: EffectsPool, by_protocol: bool) -> Examples:
    """A few examples of every clip, always the same."""
    clips = torch.arange(len(pool)).repeat(4 if by_protocol else 1)
    return pool.draw(clips, torch.Generator().manual_seed(1), by_protocol)


def _loss(model: EffectsModel, examples: Examples, noise: float = 0.0) -> Tensor:
    presence, shares, cleaning = model.predict(
        *(model.perturbed(side, noise) for side in (examples.input, examples.reference))
    )
    there = examples.presence
    told = functional.binary_cross_entropy_with_logits(presence, there)
    counts = torch.cat(
        [
            there[:, :1].expand(-1, len(DISTORTION)),
            there[:, 1:].expand(-1, len(SET) - 1 - len(DISTORTION)),
            there.amax(1, keepdim=True),
        ],
        dim=1,
    ) * torch.tensor(SETTING_WEIGHTS)  # fmt: skip
    apart = functional.smooth_l1_loss(
        shares, shares_of(examples.settings), reduction="none", beta=0.1
    )
    settings = (apart * counts).sum(1).mean()
    wanted = (examples.clean - examples.reference)[:, :STATISTICS] / model.std[:STATISTICS]
    off = (cleaning - wanted).abs()
    clean = (
        2.0 * off[:, LAYOUT["mean"]].mean()
        + off[:, LAYOUT["percentiles"]].mean()
        + 0.5 * off[:, LAYOUT["mask"].stop :].mean()
    )
    return told + settings + CLEAN_WEIGHT * clean


def export(
    model: EffectsModel, inputs: Tensor, references: Tensor, thresholds: Sequence[float], path: Path
) -> float:
    """Write `model` to `path` atomically and return the largest difference from torch, over the
    spread of each output.

    inputs, references: what was heard (pairs, LOOKED_AT), to compare on. thresholds: presence from
    which on a distortion and a reverb are set.

    Raises: ParityError where it is more than PARITY_BOUND; nothing is written.
    """
    told = {
        "table": table_hash(),
        "features": fingerprint(),
        "settings": json.dumps(SET),
        "thresholds": json.dumps(thresholds),
    }

    def off(made: Path) -> float:
        with torch.no_grad():
            ours = [side.numpy() for side in model(inputs, references)]
        theirs = EffectsPredictor(made).answers(inputs.numpy(), references.numpy())
        return off_by_spreads(ours, theirs)

    example = (torch.zeros(2, LOOKED_AT), torch.zeros(2, LOOKED_AT))
    return write_checked(model, example, INPUTS, OUTPUTS, told, path, off, PARITY_BOUND)
