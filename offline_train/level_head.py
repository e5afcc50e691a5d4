"""How much louder than its reference a sound should become, and what the compressor takes of it.

Halves of a recording differ in level, and their dynamics tell something of by how much: an output
exactly as loud as the reference leaves four fifths of the untouched loudness error of speech, and
what these few numbers tell takes a fifth of that away. None of them depends on the level itself.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from offline_train.curve_estimator import DYNAMICS
from offline_train.parallel import Dropout
from realtime.params import Profile

HIDDEN = (96, 32)
DROPOUT = 0.2
SCALE_DB = 10.0  # of what it gives
SIGHTS, SIGHT_DB = 2, 20.0  # of `StyleModel.aim`; further than this is an accident


class LevelHead(nn.Module):
    """Dynamics of input and reference, and what was decided -> dB, (batch, 1)."""

    def __init__(self, profile: Profile) -> None:
        super().__init__()
        compressor = [i for i in profile.predicted if i.startswith("comp.")]
        self.decided = [profile.predicted.index(i) for i in compressor]
        heard = 3 * (DYNAMICS.stop - DYNAMICS.start) + len(self.decided) + 1 + SIGHTS
        self.layers = nn.Sequential(
            nn.Linear(heard, HIDDEN[0]), nn.SiLU(), Dropout(DROPOUT),
            nn.Linear(HIDDEN[0], HIDDEN[1]), nn.SiLU(), nn.Linear(HIDDEN[1], 1),
        )  # fmt: skip
        with torch.no_grad():
            self.layers[-1].weight.mul_(0.1)
            self.layers[-1].bias.zero_()

    def forward(
        self,
        scaled: list[Tensor],
        evidence: Tensor,
        units: Tensor,
        louder: Tensor,
        sights: Tensor,
    ) -> Tensor:
        """scaled: both styles, evidence: their difference, (batch, STYLE) in units of their spread;
        units: (batch, predicted ids); louder: dB that the equaliser adds, (batch, 1); sights: what
        `StyleModel.aim` tells of the level, (batch, SIGHTS)."""
        return self.decide(self.collect(scaled, evidence, units, louder, sights))

    def collect(
        self,
        scaled: list[Tensor],
        evidence: Tensor,
        units: Tensor,
        louder: Tensor,
        sights: Tensor,
    ) -> Tensor:
        """What is heard of all that, (batch, heard)."""
        dynamics = [side[:, DYNAMICS] for side in (*scaled, evidence)]
        told = [louder, sights.clamp(-SIGHT_DB, SIGHT_DB)]
        return torch.cat([*dynamics, units[:, self.decided], *(t / SCALE_DB for t in told)], dim=1)

    def decide(self, heard: Tensor) -> Tensor:
        """(batch, heard) -> dB, (batch, 1)."""
        decided: Tensor = SCALE_DB * self.layers(heard)
        return decided
