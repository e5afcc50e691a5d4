"""What the equaliser should do at each band: convolutions along the log-frequency axis.

What is learnt about one band serves all, and no layer sees a whole spectrum at once, so that a
voice cannot be learnt by heart: across the bands there are only means and spreads.

Source of the latter: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR (2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realtime.features import BANDS, LAYOUT, SPECTRUM_PERCENTILES

SPECTRA = 1 + len(SPECTRUM_PERCENTILES)
DYNAMICS = slice(LAYOUT["peaks"].start, LAYOUT["scalars"].stop)
CHANNELS = 48
DILATIONS = (1, 2, 4, 1, 2, 4)
DYNAMICS_DB = 20.0  # what the levels are divided by


class CurveEstimator(nn.Module):
    """Two style vectors -> the curve in dB, (batch, BANDS)."""

    spread_mean: Tensor
    spread_std: Tensor
    position: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("spread_mean", torch.zeros(SPECTRA, BANDS))
        self.register_buffer("spread_std", torch.ones(SPECTRA, BANDS))
        position = torch.linspace(-1.0, 1.0, BANDS)
        self.register_buffer("position", torch.stack([position, position.square()])[None])
        self.dynamics = nn.Linear(2 * (DYNAMICS.stop - DYNAMICS.start), CHANNELS)
        self.enter = nn.Conv1d(3 * SPECTRA + 3, CHANNELS, 5, padding=2)
        self.blocks = nn.ModuleList(_Block(dilation) for dilation in DILATIONS)
        self.leave = nn.Conv1d(CHANNELS, 1, 5, padding=2)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()

    def set_statistics(self, styles: Tensor) -> None:
        """Take the normalisation from training features, (examples, SIZE)."""
        seen = spectra(styles)
        self.spread_mean.copy_(seen.mean(0))
        self.spread_std.copy_(seen.std(0).clamp_min(2.0))

    def forward(self, input: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
        """input, reference: (batch, SIZE); mask: (batch, BANDS), where both have a spectrum.

        The measured difference, and on top of it what was learnt.
        """
        sides = [spectra(side) for side in (input, reference)]
        apart = (sides[1] - sides[0]).clamp(-48.0, 48.0)
        seen = [((side - self.spread_mean) / self.spread_std).clamp(-5.0, 5.0) for side in sides]
        inside = mask[:, None]
        position = self.position + 0.0 * inside  # as many rows, also where an exporter traces
        x = self.enter(torch.cat([apart / 10.0, *seen, inside, position], dim=1) * inside)
        dynamics = torch.cat([input[:, DYNAMICS], reference[:, DYNAMICS]], dim=1) / DYNAMICS_DB
        x = x + self.dynamics(dynamics)[:, :, None]
        for block in self.blocks:
            x = block(x, inside)
        return (apart.mean(1) + 10.0 * self.leave(x)[:, 0]) * mask


class _Block(nn.Module):
    """A convolution that is told how its channels stand over all bands, beside what enters it."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.near = nn.Conv1d(CHANNELS, CHANNELS, 7, padding=3 * dilation, dilation=dilation)
        self.across = nn.Linear(2 * CHANNELS, CHANNELS)
        self.mix = nn.Conv1d(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        count = inside.sum(2)
        mean = (x * inside).sum(2) / count
        spread = ((x - mean[:, :, None]) * inside).square().sum(2) / count
        told = self.across(torch.cat([mean, torch.sqrt(spread + 1e-4)], dim=1))
        return x + self.mix(nn.functional.silu(self.near(x) + told[:, :, None]))


def spectra(style: Tensor) -> Tensor:
    """The mean and the percentiles, (batch, SPECTRA, BANDS)."""
    start, stop = LAYOUT["mean"].start, LAYOUT["percentiles"].stop
    return style[:, start:stop].reshape(-1, SPECTRA, BANDS)
