"""Twin of the parametric equaliser: biquads by frequency sampling.

The filters are applied by multiplying spectra, so gradients reach every parameter at the price of
two FFTs. Coefficients are designed in float64: in float32 a band at 20 Hz is another band.

Source: R. Bristow-Johnson, Audio EQ Cookbook.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from offline_train.effects.spectrum import through
from realtime.params import BandType

EQ_MAX_FRACTION = 0.45  # of the sample rate: no band's frequency goes higher
TINY = 1e-30  # keeps a logarithm finite where a shelf meets 0 Hz or Nyquist


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

    freq_hz, gain_db, q: (batch, bands). sample_rate: (batch,).
    """
    return band_responses_db(kinds, freq_hz, gain_db, q, sample_rate, hz).sum(1)


def band_responses_db(
    kinds: Sequence[BandType],
    freq_hz: Tensor,
    gain_db: Tensor,
    q: Tensor,
    sample_rate: Tensor,
    hz: Tensor,
) -> Tensor:
    """Gain of each band in dB at `hz`, (batch, bands, points); arguments as of `response_db`.

    The magnitude of `design`'s filters, written in sines of half the angles: exact in float32
    down to 20 Hz, where the coefficients themselves no longer are.
    """
    rate = sample_rate[:, None]
    at = torch.sin(math.pi * hz / rate).square()[:, None]
    centre = torch.sin(math.pi * torch.minimum(freq_hz, EQ_MAX_FRACTION * rate) / rate).square()
    u = at * (1.0 - centre[..., None])
    v = (1.0 - at) * centre[..., None]
    a = 10.0 ** (gain_db[..., None] / 40.0)
    damped = u * v / q[..., None].square()
    bands = []
    for band, kind in enumerate(kinds):
        ub, vb, ab, db = u[:, band], v[:, band], a[:, band], damped[:, band]
        if kind == "peak":
            above, below = (ub - vb).square() + ab**2 * db, (ub - vb).square() + db / ab**2
        else:
            low, high = (ub, vb) if kind == "low_shelf" else (vb, ub)
            above = ab**2 * ((ab * high - low).square() + ab * db)
            below = (high - ab * low).square() + ab * db
        bands.append(torch.log(above + TINY) - torch.log(below + TINY))
    return (10.0 / math.log(10.0)) * torch.stack(bands, 1)


def peq(
    x: Tensor,
    kinds: Sequence[BandType],
    freq_hz: Tensor,
    gain_db: Tensor,
    q: Tensor,
    sample_rate: Tensor,
) -> Tensor:
    """Filter x (batch, frames) through the bands, starting at rest. Returns the same shape.

    freq_hz, gain_db, q: (batch, bands). sample_rate: (batch,) in Hz.
    """
    sos = design(kinds, *(t.double() for t in (freq_hz, gain_db, q, sample_rate)))

    def response(log_z: Tensor) -> Tensor:
        unit, two = torch.exp(-log_z), torch.exp(-2.0 * log_z)
        b0, b1, b2, a1, a2 = (c[..., None] for c in sos.unbind(-1))
        above, below = b0 + b1 * unit + b2 * two, 1.0 + a1 * unit + a2 * two
        return above.prod(1) / below.prod(1)

    return through(x, response)
