"""Fit the equaliser's bands to a curve: damped Gauss-Newton steps that an exporter can unroll.

The network's rounds leave the bands about right; what is left over is a smooth least-squares
problem in eighteen unknowns, which some steps of a solver finish better than any network would.
The steps are differentiable and without a branch; scripted, they export as one loop.

Source: Levenberg 1944, Marquardt 1963; weights after Holland and Welsch 1977, "Robust regression
using iteratively reweighted least-squares".
"""

from __future__ import annotations

import torch
from torch import Tensor

from offline_train.effects.peq import magnitudes_db

STEPS = 15
STEP_LOGIT = 0.1  # of the finite differences
SOFTEN_DB = 1.5  # residuals beyond this count by their size, not by its square
# Of the curvature, at the first step and the last: keeps a band that does nothing where it is, and,
# high at first, two machines' roundings from finding two different answers.
DAMPING, DAMPING_END = 0.3, 0.03
REACH = 1.5  # logits a step may move a parameter


def fit(
    logits: Tensor,
    low: Tensor,
    span: Tensor,
    is_peak: Tensor,
    is_high: Tensor,
    curve_db: Tensor,
    weight: Tensor,
    hz: Tensor,
    rate: Tensor,
    steps: int = STEPS,
) -> Tensor:
    """Logits (batch, bands, 3) of log frequency, gain and log Q, moved so that the bands' summed
    response comes close to `curve_db` (batch, points) at `hz`, a constant apart.

    low, span: (bands, 3), where sigmoid(logit) 0 stands and how far 1 is from there, in
    log Hz, dB and log Q. is_peak, is_high: of `peq.kind_masks`. weight: (batch, points) of sum 1.
    rate: (batch,).
    """
    fall = (DAMPING_END / DAMPING) ** (1.0 / (STEPS - 1))
    like = {"dtype": logits.dtype, "device": logits.device}
    numbers = torch.tensor([STEP_LOGIT, SOFTEN_DB, DAMPING, fall, REACH], **like)
    sides = (low, span, is_peak, is_high, curve_db, weight, hz, rate)
    # What is optimised after some runs rounds otherwise than the first runs: a run that was killed
    # would not go on to the same numbers.
    with torch.jit.optimized_execution(False):
        return _fit(logits, *sides, torch.eye(3 * low.shape[0], **like), numbers, steps)


@torch.jit.script
def _responses(
    logits: Tensor,
    low: Tensor,
    span: Tensor,
    is_peak: Tensor,
    is_high: Tensor,
    hz: Tensor,
    rate: Tensor,
) -> Tensor:
    plain = low + span * torch.sigmoid(logits)
    freq_hz, gain_db, q = torch.exp(plain[:, :, 0]), plain[:, :, 1], torch.exp(plain[:, :, 2])
    return magnitudes_db(is_peak, is_high, freq_hz, gain_db, q, rate, hz)


@torch.jit.script
def _solve(square: Tensor, right: Tensor, one: Tensor) -> Tensor:
    """square x = right, (batch, n, n) and (batch, n), by elimination without pivoting: `square`
    is symmetric and its diagonal well above zero. one: (n, n), the identity."""
    rows = torch.cat([square, right[:, :, None]], dim=2)
    for k in range(one.shape[0]):
        row = rows[:, k]
        column = rows[:, :, k]
        pivot = column[:, k]
        scaled = row / pivot[:, None]
        rows = rows - (column - one[k])[:, :, None] * scaled[:, None]
    return rows[:, :, -1]


@torch.jit.script
def _fit(
    logits: Tensor,
    low: Tensor,
    span: Tensor,
    is_peak: Tensor,
    is_high: Tensor,
    curve_db: Tensor,
    weight: Tensor,
    hz: Tensor,
    rate: Tensor,
    one: Tensor,
    numbers: Tensor,
    steps: int,
) -> Tensor:
    step, soften, damping, fall, reach = numbers.unbind(0)
    nudges = step * one[:3, :3]
    for _ in range(steps):
        now = _responses(logits, low, span, is_peak, is_high, hz, rate)
        slopes = [
            (_responses(logits + nudges[k], low, span, is_peak, is_high, hz, rate) - now) / step
            for k in range(3)
        ]
        jacobian = torch.stack(slopes, 2).flatten(1, 2)
        jacobian = jacobian - (jacobian * weight[:, None]).sum(2, keepdim=True)
        left = curve_db - now.sum(1)
        left = left - (left * weight).sum(1, keepdim=True)
        robust = weight / torch.sqrt(1.0 + (left / soften).square())
        weighted = jacobian * robust[:, None]
        square = weighted @ jacobian.transpose(1, 2)
        toward = (weighted @ left[:, :, None])[:, :, 0]
        curvature = (weighted * jacobian).sum(2)
        ridge = damping * (curvature + curvature.mean(1, keepdim=True)) + 1e-4
        move = _solve(square + ridge[:, :, None] * one, toward, one).reshape(logits.shape)
        logits = logits + reach * torch.tanh(move / reach)
        damping = damping * fall
    return logits
