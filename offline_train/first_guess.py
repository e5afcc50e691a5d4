"""Where training starts from: settings at their defaults, gains by least squares."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from offline_train.effects.peq import response_db
from realtime.features import BAND_HZ, BANDS
from realtime.params import BY_ID, EQ_BANDS, Profile

GAIN_STEP_DB = 12.0  # what a logit of 1 moves a +-24 dB gain, near 0 dB


def starting_logits(profile: Profile) -> Tensor:
    """Where training starts: each parameter at its default, the ratio just above 1."""
    units = []
    for param_id in profile.predicted:
        param = BY_ID[param_id]
        low, high = profile.range_of(param_id)
        default = min(max(param.default, low), high)
        if param.taper == "log":
            units.append(np.log(default / low) / np.log(high / low))
        else:
            units.append((default - low) / (high - low))
    logits = torch.logit(torch.tensor(units, dtype=torch.float32).clamp(0.12, 0.88))
    if "output.gain_db" in profile.predicted:
        logits[profile.predicted.index("output.gain_db")] = 0.0
    return logits


def matching_gains(profile: Profile) -> Tensor:
    """(BANDS, outputs): the map from a curve in dB to the logits of the gains that best give it.

    Least squares over the bands' responses at their middle frequency and a broad Q, curve and
    responses taken without their means, for the mean is the output gain's business.
    """
    bands = range(1, EQ_BANDS + 1)
    middle = [float(np.sqrt(np.prod(profile.range_of(f"eq{b}.freq_hz")))) for b in bands]
    frozen = [profile.frozen.get(f"eq{b}.freq_hz", m) for b, m in zip(bands, middle, strict=True)]
    one = torch.ones(1, EQ_BANDS, dtype=torch.float64)
    columns = []
    for band in range(EQ_BANDS):
        gains = 0.0 * one
        gains[0, band] = 1.0
        response = response_db(
            profile.band_types,
            torch.tensor([frozen], dtype=torch.float64),
            gains,
            0.5 * one,
            48_000.0 * one[0, :1],
            torch.tensor(BAND_HZ)[None],
        )[0]
        columns.append(response - response.mean())
    responses = torch.stack(columns, 1)
    square = responses.T @ responses
    solve = torch.linalg.solve(square + 0.5 * torch.eye(EQ_BANDS, dtype=torch.float64), responses.T)
    solve = solve - solve.mean(1, keepdim=True)
    out = torch.zeros(BANDS, len(profile.predicted))
    for band in bands:
        out[:, profile.predicted.index(f"eq{band}.gain_db")] = (
            solve[band - 1] / GAIN_STEP_DB
        ).float()
    return out
