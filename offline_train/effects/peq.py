"""Twin of the parametric equaliser: biquads by frequency sampling.

The filters are applied by multiplying spectra, over a transform long enough that what wraps
around has died away, so gradients reach every parameter at the price of two FFTs.

Source: R. Bristow-Johnson, Audio EQ Cookbook.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import scipy.fft
import torch
from torch import Tensor

from realtime.params import BandType

EQ_MAX_FRACTION = 0.45  # of the sample rate: no band's frequency goes higher
TINY = 1e-30  # keeps a logarithm finite where a shelf meets 0 Hz or Nyquist
TAIL_SECONDS = 0.5  # room for ringing; a band that rings longer wraps round, see `peq`


def design(
    kinds: Sequence[BandType], freq_hz: Tensor, gain_db: Tensor, q: Tensor, sample_rate: Tensor
) -> Tensor:
    """Coefficients b0 b1 b2 a1 a2 (a0 = 1) of each band, (batch, bands, 5).

    freq_hz, gain_db, q: (batch, bands). sample_rate: (batch,).
    """
    rate = sample_rate[:, None]
    w0 = 2.0 * math.pi * torch.minimum(freq_hz, EQ_MAX_FRACTION * rate) / rate
    cos, alpha = torch.cos(w0), torch.sin(w0) / (2.0 * q)
    a = 10.0 ** (gain_db / 40.0)
    peak = (
        1.0 + alpha * a, -2.0 * cos, 1.0 - alpha * a,
        1.0 + alpha / a, -2.0 * cos, 1.0 - alpha / a,
    )  # fmt: skip
    root = 2.0 * torch.sqrt(a) * alpha
    sign = torch.tensor(
        [-1.0 if kind == "high_shelf" else 1.0 for kind in kinds],
        dtype=a.dtype, device=a.device,
    )  # fmt: skip
    c = sign * cos  # the high shelf is the low shelf with cos w0 mirrored, and b1, a1 negated
    shelf = (
        a * (a + 1.0 - (a - 1.0) * c + root),
        sign * 2.0 * a * (a - 1.0 - (a + 1.0) * c),
        a * (a + 1.0 - (a - 1.0) * c - root),
        a + 1.0 + (a - 1.0) * c + root,
        sign * -2.0 * (a - 1.0 + (a + 1.0) * c),
        a + 1.0 + (a - 1.0) * c - root,
    )
    is_peak = torch.tensor([kind == "peak" for kind in kinds], device=a.device)
    b0, b1, b2, a0, a1, a2 = (torch.where(is_peak, p, s) for p, s in zip(peak, shelf, strict=True))
    return torch.stack([b0 / a0, b1 / a0, b2 / a0, a1 / a0, a2 / a0], dim=-1)


def response_db(
    kinds: Sequence[BandType],
    freq_hz: Tensor,
    gain_db: Tensor,
    q: Tensor,
    sample_rate: Tensor,
    hz: Tensor,
) -> Tensor:
    """Gain of the whole cascade in dB at `hz` (batch, points), without any audio.

    freq_hz, gain_db, q: (batch, bands). sample_rate: (batch,). The magnitude of `design`'s
    filters, written in sines of half the angles: exact in float32 down to 20 Hz, where the
    coefficients themselves no longer are.
    """
    rate = sample_rate[:, None]
    at = torch.sin(math.pi * hz / rate).square()[:, None]
    centre = torch.sin(math.pi * torch.minimum(freq_hz, EQ_MAX_FRACTION * rate) / rate).square()
    u = at * (1.0 - centre[..., None])
    v = (1.0 - at) * centre[..., None]
    a = 10.0 ** (gain_db[..., None] / 40.0)
    damped = u * v / q[..., None].square()
    total = torch.zeros_like(at[:, 0])
    for band, kind in enumerate(kinds):
        ub, vb, ab, db = u[:, band], v[:, band], a[:, band], damped[:, band]
        if kind == "peak":
            above, below = (ub - vb).square() + ab**2 * db, (ub - vb).square() + db / ab**2
        else:
            low, high = (ub, vb) if kind == "low_shelf" else (vb, ub)
            above = ab**2 * ((ab * high - low).square() + ab * db)
            below = (high - ab * low).square() + ab * db
        total = total + torch.log(above + TINY) - torch.log(below + TINY)
    return (10.0 / math.log(10.0)) * total


def peq(
    x: Tensor,
    kinds: Sequence[BandType],
    freq_hz: Tensor,
    gain_db: Tensor,
    q: Tensor,
    sample_rate: Tensor,
    tail_seconds: float = TAIL_SECONDS,
) -> Tensor:
    """Filter x (batch, frames) through the bands, starting at rest. Returns the same shape.

    freq_hz, gain_db, q: (batch, bands). sample_rate: (batch,) in Hz. What rings longer than
    `tail_seconds` past the end wraps round to the start.
    """
    frames = x.shape[1]
    tail = int(tail_seconds * float(sample_rate.max()))
    size = scipy.fft.next_fast_len(frames + tail, real=True)
    sos = design(kinds, freq_hz, gain_db, q, sample_rate)
    omega = torch.arange(size // 2 + 1, dtype=x.dtype, device=x.device) * (2.0 * math.pi / size)
    z = torch.polar(torch.ones_like(omega), -omega)
    z2 = torch.polar(torch.ones_like(omega), -2.0 * omega)
    spectrum = torch.fft.rfft(x, size)
    for band in range(len(kinds)):
        b0, b1, b2, a1, a2 = (c[:, None] for c in sos[:, band].unbind(-1))
        spectrum = spectrum * ((b0 + b1 * z + b2 * z2) / (1.0 + a1 * z + a2 * z2))
    return torch.fft.irfft(spectrum, size)[:, :frames]
