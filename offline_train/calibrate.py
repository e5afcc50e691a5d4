"""The last turn of a screw: the level that training on spectra leaves a little low.

A loss that is unsure of a spectrum does best below it, so the sound comes out too quiet.
What it lacks on training pairs goes into where the output gain starts from.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from offline_train.model import GAIN_DB_PER_LOGIT, StyleModel, to_plain
from offline_train.pool import Pool
from offline_train.strategies import Strategy
from offline_train.train import staged

PAIRS = 512
BATCH = 16
SILENCE = 1e-10  # mean square: quieter examples have no level to speak of


@torch.no_grad()
def calibrate(
    model: StyleModel, pool: Pool, strategy: Strategy, say: Callable[[str], object] = print
) -> float:
    """Move the model's output gain by the median of what it lacks on pairs of `pool`; returns that
    in dB. Does nothing where the profile predicts no output gain."""
    if "output.gain_db" not in model.profile.predicted:
        return 0.0
    model.eval()
    chosen = np.linspace(0, len(pool) - 1, min(PAIRS, len(pool))).astype(int)
    lacks = []
    for start in range(0, len(chosen), BATCH):
        batch = pool.batch(chosen[start : start + BATCH])
        values = to_plain(model(batch["input"], batch["reference"]), model.profile)
        output = strategy.hear(*staged(values, batch, model.profile))
        given, wanted = (x.square().mean(1) for x in (output, batch["target_audio"]))
        heard = torch.minimum(given, wanted) > SILENCE
        lacks.append(10.0 * torch.log10(wanted[heard] / given[heard]))
    lack_db = float(torch.cat(lacks).median())
    at = model.profile.predicted.index("output.gain_db")
    model.start[at] += lack_db / GAIN_DB_PER_LOGIT
    say(f"calibrate: output gain {lack_db:+.2f} dB")
    return lack_db
