"""SPSA: the compiled chain itself, and a gradient from hearing it twice with all knobs nudged.

Source: J. C. Spall, "Multivariate stochastic approximation using a simultaneous perturbation
gradient approximation", IEEE Trans. Automatic Control 37 (1992).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from offline_train.live import render_batch
from offline_train.model import to_unit
from offline_train.strategies import Strategy, Workshop
from realtime.params import Profile

NUDGE = 5e-4  # of a knob's way, to either side


class SimultaneousPerturbation(Strategy):
    """No twin and no proxy: what cannot be differentiated can still be trained through."""

    def train(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """The compiled chain's sound, with a gradient that is right on average."""
        moved = tuple(i for i, value in values.items() if value.requires_grad)
        if not moved:
            return self.hear(x, values, sample_rate)
        knobs = torch.stack([to_unit(values[i], i, self.profile) for i in moved], 1)

        def sound(at: Tensor) -> Tensor:
            plain = _plain(at, moved, self.profile)
            return render_batch(x, {**values, **plain}, self.profile, sample_rate)

        return _Perturbed.apply(knobs, sound)

    def hear(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """The compiled chain."""
        return render_batch(x, values, self.profile, sample_rate)


class _Perturbed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, knobs: Tensor, sound: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(knobs)
        ctx.sound = sound
        return sound(knobs)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (knobs,) = ctx.saved_tensors
        sides = torch.randint_like(knobs, 0, 2) * 2.0 - 1.0
        up, down = ((knobs + way * NUDGE * sides).clamp(0.0, 1.0) for way in (1.0, -1.0))
        change = (grads[0] * (ctx.sound(up) - ctx.sound(down))).sum(1, keepdim=True)
        moved = up - down
        return torch.where(moved == 0.0, 0.0, change / moved), None


def _plain(knobs: Tensor, ids: tuple[str, ...], profile: Profile) -> dict[str, Tensor]:
    return {
        i: torch.tensor([profile.from_unit(i, float(k)) for k in knobs[:, n]])
        for n, i in enumerate(ids)
    }


def make(workshop: Workshop) -> Strategy:
    """Needs nothing made ready."""
    return SimultaneousPerturbation(workshop.profile)
