"""What the equaliser should do at each band: convolutions along the log-frequency axis.

What is learnt about one band serves all, and no layer sees a whole spectrum at once, so that a
voice cannot be learnt by heart: across the bands there are only means and spreads. It begins
with what `matching` says, corrects that, has the matching done again from where it got to, and
corrects it once more.

Source of the means and spreads: J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR
(2018).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from offline_train.matching import matched
from realtime.features import BANDS, LAYOUT, SPECTRUM_PERCENTILES, STATISTICS

SPECTRA = 1 + len(SPECTRUM_PERCENTILES)
DYNAMICS = slice(LAYOUT["peaks"].start, LAYOUT["scalars"].stop)
CHANNELS = 48
DILATIONS = ((1, 2, 4, 1), (1, 2, 4, 1))  # of the first correction and of the second
MATCHING_ROUNDS = (6, 2)  # before each
DYNAMICS_DB = 20.0  # what the levels are divided by
CURVE_DB = 10.0  # what curves are divided by


class CurveEstimator(nn.Module):
    """Two feature vectors -> the curve in dB, (batch, BANDS), and a gain beside it, (batch, 1)."""

    spread_mean: Tensor
    spread_std: Tensor
    position: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("spread_mean", torch.zeros(SPECTRA, BANDS))
        self.register_buffer("spread_std", torch.ones(SPECTRA, BANDS))
        position = torch.linspace(-1.0, 1.0, BANDS)
        self.register_buffer("position", torch.stack([position, position.square()])[None])
        evidence = 3 * SPECTRA + 3  # differences, both sides, where there is a spectrum, where
        self.corrections = nn.ModuleList(
            _Correction(evidence + 3 * n, dilations) for n, dilations in enumerate(DILATIONS, 1)
        )

    def set_statistics(self, styles: Tensor) -> None:
        """Take the normalisation from training features, (examples, STATISTICS or more)."""
        seen = spectra(styles)
        self.spread_mean.copy_(seen.mean(0))
        self.spread_std.copy_(seen.std(0).clamp_min(2.0))

    def forward(self, input: Tensor, reference: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """input, reference: (batch, SIZE); mask: (batch, BANDS), where both have a spectrum. The
        gain is the last `matched`'s."""
        sides = [spectra(side) for side in (input, reference)]
        apart = (sides[1] - sides[0]).clamp(-48.0, 48.0)
        seen = [((side - self.spread_mean) / self.spread_std).clamp(-5.0, 5.0) for side in sides]
        inside = mask[:, None]
        position = self.position + 0.0 * inside  # as many rows, also where an exporter traces
        evidence = [apart / CURVE_DB, *seen, inside, position]
        dynamics = torch.cat([input[:, DYNAMICS], reference[:, DYNAMICS]], dim=1) / DYNAMICS_DB
        curve = apart.mean(1) * mask
        for correct, rounds in zip(self.corrections, MATCHING_ROUNDS, strict=True):
            found, spread, gain = matched(input, reference, mask, curve, rounds)
            evidence = [*evidence, *(c[:, None] / CURVE_DB for c in (curve, found, spread))]
            begin = found if correct is self.corrections[0] else curve
            curve = begin + CURVE_DB * correct(torch.cat(evidence, 1) * inside, dynamics, inside)
            curve = curve * mask
        return curve, gain


class _Correction(nn.Module):
    """Evidence (batch, channels, BANDS) and dynamics -> (batch, BANDS)."""

    def __init__(self, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dynamics = nn.Linear(2 * (STATISTICS - DYNAMICS.start), CHANNELS)
        self.enter = _along(channels, CHANNELS, 5)
        self.blocks = nn.ModuleList(_Block(dilation) for dilation in dilations)
        self.leave = _along(CHANNELS, 1, 5)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()

    def forward(self, evidence: Tensor, dynamics: Tensor, inside: Tensor) -> Tensor:
        laid = evidence[:, :, None].contiguous(memory_format=torch.channels_last)
        x = self.enter(laid) + self.dynamics(dynamics)[:, :, None, None]
        for block in self.blocks:
            x = block(x, inside[:, :, None])
        return self.leave(x)[:, 0, 0].float()


class _Block(nn.Module):
    """A convolution that is told how its channels stand over all bands, beside what enters it."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.near = _along(CHANNELS, CHANNELS, 7, dilation)
        self.across = nn.Linear(2 * CHANNELS, CHANNELS)
        self.mix = _along(CHANNELS, CHANNELS, 1)

    def forward(self, x: Tensor, inside: Tensor) -> Tensor:
        count, exact = inside.sum(3), x.float()
        mean = (exact * inside).sum(3) / count
        spread = ((exact - mean[:, :, :, None]) * inside).square().sum(3) / count
        told = self.across(torch.cat([mean, torch.sqrt(spread + 1e-4)], dim=1)[:, :, 0])
        return x + self.mix(nn.functional.silu(self.near(x) + told[:, :, None, None]))


def _along(channels_in: int, channels_out: int, width: int, dilation: int = 1) -> nn.Conv2d:
    """A convolution along the bands. Of two dimensions and with channels last in memory, since a
    processor is twice as fast at that than at one of one dimension."""
    made = nn.Conv2d(
        channels_in, channels_out, (1, width), padding=(0, width // 2 * dilation),
        dilation=(1, dilation),
    )  # fmt: skip
    return made.to(memory_format=torch.channels_last)


def spectra(style: Tensor) -> Tensor:
    """The mean and the percentiles, (batch, SPECTRA, BANDS)."""
    start, stop = LAYOUT["mean"].start, LAYOUT["percentiles"].stop
    return style[:, start:stop].reshape(-1, SPECTRA, BANDS)


def shared_bands(input: Tensor, reference: Tensor) -> Tensor:
    """1 where both recordings have a spectrum, else 0, (batch, BANDS)."""
    return input[:, LAYOUT["mask"]] * reference[:, LAYOUT["mask"]]
