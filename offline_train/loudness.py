"""What a filter does to a recording's loudness, told from its band levels alone."""

from __future__ import annotations

import torch
from torch import Tensor

from offline_train.effects.peq import response_db
from realtime.features import BAND_HZ


def k_weight() -> Tensor:
    """Power weight of BS.1770's two filters at BAND_HZ, the second as two real poles."""
    hz = torch.tensor(BAND_HZ, dtype=torch.float32)
    one = torch.ones(1, 1)
    settings = (1_682.0 * one, 4.0 * one, 0.7071 * one, 48_000.0 * one[0])
    shelf_db = response_db(("high_shelf",), *settings, hz[None])[0]
    high_pass = (hz.square() / (hz.square() + 38.1**2)).square()
    return 10.0 ** (shelf_db / 10.0) * high_pass


def louder_db(density_db: Tensor, weight: Tensor, curve_db: Tensor) -> Tensor:
    """How many dB louder a filter of gain `curve_db` makes what has these densities at BAND_HZ.

    density_db, weight, curve_db: (batch, BANDS); weight: of each band's power, its width first
    of all. Returns (batch, 1).
    """
    power = 10.0 ** (density_db / 10.0) * weight
    after = (power * 10.0 ** (curve_db / 10.0)).sum(1, keepdim=True)
    return 10.0 * torch.log10(after / power.sum(1, keepdim=True))
