"""What stands between two recordings, as `realtime.matching` tells it, for batches and in a graph.

Told from the exemplars of two feature vectors, in proportion to their shares, at the bands where
both recordings have a spectrum.
"""

from __future__ import annotations

import torch
from torch import Tensor

from realtime.exemplars import COUNT
from realtime.features import BANDS, LAYOUT
from realtime.matching import ALIKE_DB, OUTLIER_DB, SMOOTHING

LEVEL_WEIGHT = 0.15  # of a difference in level beside one in shape: compressors move levels
RARE = 1e-8


@torch.no_grad()
def matched(
    input: Tensor, reference: Tensor, mask: Tensor, start: Tensor, rounds: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The filter from input to reference in dB and how far the pairs disagree on it in dB,
    (batch, BANDS) each, up to a constant, and how much louder the reference has the sounds that
    both have, in dB over the bands at each one's working loudness, (batch, 1).

    input, reference: feature vectors (batch, SIZE). mask: (batch, BANDS), where both have a
    spectrum. start: what is known of the filter, (batch, BANDS).
    """
    (x, x_shares), (y, y_shares) = _spectra(input), _spectra(reference)
    inside = mask[:, None]
    count = inside.sum(2, keepdim=True)
    x_level, y_level = ((s * inside).sum(2, keepdim=True) / count for s in (x, y))
    x, y = (x - x_level) * inside, (y - y_level) * inside
    squares = x.square().sum(2, keepdim=True) + y.square().sum(2)[:, None]
    unfiltered = (squares - 2.0 * x @ y.transpose(1, 2)) / count
    unfiltered = unfiltered + (LEVEL_WEIGHT * (x_level - y_level.transpose(1, 2))).square()
    common_x, common_y = (torch.log(s.clamp_min(RARE)) for s in (x_shares, y_shares))
    curve = start
    for left in reversed(range(rounds)):
        filter_db = _smooth(_level(curve, mask), mask)[:, :, None]
        apart = unfiltered + 2.0 * (x @ filter_db - (y @ filter_db).transpose(1, 2)) / count
        likely = -apart / (2.0 * ALIKE_DB**2)
        to_y = torch.softmax(likely + common_y[:, None], 2)
        to_x = torch.softmax(likely + common_x[:, :, None], 1)
        if left:  # the mean over all pairs will do
            towards = x_shares[:, None] @ to_y + y_shares[:, None]
            away = x_shares[:, None] + (to_x @ y_shares[:, :, None]).transpose(1, 2)
            curve = 0.5 * (towards @ y - away @ x)[:, 0]
    pairs = torch.cat([to_y @ y - x, y - to_x.transpose(1, 2) @ x], 1)
    share = 0.5 * torch.cat([x_shares, y_shares], 1)[:, :, None]
    mean = (share * pairs).sum(1, keepdim=True)
    trust = share / ((pairs - mean).abs() + OUTLIER_DB)
    curve = (trust * pairs).sum(1) / trust.sum(1).clamp_min(RARE)
    spread = (share * (pairs - curve[:, None]).abs()).sum(1)
    gains = torch.cat([to_y @ y_level - x_level, y_level - to_x.transpose(1, 2) @ x_level], 1)
    middle = (share * gains).sum(1, keepdim=True)
    trust = share / ((gains - middle).abs() + OUTLIER_DB)
    return curve, spread, (trust * gains).sum(1) / trust.sum(1).clamp_min(RARE)


def _spectra(features: Tensor) -> tuple[Tensor, Tensor]:
    """The exemplars (batch, COUNT, BANDS) and their shares (batch, COUNT)."""
    spectra = features[:, LAYOUT["exemplars"]].reshape(-1, COUNT, BANDS)
    return spectra, features[:, LAYOUT["shares"]]


def _level(curve: Tensor, mask: Tensor) -> Tensor:
    """A curve without its mean over the bands where there is one."""
    mean = (curve * mask).sum(1, keepdim=True) / mask.sum(1, keepdim=True)
    return (curve - mean) * mask


def _smooth(curve: Tensor, mask: Tensor) -> Tensor:
    kernel = torch.tensor(SMOOTHING, device=curve.device)[None, None]
    width = len(SMOOTHING) // 2
    both = torch.stack([curve * mask, mask], 1)
    both = torch.nn.functional.conv1d(both.flatten(0, 1)[:, None], kernel, padding=width)
    summed, weight = both[:, 0].reshape(-1, 2, BANDS).unbind(1)
    return summed / weight.clamp_min(RARE) * mask
