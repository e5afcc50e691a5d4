"""Twin of a plain gain."""

from __future__ import annotations

from torch import Tensor


def gain(x: Tensor, gain_db: Tensor) -> Tensor:
    """x (batch, frames) times 10^(gain_db / 20); gain_db (batch,)."""
    return x * (10.0 ** (gain_db / 20.0))[:, None]
