"""Losses: one on settings, cheap, for many steps; one on audio, through the twins, for the ear.

The audio metric is multi-resolution STFT as DeepAFx-ST reports it: Hann windows, hop half a
window, mean absolute difference of linear and of log magnitudes, no spectral convergence. It
gives auraloss 0.4.0's numbers (a test says so) without the phases that auraloss also computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from offline_train.curve_estimator import shared_bands
from offline_train.effects.compressor import static_reduction_db
from offline_train.model import eq_response_db
from offline_train.pairs import CURVE_HZ
from realtime.features import BAND_HZ, LAYOUT
from realtime.params import EQ_BANDS, WORKING_LOUDNESS_LUFS, Profile

WINDOWS = (32, 128, 512, 2_048, 8_192, 32_768)
NEAREST = [int(abs(CURVE_HZ - hz).argmin()) for hz in BAND_HZ]  # point of a curve to each band
MAGNITUDE_FLOOR = 1e-8  # of the squared magnitude


def mr_stft(
    x: Tensor, y: Tensor, windows: Sequence[int] = WINDOWS, hop: int | None = None
) -> Tensor:
    """Distance of x and y (batch, frames), one value each: (batch,). hop: half of each window
    where None."""
    total = torch.zeros_like(x[:, 0])
    for size in windows:
        window = torch.hann_window(size, dtype=x.dtype, device=x.device)
        first, second = (_power(s, size, hop or size // 2, window) for s in (x, y))
        log = 0.5 * (torch.log(first) - torch.log(second)).abs().mean((1, 2))
        linear = (torch.sqrt(first) - torch.sqrt(second)).abs().mean((1, 2))
        total = total + log + linear
    return total / len(windows)


def _power(x: Tensor, size: int, hop: int, window: Tensor) -> Tensor:
    spectrum = torch.stft(x, size, hop, size, window, return_complex=True)
    return torch.view_as_real(spectrum).square().sum(-1).clamp_min(MAGNITUDE_FLOOR)


def audio_loss(output: Tensor, target: Tensor, windows: Sequence[int], mae_weight: float) -> Tensor:
    """Mean MR-STFT plus `mae_weight` times the mean absolute error; inputs (batch, frames)."""
    return mr_stft(output, target, windows).mean() + mae_weight * (output - target).abs().mean()


def settings_loss(
    values: Mapping[str, Tensor],
    curve: Tensor,
    batch: Mapping[str, Tensor],
    profile: Profile,
) -> dict[str, Tensor]:
    """How far settings are from those that made the target; terms by name, to be added up.

    values: id -> (batch,) plain. curve: (batch, BANDS) what the model aims its equaliser at.
    batch: rows of a `pool.Pool`.

    Equalisers are compared by their curves and compressors by the reduction they would give the
    target's own levels, both up to a constant, which is the gain's business: different settings
    may sound the same. One constant ties them together: if the equaliser stands c dB under what
    was asked for, the compressor sees everything c dB lower.
    """
    rate = batch["sample_rate"]
    points = torch.tensor(CURVE_HZ, dtype=rate.dtype, device=rate.device)
    hz = torch.minimum(points, 0.5 * rate[:, None])
    response = eq_response_db(values, profile, rate, hz)
    inside = points < 0.48 * rate[:, None]
    weight = inside / inside.sum(1, keepdim=True)
    lack = batch["curve_db"] - response
    offset = (lack * weight).sum(1)
    eq = ((lack - offset[:, None]).abs() * weight).sum(1).mean() / 10.0
    aim = curve_term(curve, batch) / 10.0

    norms = batch["norms_db"]
    to_working = WORKING_LOUDNESS_LUFS - batch["input"][:, LAYOUT["loudness"]][:, 0]
    shift = norms[:, 0] + to_working - norms[:, 1] - offset
    threshold, ratio, knee, attack, release = (p[:, None] for p in batch["compressor"].unbind(1))
    wanted = static_reduction_db(batch["levels_db"], threshold, ratio, knee)
    given = static_reduction_db(
        batch["levels_db"] + shift[:, None],
        values["comp.threshold_db"][:, None],
        values["comp.ratio"][:, None],
        values["comp.knee_db"][:, None],
    )
    excess = given - wanted
    excess_mean = excess.mean(1)
    compression = (excess - excess_mean[:, None]).abs().mean() / 5.0
    depth = wanted.std(1).clamp(max=6.0) / 6.0
    timing = depth * (
        (torch.log(values["comp.attack_ms"] / attack[:, 0])).abs()
        + (torch.log(values["comp.release_ms"] / release[:, 0])).abs()
    )
    gain_wanted = (norms[:, 2] - shift - excess_mean).detach()
    level = (values["output.gain_db"] - gain_wanted).abs().mean() / 10.0
    gains = torch.stack([values[f"eq{b}.gain_db"] for b in range(1, EQ_BANDS + 1)], 1)
    effort = gains.abs().mean() / 24.0 - (given / 24.0).mean()
    return {
        "eq": eq, "aim": 0.5 * aim, "compression": compression, "timing": 0.05 * timing.mean(),
        "level": 0.5 * level, "effort": 0.03 * effort,
    }  # fmt: skip


def curve_term(curve: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    """Distance in dB of the aimed-at curve from the true one, at the bands, up to a constant;
    half of the weight by octaves, half by Hz."""
    nearest = torch.tensor(NEAREST, device=curve.device)[None]
    wanted = torch.gather(batch["curve_db"], 1, nearest.expand(len(curve), -1))
    mask = shared_bands(batch["input"], batch["reference"])
    by_hertz = mask * torch.tensor(BAND_HZ, dtype=mask.dtype, device=mask.device)
    weight = 0.5 * mask / mask.sum(1, keepdim=True) + 0.5 * by_hertz / by_hertz.sum(1, keepdim=True)
    lack = (wanted - curve) * mask
    lack = lack - (lack * weight).sum(1, keepdim=True)
    return (lack.abs() * weight).sum(1).mean()
