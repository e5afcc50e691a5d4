"""One training step through the effects, ours beside DeepAFx-ST's formulation, on this machine.

    python -m benchmarks.training [--steps N] [--batch N] [--json FILE]

Both sides predict an equaliser and a compressor from input and reference, render, compare by all
six windows of MR-STFT and step their weights; clips of 131,072 samples (5.46 s) at 24 kHz. Theirs
is `offline_train.deepafx`, and auraloss. Ours hears features, made when the
pairs are, outside the step. The two take turns; times are medians, by the clock and of the
processor, which other programs disturb less.

Source: C. J. Steinmetz, N. J. Bryan, J. D. Reiss, "Style Transfer of Audio Effects with
Differentiable Signal Processing", JAES 70 (2022).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import auraloss
import torch
from torch import Tensor, nn

from benchmarks import command_line
from benchmarks.machine import describe, write_json
from offline_train.deepafx import DeepAFxST
from offline_train.effects import chain
from offline_train.losses import WINDOWS, audio_loss
from offline_train.model import StyleModel, to_plain
from realtime.features import SIZE
from realtime.params import EQ_COMP

FRAMES, RATE = 131_072, 24_000.0


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
    model = DeepAFxST(RATE).train()
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
    parser = command_line.parser("training", __doc__)
    parser.add_argument("--steps", type=int, default=10, help="of each side (default 10)")
    parser.add_argument("--batch", type=int, default=4, help="clips a step (default 4)")
    parser.add_argument("--threads", type=int, default=1, help="of torch (default 1)")
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
