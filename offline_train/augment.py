"""More examples out of the same recordings: random equalisers, applied to the features.

A filter moves band levels by its curve wherever it is applied, so an example with another
equaliser need not be rendered anew. What the level does between loud and quiet is left as it
was: an approximation, good enough beside the rendered examples.
"""

from __future__ import annotations

import torch
from torch import Tensor

from offline_train.effects.peq import response_db
from offline_train.loudness import k_weight, louder_db
from offline_train.pairs import CURVE_HZ, KINDS
from realtime.features import BAND_HZ, BANDS, FLOOR_DB, LAYOUT, SPECTRUM_PERCENTILES

SHARE = 0.6  # of the examples, for each of the two kinds
_CURVE = torch.tensor(CURVE_HZ, dtype=torch.float32)
_BAND = torch.tensor(BAND_HZ, dtype=torch.float32)


def augment(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """A batch of a `pool.Pool` with other colours: one filter on the whole clip, one on the
    input alone, which the equaliser then has to undo as well. Audio, if any, no longer fits."""
    count = len(batch["input"])
    out = dict(batch)
    colour = _random_curve(count, batch["sample_rate"], 8.0)
    for side in ("input", "reference"):
        out[side], _ = _filtered(out[side], colour[0])
    curve, at_points = _random_curve(count, batch["sample_rate"], 14.0)
    out["input"], louder = _filtered(out["input"], curve)
    out["input"][:, LAYOUT["loudness"]] += louder
    out["curve_db"] = batch["curve_db"] - at_points
    return out


def _random_curve(count: int, rate: Tensor, spread_db: float) -> tuple[Tensor, Tensor]:
    """Gains in dB at BAND_HZ and at CURVE_HZ of random equalisers, (count, points)."""
    octaves = torch.tensor([[1.5, 3.0, 5.0, 6.5, 7.5, 8.0]]) + 2.5 * torch.rand(count, 6)
    freq = 20.0 * 2.0**octaves
    q = 0.2 * 30.0 ** torch.rand(count, 6)
    q[:, [0, 5]] = q[:, [0, 5]].clamp(max=1.0)
    gain = spread_db * torch.randn(count, 6) * (torch.rand(count, 6) < 0.6)
    gain = gain * (torch.rand(count, 1) < SHARE)
    settings = (KINDS, freq, gain.clamp(-24.0, 24.0), q, rate)
    at = []
    for points in (_BAND, _CURVE):
        hz = torch.minimum(points, 0.5 * rate[:, None])
        at.append(response_db(*settings, hz))
    return at[0], at[1]


def _filtered(features: Tensor, curve_db: Tensor) -> tuple[Tensor, Tensor]:
    """Feature vectors behind a filter (rows, BANDS), and how much louder it made them in dB."""
    out = features.clone()
    mask = features[:, LAYOUT["mask"]]
    mean = features[:, LAYOUT["mean"]]
    width = _BAND * mask
    louder = louder_db(mean, width * k_weight(), curve_db)
    stronger = louder_db(mean, width, curve_db)
    move = curve_db - louder
    out[:, LAYOUT["mean"]] = (mean + move).clamp_min(FLOOR_DB) * mask
    times = len(SPECTRUM_PERCENTILES)
    percentiles = features[:, LAYOUT["percentiles"]].reshape(-1, times, BANDS) + move[:, None]
    percentiles = percentiles.clamp_min(FLOOR_DB) * mask[:, None]
    out[:, LAYOUT["percentiles"]] = percentiles.reshape(len(features), -1)
    for part in ("peaks", "levels", "samples"):
        out[:, LAYOUT[part]] += stronger - louder
    out[:, LAYOUT["scalars"]][:, 1:2] += stronger - louder
    return out, louder
