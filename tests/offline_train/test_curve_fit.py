"""The solver that sets the equaliser's bands, and what a filter does to loudness."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

torch = pytest.importorskip("torch")

from offline_train.curve_fit import fit  # noqa: E402
from offline_train.effects.peq import kind_masks, response_db  # noqa: E402
from offline_train.loudness import k_weight, louder_db  # noqa: E402
from offline_train.model import EQ_KEYS, eq_ranges  # noqa: E402
from realtime.features import BAND_HZ, BANDS, LAYOUT, analyse  # noqa: E402
from realtime.params import EQ_BANDS, EQ_COMP, SEED  # noqa: E402
from tests.dsp import references  # noqa: E402
from tests.support import loudness, speech_like  # noqa: E402

PAIRS = 12
HZ = torch.tensor(BAND_HZ, dtype=torch.float32).repeat(PAIRS, 1)
EVEN = torch.full((PAIRS, BANDS), 1.0 / BANDS)
RATE = torch.full((PAIRS,), 48_000.0)


def bands(logits: torch.Tensor, profile=EQ_COMP) -> tuple[torch.Tensor, ...]:
    """Plain frequency, gain and Q, (pairs, bands) each."""
    low, span = eq_ranges(profile)
    freq, gain_db, q = (low + span * torch.sigmoid(logits)).unbind(2)
    return torch.exp(freq), gain_db, torch.exp(q)


def response(logits: torch.Tensor, profile=EQ_COMP) -> torch.Tensor:
    return response_db(profile.band_types, *bands(logits, profile), RATE, HZ)


def fitted(start: torch.Tensor, curve_db: torch.Tensor, profile=EQ_COMP, **steps) -> torch.Tensor:
    sides = (*eq_ranges(profile), *kind_masks(profile.band_types))
    return fit(start, *sides, curve_db, EVEN, HZ, RATE, **steps)


def left_db(logits: torch.Tensor, curve_db: torch.Tensor, profile=EQ_COMP) -> torch.Tensor:
    left = curve_db - response(logits, profile)
    return (left - left.mean(1, keepdim=True)).abs().mean(1)


@pytest.fixture(scope="module")
def truth() -> torch.Tensor:
    return 1.2 * torch.randn(PAIRS, EQ_BANDS, 3, generator=torch.Generator().manual_seed(2))


def test_bands_near_their_place_are_found(truth):
    curve = response(truth)
    start = truth + 0.5 * torch.randn(truth.shape, generator=torch.Generator().manual_seed(3))
    before, after = left_db(start, curve), left_db(fitted(start, curve), curve)
    assert float(before.mean()) > 1.0
    assert float(after.median()) < 0.1
    assert float(after.mean()) < 0.2 * float(before.mean())


def test_a_constant_is_not_the_equalisers_business(truth):
    curve = response(truth)
    start = torch.zeros_like(truth)
    assert torch.allclose(fitted(start, curve), fitted(start, curve + 7.0), atol=2e-2)


def test_flat_from_neutral_stays_neutral():
    start = torch.zeros(PAIRS, EQ_BANDS, 3)
    assert float((fitted(start, torch.zeros(PAIRS, BANDS)) - start).abs().max()) < 1e-4


def test_what_a_profile_freezes_stays(truth):
    curve = response(truth, SEED)
    start = torch.zeros_like(truth)
    found = fitted(start, curve, SEED)
    freq_hz, gain_db, _ = bands(found, SEED)
    assert torch.allclose(freq_hz, bands(start, SEED)[0])
    assert float((gain_db - bands(truth, SEED)[1]).abs().median()) < 0.5
    moved = (found - start).abs().amax((0, 1))
    assert [key for key, by in zip(EQ_KEYS, moved, strict=True) if float(by) > 1e-6] == ["gain_db"]


def test_more_steps_fit_better(truth):
    curve = response(truth)
    start = torch.zeros_like(truth)
    few, many = (left_db(fitted(start, curve, steps=n), curve).mean() for n in (2, 15))
    assert float(many) < float(few) < float(left_db(start, curve).mean())


@pytest.mark.parametrize("gain_db", [-12.0, 12.0])
@pytest.mark.parametrize("freq_hz", [150.0, 900.0, 5_000.0])
def test_louder_is_what_a_meter_says(freq_hz, gain_db):
    rate = 48_000
    x = speech_like(4.0, rate, 2)
    b_a = references.biquad("peak", freq_hz, gain_db, 0.7, rate)
    y = signal.sosfilt(b_a[None], x).astype(np.float32)
    metered = loudness(y, rate) - loudness(x, rate)
    features = torch.from_numpy(analyse(x, rate))[None]
    settings = (torch.tensor([[v]]) for v in (freq_hz, gain_db, 0.7))
    curve = response_db(("peak",), *settings, torch.tensor([float(rate)]), HZ[:1])
    weight = HZ[:1] * k_weight() * features[:, LAYOUT["mask"]]
    told = float(louder_db(features[:, LAYOUT["mean"]], weight, curve))
    assert told == pytest.approx(metered, abs=0.8)
    assert abs(metered) > 0.3
