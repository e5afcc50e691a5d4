"""The network for what a rendering still lacks: see `realtime.goal`.

A filter is told band by band, by one small network that looks at a band, its neighbours and the
whole: how far to trust what the recordings' common sounds say of it, and what to add. Another
tells the level. Where nothing is apart both give nothing, whatever was learnt.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from offline_train.parallel import Dropout
from realtime.comparison import FILTER, MEAN, OF_A_BAND, OF_ALL

LIMIT = 4.0  # spreads from the mean: further out nothing was ever seen
NEIGHBOURS = 2  # either side
TRUST_MAX = 1.2
LEVEL_SCALE_DB = 10.0
HALF_DB = 0.5  # mean difference at which half of what was learnt counts
LEVEL_WIDTH, LEVEL_DROPOUT = 96, 0.3


class GoalModel(nn.Module):
    """The numbers of a `comparison.Comparison`, bands (batch, BANDS, OF_A_BAND) and whole (batch,
    OF_ALL) -> what is lacking in dB, in each band (batch, BANDS) and of the loudness (batch, 1)."""

    band_mean: Tensor
    band_std: Tensor
    whole_mean: Tensor
    whole_std: Tensor

    def __init__(self, width: int = 96, dropout: float = 0.1) -> None:
        super().__init__()
        self.register_buffer("band_mean", torch.zeros(OF_A_BAND))
        self.register_buffer("band_std", torch.ones(OF_A_BAND))
        self.register_buffer("whole_mean", torch.zeros(OF_ALL))
        self.register_buffer("whole_std", torch.ones(OF_ALL))
        self.near = nn.Linear((2 * NEIGHBOURS + 1) * OF_A_BAND, width)
        self.whole = nn.Linear(OF_ALL, width)
        self.told = nn.Sequential(
            nn.SiLU(), Dropout(dropout), nn.Linear(width, width // 2), nn.SiLU(),
            nn.Linear(width // 2, 2),
        )  # fmt: skip
        self.level = nn.Sequential(
            nn.Linear(OF_ALL, LEVEL_WIDTH), nn.SiLU(), Dropout(LEVEL_DROPOUT),
            nn.Linear(LEVEL_WIDTH, LEVEL_WIDTH // 2), nn.SiLU(), Dropout(LEVEL_DROPOUT),
            nn.Linear(LEVEL_WIDTH // 2, 2),
        )  # fmt: skip

    def set_statistics(self, bands: Tensor, whole: Tensor) -> None:
        """Take the normalisation from training examples."""
        self.band_mean.copy_(bands.mean((0, 1)))
        self.band_std.copy_(bands.std((0, 1)).clamp_min(0.05))
        self.whole_mean.copy_(whole.mean(0))
        self.whole_std.copy_(whole.std(0).clamp_min(0.05))

    def forward(self, bands: Tensor, whole: Tensor) -> tuple[Tensor, Tensor]:
        """What is lacking."""
        scaled = ((bands - self.band_mean) / self.band_std).clamp(-LIMIT, LIMIT)
        overall = ((whole - self.whole_mean) / self.whole_std).clamp(-LIMIT, LIMIT)
        first, last = scaled[:, :1], scaled[:, -1:]
        longer = torch.cat([*[first] * NEIGHBOURS, scaled, *[last] * NEIGHBOURS], dim=1)
        count = scaled.shape[1]
        beside = [longer[:, n : n + count] for n in range(2 * NEIGHBOURS + 1)]
        told = self.told(self.near(torch.cat(beside, dim=2)) + self.whole(overall)[:, None])
        apart = bands[..., MEAN].abs().mean(1, keepdim=True)
        trust = TRUST_MAX * torch.sigmoid(told[..., 0])
        curve = trust * bands[..., FILTER] + _share(apart) * told[..., 1]
        louder = apart + whole[:, :2].abs().sum(1, keepdim=True)
        level = LEVEL_SCALE_DB * _share(louder) * self.level(overall)
        return curve + level[:, :1], level[:, 1:]


def _share(apart_db: Tensor) -> Tensor:
    return apart_db / (apart_db + HALF_DB)
