"""How the loss on a sound gets back to the parameters that made it: one file a way.

A strategy is a module here with a function `make(workshop) -> Strategy`; its file's name, with
`-` for `_`, is what `--strategy` calls it. A new one needs nothing but its file.

Compared by C. J. Steinmetz, N. J. Bryan, J. D. Reiss, "Style Transfer of Audio Effects with
Differentiable Signal Processing", JAES 70 (2022).
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from offline_train.config import Proxies
from offline_train.effects import chain
from realtime.params import Profile


class Sounds(Protocol):
    """What a `pool.Pool` with audio is to a strategy."""

    def __len__(self) -> int: ...

    def batch(self, indices: npt.NDArray[np.integer]) -> dict[str, Tensor]:
        """Rows: input_audio (rows, frames), input (rows, features.SIZE), sample_rate (rows,)."""
        ...


@dataclass(frozen=True)
class Workshop:
    """What a strategy may make ready before training: where, for whom, and from which sound."""

    out: Path
    profile: Profile
    pool: Sounds
    proxies: Proxies
    seed: int


class Strategy(ABC):
    """Renders a batch. x: (batch, frames); values: id -> (batch,) plain; sample_rate: (batch,)."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile

    @abstractmethod
    def train(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """What the loss hears, with a gradient to `values`."""

    def hear(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """What a listener hears, for validation: the chain itself, by its exact twins."""
        return chain(x, values, self.profile.band_types, sample_rate)


def names() -> tuple[str, ...]:
    """The strategies there are."""
    return tuple(sorted(m.name.replace("_", "-") for m in pkgutil.iter_modules(__path__)))


def load(name: str, workshop: Workshop) -> Strategy:
    """The strategy called `name`, ready to train."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    made: Strategy = module.make(workshop)
    return made
