"""Telling a filter from two recordings that have sounds in common, but in other proportions."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from offline_train.matching import matched  # noqa: E402
from realtime.exemplars import exemplars  # noqa: E402
from realtime.features import BANDS, LAYOUT, SIZE  # noqa: E402

ROUNDS = 8
FILTER_DB = 9.0 * np.sin(np.linspace(0.0, 5.0, BANDS))
SOUNDS = 24


def recording(sounds: np.ndarray, seed: int, top: int = BANDS) -> torch.Tensor:
    """Features of one that has `sounds` (SOUNDS, BANDS) in proportions of its own, (1, SIZE)."""
    rng = np.random.default_rng(seed)
    often = rng.dirichlet(np.full(len(sounds), 0.5))
    frames = sounds[rng.choice(len(sounds), 300, p=often)] + rng.normal(0.0, 1.0, (300, BANDS))
    mask = np.arange(BANDS) < top
    centres, shares = exemplars((frames * mask).astype(np.float32))
    features = np.zeros(SIZE, np.float32)
    features[LAYOUT["mean"]] = frames.mean(axis=0) * mask
    features[LAYOUT["exemplars"]], features[LAYOUT["shares"]] = centres.ravel(), shares
    features[LAYOUT["mask"]] = mask
    return torch.from_numpy(features)[None]


def pair(seed: int, top: int = BANDS) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Input, filtered reference of the same sounds, and the difference of their means."""
    rng = np.random.default_rng(seed)
    peaks = rng.uniform(0, BANDS, (SOUNDS, 1, 3))
    shapes = (10.0 * np.exp(-0.5 * ((np.arange(BANDS)[:, None] - peaks) / 6.0) ** 2)).sum(2)
    sounds = shapes + rng.normal(-60.0, 6.0, (SOUNDS, 1))
    input = recording(sounds, 2 * seed, top)
    reference = recording(sounds + FILTER_DB, 2 * seed + 1, top)
    return input, reference, reference[:, LAYOUT["mean"]] - input[:, LAYOUT["mean"]]


def off(curve: torch.Tensor, top: int = BANDS) -> float:
    """Mean distance from the filter in dB, up to a constant."""
    lack = curve[0, :top].numpy() - FILTER_DB[:top]
    return float(np.abs(lack - lack.mean()).mean())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("top", [BANDS, 60])
def test_finds_the_filter_where_averages_are_led_astray(seed, top):
    input, reference, means = pair(seed, top)
    found, _, _ = matched(input, reference, input[:, LAYOUT["mask"]], means, ROUNDS)
    assert off(found, top) < 0.5 * off(means, top)
    assert not found[0, top:].any()


def test_the_same_recording_needs_no_filter():
    input, _, _ = pair(0)
    still = torch.zeros(1, BANDS)
    found, spread, gain = matched(input, input, input[:, LAYOUT["mask"]], still, ROUNDS)
    assert found.abs().max() < 0.2
    assert spread.max() < 2.0
    assert gain.abs().max() < 0.2


def test_says_how_far_the_pairs_disagree():
    input, reference, means = pair(1)
    mask = input[:, LAYOUT["mask"]]
    other = reference.clone()
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.normal(0.0, 8.0, (1, reference.shape[1])).astype(np.float32))
    where = torch.zeros_like(mask[0], dtype=torch.bool)
    where[30:40] = True
    many = where.repeat(LAYOUT["exemplars"].stop - LAYOUT["exemplars"].start)[: 64 * BANDS]
    other[:, LAYOUT["exemplars"]] += noise[:, LAYOUT["exemplars"]] * many
    _, before, _ = matched(input, reference, mask, means, ROUNDS)
    _, after, _ = matched(input, other, mask, means, ROUNDS)
    assert (after[0, where] > 1.5 * before[0, where]).all()
    assert after[0, ~where].mean() < 1.5 * before[0, ~where].mean()


def test_rows_do_not_see_each_other():
    rows = [pair(seed) for seed in range(3)]
    input, reference, means = (torch.cat([row[n] for row in rows]) for n in range(3))
    together = matched(input, reference, input[:, LAYOUT["mask"]], means, ROUNDS)
    alone = matched(*rows[1][:2], rows[1][0][:, LAYOUT["mask"]], rows[1][2], ROUNDS)
    assert all(torch.allclose(t[1:2], a, atol=1e-3) for t, a in zip(together, alone, strict=True))
