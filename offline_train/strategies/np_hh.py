"""NP-HH, half hybrid: trained through neural proxies, heard through the effects themselves."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from offline_train.effects import chain
from offline_train.proxies import ProxyEffects, trained
from offline_train.strategies import Strategy, Workshop
from realtime.params import Profile


class HalfHybrid(Strategy):
    """Proxies forward and backward in training."""

    def __init__(self, profile: Profile, proxies: ProxyEffects) -> None:
        super().__init__(profile)
        self.proxies = proxies

    def train(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """The chain by its proxies."""
        return chain(x, values, self.profile.band_types, sample_rate, self.proxies)


def make(workshop: Workshop) -> Strategy:
    """Trains the proxies first, or takes those that the run has already."""
    return HalfHybrid(workshop.profile, trained(workshop))
