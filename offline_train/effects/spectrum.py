"""Linear effects as products of spectra, without paying for how long they ring.

What rings past the end of a transform wraps round to its start. Sampling spectra along a circle of
radius R > 1 instead of 1 is the same as multiplying signals by R^-n, so what wraps round by N
samples comes back R^-N times smaller. With R^N = e^ESCAPE that is 1.1e-7 times what would ring on,
however long it rings and with no room left for it; in exchange rounding grows by e^ESCAPE, which
leaves float64 nine digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import scipy.fft
import torch
from torch import Tensor

ESCAPE = 16.0


def through(x: Tensor, response: Callable[[Tensor], Tensor]) -> Tensor:
    """x (batch, frames) from rest through a linear filter, in x's precision.

    response: log z, complex128 (points,) -> the transfer function there, complex128 (batch,
    points). A delay of n samples is exp(-n log z).
    """
    frames = x.shape[1]
    size = scipy.fft.next_fast_len(frames, real=True)
    rise = ESCAPE / size
    fade = torch.exp(-rise * torch.arange(frames, dtype=torch.float64, device=x.device))
    turn = torch.arange(size // 2 + 1, dtype=torch.float64, device=x.device)
    log_z = torch.complex(torch.full_like(turn, rise), turn * (2.0 * math.pi / size))
    spectrum = torch.fft.rfft(x.double() * fade, size) * response(log_z)
    return (torch.fft.irfft(spectrum, size)[:, :frames] / fade).to(x.dtype)
