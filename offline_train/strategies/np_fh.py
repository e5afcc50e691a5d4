"""NP-FH, full hybrid: the effects themselves forward, the gradient of their proxies backward."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from offline_train.effects import TWINS, Effect, chain
from offline_train.proxies import ProxyEffects, trained
from offline_train.strategies import Strategy, Workshop
from realtime.params import BandType, Profile


class FullHybrid(Strategy):
    """Each effect's proxy hears what the effect before it really gave."""

    def __init__(self, profile: Profile, proxies: ProxyEffects) -> None:
        super().__init__(profile)
        self.effects = {name: _borrowed(TWINS[name], proxies[name]) for name in proxies}

    def train(self, x: Tensor, values: Mapping[str, Tensor], sample_rate: Tensor) -> Tensor:
        """The chain's sound, with the proxies' gradient."""
        return chain(x, values, self.profile.band_types, sample_rate, self.effects)


def _borrowed(exact: Effect, proxy: Effect) -> Effect:
    def effect(x: Tensor, values: Tensor, kinds: Sequence[BandType], sample_rate: Tensor) -> Tensor:
        with torch.no_grad():
            heard = exact(x, values, kinds, sample_rate)
        guess = proxy(x, values, kinds, sample_rate)
        return guess + (heard - guess).detach()

    return effect


def make(workshop: Workshop) -> Strategy:
    """Trains the proxies first, or takes those that the run has already."""
    return FullHybrid(workshop.profile, trained(workshop))
