"""Differentiable twins of the chain's effects: the same equations as realtime/dsp, in torch.

Signals are (batch, frames), parameters plain values of shape (batch,), one sample rate an
example, so that one batch may mix rates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor

from offline_train.effects.compressor import compressor
from offline_train.effects.distortion import distortion
from offline_train.effects.gain import gain
from offline_train.effects.peq import peq
from offline_train.effects.reverb import reverb
from realtime.params import DEFAULTS, EQ_BANDS, IDS, BandType

# x (batch, frames), the effect's own values in the table's order (batch, ids), each band's kind,
# sample rates (batch,) -> (batch, frames)
Effect = Callable[[Tensor, Tensor, Sequence[BandType], Tensor], Tensor]


def _ids(prefix: str) -> tuple[str, ...]:
    return tuple(i for i in IDS if i.startswith(prefix))


EFFECT_IDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "peq": _ids("eq"),
        "compressor": _ids("comp."),
        "distortion": _ids("dist."),
        "reverb": _ids("reverb."),
    }
)  # in the order of the chain


def _peq(x: Tensor, values: Tensor, kinds: Sequence[BandType], sample_rate: Tensor) -> Tensor:
    freq_hz, gain_db, q = values.reshape(len(x), EQ_BANDS, 3).unbind(2)
    return peq(x, kinds, freq_hz, gain_db, q, sample_rate)


def _without_bands(effect: Callable[..., Tensor]) -> Effect:
    return lambda x, values, kinds, sample_rate: effect(x, *values.unbind(1), sample_rate)


TWINS: Mapping[str, Effect] = MappingProxyType(
    {
        "peq": _peq,
        "compressor": _without_bands(compressor),
        "distortion": _without_bands(distortion),
        "reverb": _without_bands(reverb),
    }
)


def chain(
    x: Tensor,
    values: Mapping[str, Tensor],
    band_types: Sequence[BandType],
    sample_rate: Tensor,
    effects: Mapping[str, Effect] = TWINS,
) -> Tensor:
    """Input gain, PEQ, compressor, distortion, reverb, output gain.

    x: (batch, frames). values: id -> (batch,) plain values; a missing id stands at its default,
    and an effect of which none is there is left out: at its defaults it does nothing.
    sample_rate: (batch,) in Hz. effects: by what to compute them, the twins or what stands for
    them. Returns (batch, frames). No limiter: training stays below it.
    """

    def value(param_id: str) -> Tensor:
        if param_id in values:
            return values[param_id]
        return torch.full_like(x[:, 0], DEFAULTS[param_id])

    x = gain(x, value("input.gain_db"))
    for name, ids in EFFECT_IDS.items():
        if values.keys() & set(ids):
            own = torch.stack([value(i) for i in ids], 1)
            x = effects[name](x, own, band_types, sample_rate)
    return gain(x, value("output.gain_db"))
