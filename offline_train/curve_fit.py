"""Fit the equaliser's bands to a curve: damped Gauss-Newton steps that an exporter can unroll.

The network's rounds leave the bands about right; what is left over is a smooth least-squares
problem in eighteen unknowns, which some steps of a solver finish better than any network would.
The steps are plain tensor operations, differentiable and without a branch.

Source: Levenberg 1944, Marquardt 1963; weights after Holland and Welsch 1977, "Robust regression
using iteratively reweighted least-squares".
"""

from __future__ import annotations

import torch
from torch import Tensor

from offline_train.effects.peq import band_responses_db
from realtime.params import BandType

STEPS = 10
STEP_LOGIT = 0.1  # of the finite differences, in logits
SOFTEN_DB = 1.5  # residuals beyond this count by their size, not by its square
DAMPING = 0.03  # of the mean curvature: keeps a band that does nothing where it is
REACH = 1.5  # logits a step may move a parameter


def fit(
    logits: Tensor,
    low: Tensor,
    span: Tensor,
    kinds: tuple[BandType, ...],
    curve_db: Tensor,
    weight: Tensor,
    hz: Tensor,
    rate: Tensor,
    steps: int = STEPS,
) -> Tensor:
    """Logits (batch, bands, 3) of log frequency, gain and log Q, moved so that the bands' summed
    response comes close to `curve_db` (batch, points) at `hz`, a constant apart.

    low, span: (bands, 3), where sigmoid(logit) 0 stands and how far 1 is from there, in
    log Hz, dB and log Q. weight: (batch, points) of sum 1. rate: (batch,).
    """
    batch, bands, _ = logits.shape
    unknowns = 3 * bands

    def responses(at: Tensor) -> Tensor:
        plain = low + span * torch.sigmoid(at)
        freq_hz, gain_db, q = torch.exp(plain[..., 0]), plain[..., 1], torch.exp(plain[..., 2])
        return band_responses_db(kinds, freq_hz, gain_db, q, rate, hz)

    nudges = STEP_LOGIT * torch.eye(3, dtype=logits.dtype)
    for _ in range(steps):
        now = responses(logits)
        slopes = [(responses(logits + nudge) - now) / STEP_LOGIT for nudge in nudges]
        jacobian = torch.stack(slopes, 2).reshape(batch, unknowns, -1)
        jacobian = jacobian - (jacobian * weight[:, None]).sum(2, keepdim=True)
        left = curve_db - now.sum(1)
        left = left - (left * weight).sum(1, keepdim=True)
        robust = weight / torch.sqrt(1.0 + (left / SOFTEN_DB).square())
        weighted = jacobian * robust[:, None]
        square = weighted @ jacobian.transpose(1, 2)
        toward = (weighted @ left[:, :, None])[..., 0]
        curvature = weighted.mul(jacobian).sum(2)
        ridge = DAMPING * (curvature + curvature.mean(1, keepdim=True)) + 1e-4
        square = square + ridge[:, :, None] * torch.eye(unknowns, dtype=logits.dtype)
        move = _solve(square, toward).reshape(batch, bands, 3)
        logits = logits + REACH * torch.tanh(move / REACH)
    return logits


def _solve(square: Tensor, right: Tensor) -> Tensor:
    """square x = right, (batch, n, n) and (batch, n), by elimination without pivoting: `square`
    is symmetric and its diagonal well above zero."""
    unknowns = right.shape[1]
    rows = torch.cat([square, right[:, :, None]], dim=2)
    one = torch.eye(unknowns, dtype=right.dtype)
    for k in range(unknowns):
        column = rows[:, :, k : k + 1] - one[:, k : k + 1]
        rows = rows - column * (rows[:, k : k + 1] / rows[:, k : k + 1, k : k + 1])
    return rows[:, :, unknowns]
