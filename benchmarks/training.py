"""One training step through the effects, ours beside DeepAFx-ST's formulation, on this machine.

    python -m benchmarks.training [--steps N] [--batch N] [--json FILE]

Both sides predict an equaliser and a compressor from input and reference, render, compare by all
six windows of MR-STFT and step their weights; clips of 131,072 samples (5.46 s) at 24 kHz. Theirs
is written anew from the paper and the project's notes: EfficientNet-B2 over both linear
spectrograms, a controller, one filter after the other by frequency sampling over twice the length,
a compressor of one one-pole, example by example, and auraloss. Ours hears features, made when the
pairs are, outside the step. The two take turns; times are medians, by the clock and of the
processor, which other programs disturb less.

Source: C. J. Steinmetz, N. J. Bryan, J. D. Reiss, "Style Transfer of Audio Effects with
Differentiable Signal Processing", JAES 70 (2022); M. Tan, Q. V. Le, "EfficientNet", ICML (2019).
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import auraloss
import torch
from torch import Tensor, nn

from benchmarks.machine import describe, write_json
from offline_train.effects import chain
from offline_train.effects.compressor import static_reduction_db
from offline_train.effects.peq import design
from offline_train.losses import WINDOWS, audio_loss
from offline_train.model import StyleModel, to_plain
from realtime.features import SIZE
from realtime.params import EQ_COMP

FRAMES, RATE = 131_072, 24_000.0
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


class Theirs(nn.Module):
    """DeepAFx-ST's encoder, controller and autodiff effects."""

    def __init__(self) -> None:
        super().__init__()
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
        codes = [self._embed(side) for side in (x, reference)]
        units = self.controller(torch.cat(codes, 1))
        return torch.stack([_their_effects(*row) for row in zip(x, units, strict=True)])

    def _embed(self, x: Tensor) -> Tensor:
        window = torch.hann_window(4_096)
        spectrum = torch.stft(x, 4_096, 2_048, 4_096, window, return_complex=True).abs()
        code = self.encoder((spectrum + 1e-8).pow(0.3)[:, None]).mean((2, 3))
        return nn.functional.normalize(code, dim=1)


def _their_effects(x: Tensor, units: Tensor) -> Tensor:
    size = 2 ** math.ceil(math.log2(2 * len(x) - 1))
    freq_hz = 20.0 + units[:6] * torch.tensor([180.0, 1_800.0, 3_800.0, 6_000.0, 6_800.0, 6_800.0])
    gain_db, q = -24.0 + 48.0 * units[6:12], 0.1 + 9.9 * units[12:18]
    rate = torch.tensor([RATE])
    sos = design(EQ_COMP.band_types, freq_hz[None], gain_db[None], q[None], rate)[0]
    for b0, b1, b2, a1, a2 in sos:
        response = torch.fft.rfft(torch.stack([b0, b1, b2]), size) / torch.fft.rfft(
            torch.stack([torch.ones_like(a1), a1, a2]), size
        )
        x = torch.fft.irfft(torch.fft.rfft(x, size) * response, size)[: len(x)]
    threshold, ratio, attack, _, knee, makeup = units[18:]
    level = 20.0 * torch.log10(x.abs().clamp_min(1e-6))
    wanted = static_reduction_db(level, -80.0 * threshold, 1.0 + 19.0 * ratio, 12.0 * knee)
    pole = torch.exp(-math.log(9.0) / (RATE * (0.1 + 99.9 * attack) * 1e-3))
    response = (1.0 - pole) / torch.fft.rfft(torch.stack([torch.ones_like(pole), -pole]), size)
    smooth = torch.fft.irfft(torch.fft.rfft(wanted, size) * response, size)[: len(x)]
    return x * 10.0 ** ((smooth + 96.0 * makeup - 48.0) / 20.0)


def ours(batch: int) -> Callable[[], None]:
    """A step of ours."""
    model = StyleModel(EQ_COMP).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    x, target = torch.randn(2, batch, FRAMES) * 0.1
    features = -60.0 + torch.randn(2, batch, SIZE)
    rate = torch.full((batch,), RATE)

    def step() -> None:
        values = to_plain(model(*features), EQ_COMP)
        output = chain(x, values, EQ_COMP.band_types, rate)
        loss = audio_loss(output, target, WINDOWS, 1.0)
        _descend(optimiser, model, loss)

    return step


def theirs(batch: int) -> Callable[[], None]:
    """A step of theirs."""
    model = Theirs().train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-4)
    x, target, reference = torch.randn(3, batch, FRAMES) * 0.1
    windows = list(WINDOWS)
    spectral = auraloss.freq.MultiResolutionSTFTLoss(
        windows, [w // 2 for w in windows], windows, w_sc=0.0, w_log_mag=1.0, w_lin_mag=1.0
    )

    def step() -> None:
        output = model(x, reference)
        loss = spectral(output[:, None], target[:, None])
        loss = loss + 100.0 * (output - target).abs().mean()
        _descend(optimiser, model, loss)

    return step


def _descend(optimiser: torch.optim.Optimizer, model: nn.Module, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 4.0)
    optimiser.step()


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write the JSON. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--steps", type=int, default=10, help="of each side (default 10)")
    parser.add_argument("--batch", type=int, default=4, help="clips a step (default 4)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    args = parser.parse_args(argv)
    if min(args.steps, args.batch, args.threads) < 1:
        parser.error("--steps, --batch and --threads must be 1 or more")
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    sides = {"ours": ours(args.batch), "theirs": theirs(args.batch)}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(args.steps + 1):
        for name, step in sides.items():
            clock, processor = time.perf_counter(), time.process_time()
            step()
            if number:  # the first one compiles and allocates
                spent = (time.perf_counter() - clock, time.process_time() - processor)
                times[name].append(spent)
    record: dict[str, Any] = describe(("torch", "auraloss"))
    record["steps"], record["batch"], record["threads"] = args.steps, args.batch, args.threads
    for name, taken in times.items():
        clock, processor = (statistics.median(t[n] for t in taken) for n in (0, 1))
        record[name] = {"clock_s": clock, "processor_s": processor}
        print(f"{name:<8} {clock:.3f} s by the clock, {processor:.3f} s of the processor a step")
    ratio = record["theirs"]["processor_s"] / record["ours"]["processor_s"]
    print(f"ours is {ratio:.1f} times as fast")
    if args.json:
        write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
