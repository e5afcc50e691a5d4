"""DeepAFx-ST's AD formulation, written anew from the paper and the project's notes, to compare by.

EfficientNet-B2 over both linear spectrograms, a controller, one filter after the other by
frequency sampling over twice the length, a compressor of one one-pole that only the attack sets,
example by example. Its knee is the canonical one: the published code's is known to be wrong.

Source: C. J. Steinmetz, N. J. Bryan, J. D. Reiss, "Style Transfer of Audio Effects with
Differentiable Signal Processing", JAES 70 (2022); M. Tan, Q. V. Le, "EfficientNet", ICML (2019).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from offline_train.effects.compressor import static_reduction_db
from offline_train.effects.peq import design
from realtime.params import EQ_COMP

# Where each band's frequency begins, and how far it reaches.
LOWEST_HZ = (20.0, 200.0, 200.0, 2_000.0, 4_000.0, 4_000.0)
REACH_HZ = (180.0, 1_800.0, 3_800.0, 6_000.0, 6_800.0, 6_800.0)
STAGES = (  # expansion, kernel, stride, channels, blocks: EfficientNet-B2
    (1, 3, 1, 16, 2), (6, 3, 2, 24, 3), (6, 5, 2, 48, 3), (6, 3, 2, 88, 4), (6, 5, 1, 120, 4),
    (6, 5, 2, 208, 5), (6, 3, 1, 352, 2),
)  # fmt: skip
STEM, HEAD, EMBEDDING = 32, 1_408, 1_024


def _convolution(
    before: int, after: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(after),
    )


class _Block(nn.Module):
    """Mobile inverted bottleneck with squeeze and excitation."""

    def __init__(self, before: int, after: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        wide = before * expansion
        grow = [_convolution(before, wide, 1), nn.SiLU()] if expansion > 1 else []
        self.spread = nn.Sequential(
            *grow, _convolution(wide, wide, kernel, stride, wide), nn.SiLU()
        )
        few = max(1, before // 4)
        self.excite = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, few, 1), nn.SiLU(),
            nn.Conv2d(few, wide, 1), nn.Sigmoid(),
        )  # fmt: skip
        self.gather = _convolution(wide, after, 1)
        self.skip = stride == 1 and before == after

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, bins, frames)."""
        wide = self.spread(x)
        y: Tensor = self.gather(wide * self.excite(wide))
        return x + y if self.skip else y


class DeepAFxST(nn.Module):
    """Encoder, controller and autodiff effects, for sounds at `sample_rate` Hz."""

    def __init__(self, sample_rate: float) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        layers: list[nn.Module] = [_convolution(1, STEM, 3, 2), nn.SiLU()]
        before = STEM
        for expansion, kernel, stride, after, blocks in STAGES:
            for n in range(blocks):
                layers.append(_Block(before, after, expansion, kernel, stride if n == 0 else 1))
                before = after
        layers += [_convolution(before, HEAD, 1), nn.SiLU(), nn.Conv2d(HEAD, EMBEDDING, 1)]
        self.encoder = nn.Sequential(*layers)
        self.controller = nn.Sequential(
            nn.Linear(2 * EMBEDDING, 256), nn.LeakyReLU(), nn.Linear(256, 256), nn.LeakyReLU(),
            nn.Linear(256, 24), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: Tensor, reference: Tensor) -> Tensor:
        """x, reference: (batch, frames). Returns the rendered x."""
        rows = zip(x, self.settings(x, reference), strict=True)
        return torch.stack([effects(*row, self.sample_rate) for row in rows])

    def settings(self, x: Tensor, reference: Tensor) -> Tensor:
        """What `effects` wants to know, (batch, 24) in 0..1; x, reference: (batch, frames)."""
        codes = [self._embed(side) for side in (x, reference)]
        units: Tensor = self.controller(torch.cat(codes, 1))
        return units

    def _embed(self, x: Tensor) -> Tensor:
        window = torch.hann_window(4_096, device=x.device)
        spectrum = torch.stft(x, 4_096, 2_048, 4_096, window, return_complex=True).abs()
        code = self.encoder((spectrum + 1e-8).pow(0.3)[:, None]).mean((2, 3))
        return nn.functional.normalize(code, dim=1)


def effects(x: Tensor, units: Tensor, sample_rate: float) -> Tensor:
    """One sound (frames,) as 24 numbers in 0..1 set equaliser and compressor."""
    size = 2 ** math.ceil(math.log2(2 * len(x) - 1))
    freq_hz = torch.tensor(LOWEST_HZ, device=x.device) + units[:6] * torch.tensor(
        REACH_HZ, device=x.device
    )
    gain_db, q = -24.0 + 48.0 * units[6:12], 0.1 + 9.9 * units[12:18]
    rate = torch.tensor([sample_rate], device=x.device)
    sos = design(EQ_COMP.band_types, freq_hz[None], gain_db[None], q[None], rate)[0]
    for b0, b1, b2, a1, a2 in sos:
        response = torch.fft.rfft(torch.stack([b0, b1, b2]), size) / torch.fft.rfft(
            torch.stack([torch.ones_like(a1), a1, a2]), size
        )
        x = torch.fft.irfft(torch.fft.rfft(x, size) * response, size)[: len(x)]
    threshold, ratio, attack, _, knee, makeup = units[18:]
    level = 20.0 * torch.log10(x.abs().clamp_min(1e-6))
    wanted = static_reduction_db(level, -80.0 * threshold, 1.0 + 19.0 * ratio, 12.0 * knee)
    pole = torch.exp(-math.log(9.0) / (sample_rate * (0.1 + 99.9 * attack) * 1e-3))
    response = (1.0 - pole) / torch.fft.rfft(torch.stack([torch.ones_like(pole), -pole]), size)
    smooth = torch.fft.irfft(torch.fft.rfft(wanted, size) * response, size)[: len(x)]
    return x * 10.0 ** ((smooth + 96.0 * makeup - 48.0) / 20.0)
