"""NP: trained and heard through neural proxies. The effects themselves come in on stage only."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from offline_train.proxies import trained
from offline_train.strategies import Strategy, Workshop
from offline_train.strategies.np_hh import HalfHybrid


class NeuralProxies(HalfHybrid):
    """Proxies wherever there is an effect."""

    def hear(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """The chain by its proxies."""
        return self.train(x, values, sample_rate)


def make(workshop: Workshop) -> Strategy:
    """Trains the proxies first, or takes those that the run has already."""
    return NeuralProxies(workshop.profile, trained(workshop))
