"""Twin of the distortion: the antialiased soft clipper sample by sample, its two filters by
frequency sampling.

The clipper needs no recursion, only each sample and the one before it.

Source: Parker, Zavalishin and Le Bivic 2016, "Reducing the aliasing of nonlinear waveshaping using
continuous-time convolution"; Zavalishin, "The art of VA filter design".
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from offline_train.effects.spectrum import through

TONE_MAX_FRACTION = 0.45  # of the sample rate: the tone goes no higher
REFERENCE = 0.25  # a peak of -12 dBFS keeps its level
DROOP = 0.5  # the pole that undoes what averaging two samples takes from the treble


def distortion(
    x: Tensor, drive_db: Tensor, tone_hz: Tensor, mix: Tensor, sample_rate: Tensor
) -> Tensor:
    """Distort x (batch, frames), starting at rest; every parameter and the rate is (batch,)."""
    drive = (10.0 ** (drive_db / 20.0))[:, None]
    driven = drive * x
    before = torch.nn.functional.pad(driven, (1, 0))[:, :-1]
    root, root_before = (torch.sqrt(1.0 + u.square()) for u in (driven, before))
    clipped = (driven + before) / (root + root_before)
    level = torch.sqrt(1.0 + (drive * REFERENCE).square()) / drive
    return x + mix[:, None] * (level * _filtered(clipped, tone_hz, sample_rate) - x)


def _filtered(x: Tensor, tone_hz: Tensor, sample_rate: Tensor) -> Tensor:
    """x through the droop's pole and the tone's one-pole low-pass."""
    rate = sample_rate.double()
    warped = torch.tan(math.pi * (tone_hz.double() / rate).clamp_max(TONE_MAX_FRACTION))
    step = (2.0 * warped / (1.0 + warped))[:, None]  # the pole is at 1 - step

    def response(log_z: Tensor) -> Tensor:
        unit = torch.exp(-log_z)
        droop = (1.0 + DROOP) / (1.0 + DROOP * unit)
        return 0.5 * step * droop * (1.0 + unit) / (1.0 - (1.0 - step) * unit)

    return through(x, response)
