"""More examples out of the same recordings: random equalisers, applied to the features.

A filter moves band levels by its curve wherever it is applied, so an example with another
equaliser need not be rendered anew. What the level does between loud and quiet is left as it
was: an approximation, good enough beside the rendered examples.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from offline_train.effects.peq import response_db
from offline_train.losses import NEAREST
from offline_train.loudness import k_weight, louder_db
from offline_train.pairs import KINDS
from realtime.features import BAND_HZ, BANDS, FLOOR_DB, LAYOUT, SPECTRUM_PERCENTILES

SHARE = 0.6  # of the examples, for each of the two kinds
COLOUR_DB = 8.0  # how far the gains of a colour's bands spread


def augment(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """A batch of a `pool.Pool` with other sounds in it: one filter on a whole clip; its sounds
    more or less often; on the input alone, a filter that leaves the equaliser another example's
    curve to find, so that curves keep to what the recipe draws. Audio, if any, no longer fits."""
    count, rate = len(batch["input"]), batch["sample_rate"]
    out = dict(batch)
    colour = _random_curve(count, rate, COLOUR_DB)
    for side in ("input", "reference"):
        out[side], _ = _filtered(out[side], colour)
        out[side][:, LAYOUT["shares"]] = _other_shares(out[side][:, LAYOUT["shares"]])
    other = _another_of_the_same_rate(rate)
    taken = (torch.rand(count, 1, device=rate.device) < SHARE) & (rate == rate[other])[:, None]
    out["curve_db"] = torch.where(taken, batch["curve_db"][other], batch["curve_db"])
    more = (batch["curve_db"] - out["curve_db"])[:, torch.tensor(NEAREST, device=rate.device)]
    out["input"], louder = _filtered(out["input"], more)
    out["input"][:, LAYOUT["loudness"]] += louder
    return out


def _other_shares(shares: Tensor) -> Tensor:
    """The sounds of a recording in other proportions, as another of the same might have them.

    Source: D. Rubin, "The Bayesian bootstrap", Annals of Statistics 9 (1981).
    """
    drawn = shares * torch.empty_like(shares).exponential_()
    drawn = drawn / drawn.sum(1, keepdim=True).clamp_min(1e-6)
    kept = torch.rand(len(shares), 1, device=shares.device) >= SHARE
    return torch.where(kept, shares, drawn)


def _another_of_the_same_rate(rate: Tensor) -> Tensor:
    """For each row the index of another, at random; of the same rate but for a few."""
    count = len(rate)
    order = torch.argsort(rate + torch.rand(count, device=rate.device))
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    return other


def _random_curve(count: int, rate: Tensor, spread_db: float) -> Tensor:
    """Gains in dB at BAND_HZ of random equalisers, (count, BANDS)."""

    def drawn(make: Callable[..., Tensor], *shape: int) -> Tensor:
        return make(count, *shape, device=rate.device)

    middle = torch.tensor([[1.5, 3.0, 5.0, 6.5, 7.5, 8.0]], device=rate.device)
    freq = 20.0 * 2.0 ** (middle + 2.5 * drawn(torch.rand, 6))
    q = 0.2 * 30.0 ** drawn(torch.rand, 6)
    q[:, [0, 5]] = q[:, [0, 5]].clamp(max=1.0)
    gain = spread_db * drawn(torch.randn, 6) * (drawn(torch.rand, 6) < 0.6)
    gain = gain * (drawn(torch.rand, 1) < SHARE)
    hz = torch.minimum(torch.tensor(BAND_HZ, device=rate.device).float(), 0.5 * rate[:, None])
    return response_db(KINDS, freq, gain.clamp(-24.0, 24.0), q, rate, hz)


def _filtered(features: Tensor, curve_db: Tensor) -> tuple[Tensor, Tensor]:
    """Feature vectors behind a filter (rows, BANDS), and how much louder it made them in dB."""
    out = features.clone()
    mask = features[:, LAYOUT["mask"]]
    mean = features[:, LAYOUT["mean"]]
    width = torch.tensor(BAND_HZ, device=mask.device).float() * mask
    louder = louder_db(mean, width * k_weight().to(mask.device), curve_db)
    stronger = louder_db(mean, width, curve_db)
    move = curve_db - louder
    out[:, LAYOUT["mean"]] = (mean + move).clamp_min(FLOOR_DB) * mask
    times = len(SPECTRUM_PERCENTILES)
    percentiles = features[:, LAYOUT["percentiles"]].reshape(-1, times, BANDS) + move[:, None]
    percentiles = percentiles.clamp_min(FLOOR_DB) * mask[:, None]
    out[:, LAYOUT["percentiles"]] = percentiles.reshape(len(features), -1)
    spectra = features[:, LAYOUT["exemplars"]].reshape(len(features), -1, BANDS) + move[:, None]
    spectra = spectra.clamp_min(FLOOR_DB) * mask[:, None]
    out[:, LAYOUT["exemplars"]] = spectra.reshape(len(features), -1)
    for part in ("peaks", "levels", "samples"):
        out[:, LAYOUT[part]] += stronger - louder
    out[:, LAYOUT["scalars"]][:, 1:2] += stronger - louder
    return out, louder
