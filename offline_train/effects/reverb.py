"""Twin of the reverb: its transfer function, sampled by frequency.

The network is linear, so its output is a product of spectra, and `spectrum` says why a hall that
outlasts the clip does no harm: what wraps round stays 1e-7 of it. The rest of the bound that tests
hold it to, 1e-4 of the output's RMS over the whole range, is for the kernel, which rounds to
float32 at every pass through its lines; 2e-6 was the most that was seen.

The pre-delay moves in whole samples, as the kernel's does; its gradient is that of the delay
before rounding.

Source: J.-M. Jot and A. Chaigne, "Digital delay networks for designing artificial reverberators",
AES 90th Convention (1991); M. R. Schroeder, "Natural sounding artificial reverberation" (1962).
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from offline_train.effects.spectrum import through

T60_MIN, T60_SPAN = 0.1, 100.0  # seconds at room size 0, and the factor to room size 1
DAMPING_HZ = 5_000.0
DAMPING_DEPTH = 0.9
DAMPING_MAX_FRACTION = 0.45  # of the sample rate
LINES_MS = (15.7, 18.5, 21.9, 25.8, 30.4, 35.9, 42.3, 49.9)
DIFFUSERS_MS = ((4.77, 7.93, 11.31), (5.39, 8.87, 12.67))
DIFFUSION = 0.6
DIFFUSION_SHARE = 0.7  # of the room's T60: the diffusers ring no longer
POWER_MIN = 1e-6

_INTO = (1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0)  # the lines' signs where sound enters
_OUT = (1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0)  # and where the first channel leaves


def reverb(
    x: Tensor,
    room_size: Tensor,
    damping: Tensor,
    predelay_ms: Tensor,
    wet: Tensor,
    dry: Tensor,
    sample_rate: Tensor,
) -> Tensor:
    """Reverberate mono x (batch, frames) from rest; every parameter and the rate is (batch,)."""
    room, damp, wait, rate = (p.double() for p in (room_size, damping, predelay_ms, sample_rate))
    ringing = through(x, lambda log_z: _response(room, damp, wait, rate, log_z))
    return dry[:, None] * x + wet[:, None] * ringing


def _response(
    room_size: Tensor, damping: Tensor, predelay_ms: Tensor, rate: Tensor, log_z: Tensor
) -> Tensor:
    """The tail's transfer function at `log_z` (points,), (batch, points)."""
    lines, diffusers = (torch.stack(t) for t in zip(*map(_delays, rate.tolist()), strict=True))
    t60 = (T60_MIN * T60_SPAN**room_size)[:, None]
    seconds = lines / rate[:, None]
    gain = 10.0 ** (-3.0 * seconds / t60)
    pole = _damping_pole(seconds, t60, damping[:, None], rate[:, None])
    level = torch.sqrt((1.0 - gain.square().mean(1)) / lines.shape[1])

    # what enters the lines: through the pre-delay, and three allpasses for each of two channels
    exact = predelay_ms * 1e-3 * rate
    whole = exact + (torch.round(exact) - exact).detach()
    times = torch.tensor(DIFFUSERS_MS, dtype=torch.float64) * 1e-3
    g = (10.0 ** (-3.0 * times / (DIFFUSION_SHARE * t60[:, :, None]))).clamp_max(DIFFUSION)
    delayed = torch.exp(-diffusers[..., None] * log_z)
    entering = ((delayed - g[..., None]) / (1.0 - g[..., None] * delayed)).prod(2)
    entering = entering * (level[:, None] * torch.exp(-whole[:, None] * log_z))[:, None]
    into = torch.tensor(_INTO, dtype=torch.float64)[:, None] * torch.cat([entering] * 4, 1)

    # around the lines: (z^L - mixing times damping) r = into, and r is what leaves them
    unit = torch.exp(-log_z)
    damped = (gain * (1.0 - pole))[..., None] / (1.0 - pole[..., None] * unit)
    around = _hadamard().to(damped.dtype) * damped.transpose(1, 2)[:, :, None, :]
    ahead = torch.exp(lines[..., None] * log_z).transpose(1, 2)
    leaving = torch.linalg.solve(torch.diag_embed(ahead) - around, into.transpose(1, 2))
    return (leaving * torch.tensor(_OUT, dtype=leaving.dtype)).sum(2)


def _damping_pole(seconds: Tensor, t60: Tensor, damping: Tensor, rate: Tensor) -> Tensor:
    """The one-pole in each line that gives its T60 at DAMPING_HZ; zero without damping."""
    t60_high = t60 * (1.0 - DAMPING_DEPTH * damping)
    ratio = 10.0 ** (-3.0 * seconds * (1.0 / t60_high - 1.0 / t60))
    power = ratio.square().clamp_min(POWER_MIN)
    cosine = torch.cos(2.0 * math.pi * (DAMPING_HZ / rate).clamp_max(DAMPING_MAX_FRACTION))
    steady, less = 1.0 - power * cosine, 1.0 - power
    return less / (steady + torch.sqrt(steady.square() - less.square()))


@lru_cache(maxsize=64)
def _delays(sample_rate: float) -> tuple[Tensor, Tensor]:
    """Samples of the lines (8,) and of the diffusers (2, 3): the next prime of each."""
    lines, *diffusers = (
        torch.tensor([_next_prime(round(ms * 1e-3 * sample_rate)) for ms in row]).double()
        for row in (LINES_MS, *DIFFUSERS_MS)
    )
    return lines, torch.stack(diffusers)


def _next_prime(number: int) -> int:
    while any(number % d == 0 for d in range(2, math.isqrt(number) + 1)):
        number += 1
    return number


def _hadamard() -> Tensor:
    two = torch.tensor([[1.0, 1.0], [1.0, -1.0]], dtype=torch.float64)
    return torch.kron(two, torch.kron(two, two)) / math.sqrt(8.0)
