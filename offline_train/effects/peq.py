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
    masks = (mask.to(hz.device) for mask in kind_masks(kinds))
    return magnitudes_db(*masks, freq_hz, gain_db, q, sample_rate, hz)


def kind_masks(kinds: Sequence[BandType]) -> tuple[Tensor, Tensor]:
    """Which bands are peaks and which are high shelves, (bands, 1) each."""
    return tuple(torch.tensor([[kind == k] for kind in kinds]) for k in ("peak", "high_shelf"))


@torch.jit.script
def magnitudes_db(
    is_peak: Tensor,
    is_high: Tensor,
    freq_hz: Tensor,
    gain_db: Tensor,
    q: Tensor,
    sample_rate: Tensor,
    hz: Tensor,
) -> Tensor:
    """`band_responses_db` with the bands' kinds as masks. Scripted, so that a loop around it can
    be exported as a loop."""
    rate = sample_rate[:, None]
    at = torch.sin(3.141592653589793 * hz / rate).square()[:, None]
    corner = torch.minimum(freq_hz, 0.45 * rate)
    centre = torch.sin(3.141592653589793 * corner / rate).square()[:, :, None]
    u, v = at * (1.0 - centre), (1.0 - at) * centre
    a = torch.exp(gain_db * 0.05756462732485115)[:, :, None]  # 10^(gain / 40)
    damped = u * v / q[:, :, None].square()
    low, high = torch.where(is_high, v, u), torch.where(is_high, u, v)
    apart = (u - v).square()
    above = torch.where(
        is_peak, apart + a * a * damped, a * a * ((a * high - low).square() + a * damped)
    )
    below = torch.where(is_peak, apart + damped / (a * a), (high - a * low).square() + a * damped)
    return 4.342944819032518 * (torch.log(above + 1e-30) - torch.log(below + 1e-30))


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
