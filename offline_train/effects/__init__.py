"""Differentiable twins of the chain's effects: the same equations as realtime/dsp, in torch.

Signals are (batch, frames), parameters plain values of shape (batch,), one sample rate an
example, so that one batch may mix rates. Effects that no model trains yet have no twin yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from offline_train.effects.compressor import compressor
from offline_train.effects.gain import gain
from offline_train.effects.peq import peq
from realtime.params import DEFAULTS, EQ_BANDS, BandType


def chain(
    x: Tensor, values: Mapping[str, Tensor], band_types: Sequence[BandType], sample_rate: Tensor
) -> Tensor:
    """Input gain, PEQ, compressor, output gain: the chain as far as it has twins.

    x: (batch, frames). values: id -> (batch,) plain values; a missing id stands at its default.
    sample_rate: (batch,) in Hz. Returns (batch, frames). No limiter: training stays below it.
    """

    def value(param_id: str) -> Tensor:
        if param_id in values:
            return values[param_id]
        return torch.full_like(x[:, 0], DEFAULTS[param_id])

    bands = range(1, EQ_BANDS + 1)
    x = gain(x, value("input.gain_db"))
    x = peq(
        x,
        band_types,
        torch.stack([value(f"eq{b}.freq_hz") for b in bands], 1),
        torch.stack([value(f"eq{b}.gain_db") for b in bands], 1),
        torch.stack([value(f"eq{b}.q") for b in bands], 1),
        sample_rate,
    )
    x = compressor(
        x,
        value("comp.threshold_db"),
        value("comp.ratio"),
        value("comp.knee_db"),
        value("comp.attack_ms"),
        value("comp.release_ms"),
        value("comp.makeup_gain_db"),
        sample_rate,
    )
    return gain(x, value("output.gain_db"))
