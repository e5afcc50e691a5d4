"""AD: the loss is differentiated through the exact twins of the effects."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from offline_train.effects import chain
from offline_train.strategies import Strategy, Workshop


class AutomaticDifferentiation(Strategy):
    """What is trained on is what is heard."""

    def train(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """The chain by its twins."""
        return chain(x, values, self.profile.band_types, sample_rate)


def make(workshop: Workshop) -> Strategy:
    """Needs nothing made ready."""
    return AutomaticDifferentiation(workshop.profile)
