"""Twin of the compressor: soft knee in torch, exact attack/release recursion with a gradient.

The recursion runs in compiled loops, forward and (for the gradient) backward in time, so the
twin follows the live kernel sample by sample: no one-pole approximation, a real release.

Source of the curve: D. Giannoulis, M. Massberg, J. D. Reiss, "Digital Dynamic Range Compressor
Design", JAES 60 (2012). Source of the gradient: reverse-mode differentiation of the recursion
r[n] = a[n] r[n-1] + (1 - a[n]) t[n], where a[n] is the attack's or the release's coefficient.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

LEVEL_FLOOR = 1e-6  # -120 dBFS: the quietest level that the detector tells apart


def static_reduction_db(
    level_db: Tensor, threshold_db: Tensor, ratio: Tensor, knee_db: Tensor
) -> Tensor:
    """Gain reduction in dB (<= 0) that a steady level asks for; shapes broadcast."""
    over = level_db - threshold_db
    slope = 1.0 - 1.0 / ratio
    inside = (over + knee_db / 2.0).clamp_min(0.0)
    soft = inside.square() / (2.0 * knee_db.clamp_min(1e-6))
    return -slope * torch.where(over.abs() < knee_db / 2.0, soft, over.clamp_min(0.0))


def coefficient(time_ms: Tensor, sample_rate: Tensor) -> Tensor:
    """One-pole coefficient whose time constant (63 % of a step) is `time_ms`."""
    return torch.exp(-1.0 / (time_ms * 1e-3 * sample_rate))


def compressor(
    x: Tensor,
    threshold_db: Tensor,
    ratio: Tensor,
    knee_db: Tensor,
    attack_ms: Tensor,
    release_ms: Tensor,
    makeup_gain_db: Tensor,
    sample_rate: Tensor,
) -> Tensor:
    """Compress x (batch, frames), starting at rest; every parameter and the rate is (batch,)."""
    level_db = (20.0 / math.log(10.0)) * torch.log(x.abs().clamp_min(LEVEL_FLOOR))
    target_db = static_reduction_db(
        level_db, threshold_db[:, None], ratio[:, None], knee_db[:, None]
    )
    reduction_db = smooth(
        target_db, coefficient(attack_ms, sample_rate), coefficient(release_ms, sample_rate)
    )
    return x * torch.exp((math.log(10.0) / 20.0) * (reduction_db + makeup_gain_db[:, None]))


def smooth(target_db: Tensor, attack: Tensor, release: Tensor) -> Tensor:
    """The reduction that follows `target_db` (batch, frames); coefficients (batch,), from 0 dB."""
    return _Smooth.apply(target_db, attack, release)


class _Smooth(torch.autograd.Function):
    # The loops run on the processor wherever the tensors are: a recursion is no work for a GPU, and
    # rows side by side on a few cores cost less than the way there and back.
    @staticmethod
    def forward(ctx: Any, target: Tensor, attack: Tensor, release: Tensor) -> Tensor:
        target_np, attack_np, release_np = (_numpy(t) for t in (target, attack, release))
        out = np.empty_like(target_np)
        _by_rows(lambda n: smooth_forward(target_np[n], attack_np[n], release_np[n], out[n]), out)
        result = torch.from_numpy(out).to(target.device)
        ctx.save_for_backward(target, attack, release, result)
        return result

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        grad, *saved = (_numpy(t) for t in (grads[0], *ctx.saved_tensors))
        target, attack, release, result = saved
        grad_target = np.empty_like(result)
        grad_attack, grad_release = (np.empty(len(attack), np.float64) for _ in range(2))
        _by_rows(
            lambda n: _smooth_backward(
                grad[n], target[n], result[n], attack[n], release[n],
                grad_target[n], grad_attack[n], grad_release[n],
            ),
            result,
        )  # fmt: skip
        made = (grad_target, grad_attack.astype(attack.dtype), grad_release.astype(attack.dtype))
        to_target, to_attack, to_release = (torch.from_numpy(m).to(grads[0].device) for m in made)
        return to_target, to_attack, to_release


def _numpy(tensor: Tensor) -> npt.NDArray[np.floating]:
    return tensor.detach().contiguous().cpu().numpy()


def _by_rows(work: Callable[[slice], None], rows: npt.NDArray[np.floating]) -> None:
    """Do `work` on slices of the rows, on as many threads as torch may use."""
    threads = min(torch.get_num_threads(), len(rows))
    edges = np.linspace(0, len(rows), threads + 1).astype(int)
    slices = [slice(first, last) for first, last in pairwise(edges)]
    if threads <= 1:
        work(slices[0])
    else:
        list(_pool().map(work, slices))


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="smooth")


@numba.njit(cache=True, fastmath=False, nogil=True)
def smooth_forward(target, attack, release, out):
    """out (batch, frames) = smoothed target, in dB; attack and release (batch,). In place."""
    batch, frames = target.shape
    for b in range(batch):
        a_attack, a_release = float(attack[b]), float(release[b])
        r = 0.0
        for n in range(frames):
            t = float(target[b, n])
            a = a_attack if t < r else a_release
            r = a * r + (1.0 - a) * t
            out[b, n] = r


@numba.njit(cache=True, fastmath=False, nogil=True)
def _smooth_backward(grad, target, result, attack, release, grad_target, grad_attack, grad_release):
    """Reverse pass: lambda[n] = grad[n] + a[n+1] lambda[n+1]; see the module's source."""
    batch, frames = target.shape
    for b in range(batch):
        a_attack, a_release = float(attack[b]), float(release[b])
        carried = 0.0
        sum_attack, sum_release = 0.0, 0.0
        for n in range(frames - 1, -1, -1):
            previous = float(result[b, n - 1]) if n > 0 else 0.0
            t = float(target[b, n])
            total = grad[b, n] + carried
            step = total * (previous - t)
            if t < previous:
                a = a_attack
                sum_attack += step
            else:
                a = a_release
                sum_release += step
            grad_target[b, n] = (1.0 - a) * total
            carried = a * total
        grad_attack[b] = sum_attack
        grad_release[b] = sum_release
