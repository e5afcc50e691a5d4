"""The compiled chain for a batch: each example rendered by a thread of its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch
from torch import Tensor

from realtime.params import BY_ID, Profile
from realtime.preset import Preset
from realtime.transfer import render


def render_batch(
    x: Tensor, values: Mapping[str, Tensor], profile: Profile, sample_rate: Tensor
) -> Tensor:
    """x (batch, frames) through the chain as `values` (id -> (batch,), plain) set it.

    Values are kept to the table's ranges; no gradient. Kernels run without Python's lock, so
    examples render side by side.
    """
    sounds = x.detach().numpy()

    def one(index: int) -> Tensor:
        plain = {i: BY_ID[i].clamp(float(v[index])) for i, v in values.items()}
        preset = Preset(plain, profile=profile.name)
        return torch.from_numpy(render(sounds[index], preset, round(float(sample_rate[index]))))

    return torch.stack(list(_threads().map(one, range(len(x)))))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="render")
