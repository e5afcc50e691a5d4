"""The network for what stands behind the compressor: is there a distortion, is there a reverb, how
much of each, and what would the reference sound like without.

The last is for the network that sets equaliser and compressor: it is given the reference's features
as they would be without the two effects, and so needs to know nothing of them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from offline_train.effect_pairs import (
    DAMPING,
    DRIVE_DB,
    MIX,
    PREDELAY_MS,
    ROOM_SIZE,
    TONE_HZ,
    WET_DB,
)  # fmt: skip
from offline_train.parallel import Dropout
from realtime.effect_features import LOOKED_AT, STATISTICS
from realtime.effects_predictor import SET
from realtime.features import BANDS, LAYOUT

EMBEDDING = 96
LIMIT = 5.0  # spreads from the mean: further out nothing was ever seen
DRIVE_OVER_DB = 12.0  # how far loudness moves a drive beyond what was drawn, either way
# What each setting spans, in the units it is told in: octaves of tone, dB of wet.
RANGES = (
    (DRIVE_DB[0] - DRIVE_OVER_DB, DRIVE_DB[1] + DRIVE_OVER_DB),
    TONE_HZ, MIX, ROOM_SIZE, DAMPING, PREDELAY_MS, WET_DB, (-12.0, 24.0),
)  # fmt: skip
_TONE, _WET = SET.index("dist.tone_hz"), SET.index("reverb.wet")


class EffectsModel(nn.Module):
    """Two vectors of `effect_features.hear` (batch, SIZE) -> presence (batch, 2), settings
    (batch, SET), the reference's features without its effects (batch, features.SIZE)."""

    mean: Tensor
    std: Tensor
    difference_std: Tensor

    def __init__(self, width: int = 256, dropout: float = 0.2) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(LOOKED_AT))
        self.register_buffer("std", torch.ones(LOOKED_AT))
        self.register_buffer("difference_std", torch.ones(LOOKED_AT))
        self.encoder = nn.Sequential(
            nn.Linear(LOOKED_AT, width), nn.SiLU(), Dropout(dropout),
            nn.Linear(width, EMBEDDING), nn.SiLU(),
        )  # fmt: skip
        self.trunk = nn.Sequential(
            nn.Linear(2 * LOOKED_AT + 2 * EMBEDDING, width), nn.SiLU(), Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(), Dropout(dropout),
        )  # fmt: skip
        self.presence = nn.Linear(width, 2)
        self.settings = nn.Sequential(
            nn.Linear(width, width // 2), nn.SiLU(), nn.Linear(width // 2, len(SET))
        )
        self.cleaning = nn.Sequential(
            nn.Linear(width, width), nn.SiLU(), nn.Linear(width, STATISTICS)
        )
        with torch.no_grad():
            self.cleaning[-1].weight.mul_(0.1)
            self.cleaning[-1].bias.zero_()

    def set_statistics(self, inputs: Tensor, references: Tensor) -> None:
        """Take the normalisation from training vectors, each (examples, SIZE)."""
        both, apart = torch.cat([inputs, references]), references - inputs
        self.mean.copy_(both.mean(0))
        self.std.copy_(both.std(0).clamp_min(0.05))
        self.difference_std.copy_(apart.std(0).clamp_min(0.05))

    def perturbed(self, heard: Tensor, noise: float) -> Tensor:
        """With noise of so many spreads on all but the mask."""
        drawn = noise * self.std * torch.randn(len(heard), LOOKED_AT)
        drawn[:, LAYOUT["mask"]] = 0.0
        return heard + drawn

    def predict(self, input: Tensor, reference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of presence, settings as shares of RANGES, and how far the statistics without
        effects are from the reference's, in spreads."""
        scaled = [((s - self.mean) / self.std).clamp(-LIMIT, LIMIT) for s in (input, reference)]
        apart = ((reference - input) / self.difference_std).clamp(-LIMIT, LIMIT)
        codes = [self.encoder(side) for side in scaled]
        hidden = self.trunk(torch.cat([apart, scaled[1], *codes], dim=1))
        return self.presence(hidden), torch.sigmoid(self.settings(hidden)), self.cleaning(hidden)

    def forward(self, input: Tensor, reference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is exported."""
        presence, shares, cleaning = self.predict(input, reference)
        end = LAYOUT["percentiles"].stop
        mask = reference[:, LAYOUT["mask"]]
        moved = reference[:, :STATISTICS] + cleaning * self.std[:STATISTICS]
        spectra = moved[:, :end] * mask.repeat(1, end // BANDS)
        cleaned = torch.cat([spectra, mask, moved[:, LAYOUT["mask"].stop :]], dim=1)
        return torch.sigmoid(presence), plain(shares), cleaned


def plain(shares: Tensor) -> Tensor:
    """Shares of RANGES -> SET in their units."""
    columns = []
    for column, (low, high) in enumerate(RANGES):
        share = shares[:, column : column + 1]
        if column == _TONE:
            columns.append(low * (high / low) ** share)
        elif column == _WET:
            columns.append(10.0 ** ((low + (high - low) * share) / 20.0))
        else:
            columns.append(low + (high - low) * share)
    return torch.cat(columns, dim=1)


def shares_of(settings: Tensor) -> Tensor:
    """SET in their units -> shares of RANGES, within 0..1."""
    columns = []
    for column, (low, high) in enumerate(RANGES):
        value = settings[:, column : column + 1]
        if column == _TONE:
            share = torch.log(value / low) / float(torch.log(torch.tensor(high / low)))
        else:
            if column == _WET:
                value = 20.0 * torch.log10(value.clamp_min(1e-6))
            share = (value - low) / (high - low)
        columns.append(share.clamp(0.0, 1.0))
    return torch.cat(columns, dim=1)
