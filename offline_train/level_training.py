"""Teach the level head, once everything else stands.

First how target and reference of a pair differ in loudness, which every pair of a pool knows.
Then, on whole halves of training clips, what the model's rendering lacks: the first is a guess
at what is wanted, the second adds what the chain makes of the settings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from offline_train.config import Level
from offline_train.curve_estimator import DYNAMICS
from offline_train.data import Library, Recording
from offline_train.effects import chain
from offline_train.level_head import SCALE_DB, SIGHT_DB, SIGHTS
from offline_train.model import StyleModel, to_plain
from offline_train.pairs import random_pair
from offline_train.pool import Pool, both_halves
from offline_train.train import staged
from realtime.features import AudioError
from realtime.measure import loudness_lufs

LOUDER_SPREAD = 0.3  # of what stands for the equaliser's loudness where nothing is rendered
NOISE = 0.1  # on what is heard of rendered examples, which are few
LACK_MAX_DB = 12.0  # more than this is an accident, not a level
ROWS = 512
PAIRS = 8_192  # so many are enough

Draw = Callable[[], tuple[Tensor, Tensor]]


def teach_level(
    model: StyleModel,
    recordings: Sequence[Recording],
    pairs: Pool,
    level: Level,
    seed: int,
    say: Callable[[str], object] = print,
) -> None:
    """Train `model.level` in place, the rest of the model as it is.

    recordings: those to train on. pairs: features of examples made from them. Does nothing where
    the profile predicts no output gain.
    """
    if "output.gain_db" not in model.profile.predicted:
        return
    model.eval()
    head = model.level
    with torch.no_grad():
        head.layers[-1].weight.zero_()
        head.layers[-1].bias.zero_()
    known, apart_db = _halves(model, pairs)
    heard, lack_db = _rendered(model, recordings, level.clips, seed)
    say(f"level: lacks {float(lack_db.abs().mean()):.2f} dB on {len(lack_db)} rendered examples")
    chance = torch.Generator().manual_seed(seed)

    def some(count: int) -> tuple[Tensor, Tensor]:
        """Examples that nothing was rendered of: settings at random in place of the model's."""
        rows = torch.randint(len(known), (count,), generator=chance)
        settings = torch.rand(count, len(head.decided), generator=chance)
        louder = LOUDER_SPREAD * torch.randn(count, 1, generator=chance)
        dynamics, sights = known[rows, :-SIGHTS], known[rows, -SIGHTS:]
        return torch.cat([dynamics, settings, louder, sights], 1), apart_db[rows]

    def some_rendered(count: int) -> tuple[Tensor, Tensor]:
        """Half of them rendered ones."""
        rows = torch.randint(len(heard), (count // 2,), generator=chance)
        noise = NOISE * torch.randn(count // 2, heard.shape[1], generator=chance)
        others, others_db = some(count - count // 2)
        others_db = others_db + lack_db.median() - apart_db.median()
        return torch.cat([heard[rows] + noise, others]), torch.cat([lack_db[rows], others_db])

    head.train()
    for draw, steps, rate in (
        (some, level.steps, level.learning_rate),
        (some_rendered, level.rendered_steps, 0.3 * level.learning_rate),
    ):
        optimiser = torch.optim.AdamW(head.parameters(), lr=rate, weight_decay=level.weight_decay)
        for step in range(steps):
            optimiser.param_groups[0]["lr"] = rate * (1.0 - step / steps)
            seen, wanted = draw(level.batch)
            loss = (head.decide(seen)[:, 0] - wanted).abs().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    head.eval()


@torch.no_grad()
def _halves(model: StyleModel, pairs: Pool) -> tuple[Tensor, Tensor]:
    """Of each pair the dynamics and the sights that the head hears, and how much louder the target
    is than the reference in dB."""
    known, apart_db = [], []
    chosen = np.linspace(0, len(pairs) - 1, min(PAIRS, len(pairs))).astype(int)
    for start in range(0, len(chosen), ROWS):
        batch = pairs.rows(chosen[start : start + ROWS])
        scaled, evidence = model.hear(batch["input"], batch["reference"])
        _, sights = model.aim(batch["input"], batch["reference"])
        sights = sights.clamp(-SIGHT_DB, SIGHT_DB) / SCALE_DB
        known.append(torch.cat([*(s[:, DYNAMICS] for s in (*scaled, evidence)), sights], 1))
        apart_db.append(batch["target_lufs"][:, 0] - batch["reference"][:, -1])
    return torch.cat(known), torch.cat(apart_db)


@torch.no_grad()
def _rendered(
    model: StyleModel, recordings: Sequence[Recording], clips: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Of both halves of so many clips all that the head hears, and what the model's rendering
    lacks of the target's loudness in dB."""
    library, rng = Library(recordings), np.random.default_rng([seed, clips])
    heard: list[Tensor] = []
    kept: list[Tensor] = []
    lacks: list[float] = []
    hook = model.level.register_forward_hook(
        lambda head, given, out: heard.append(head.collect(*given))
    )
    try:
        while len(lacks) < 2 * clips:
            pair = random_pair(library, rng, same_share=0.0, gentle_share=0.0)
            try:
                made = both_halves(pair)
            except AudioError:
                continue
            half = len(pair.input) // 2
            for n, row in enumerate(made):
                batch = {key: torch.from_numpy(np.asarray(v))[None] for key, v in row.items()}
                sound = pair.input[n * half : (n + 1) * half]
                batch["input_audio"] = torch.from_numpy(sound)[None]
                values = to_plain(model(batch["input"], batch["reference"]), model.profile)
                x, plain, rate = staged(values, batch, model.profile)
                output = chain(x, plain, model.profile.band_types, rate)[0].numpy()
                given = loudness_lufs(output, pair.sample_rate)
                if math.isfinite(given):
                    kept.append(heard[-1])
                    lacks.append(float(batch["target_lufs"][0, 0]) - given)
    finally:
        hook.remove()
    lack_db = torch.tensor(lacks).clamp(-LACK_MAX_DB, LACK_MAX_DB)
    return torch.cat(kept), lack_db
