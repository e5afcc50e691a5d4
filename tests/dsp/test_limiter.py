"""The safety limiter: never above full scale, a wire below it, linked, and soon back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from realtime.dsp import limiter
from realtime.dsp.limiter import LIMITER_STATE, design_limiter
from tests.dsp import references
from tests.support import CUTS, RATES, bursts, cut, in_blocks, in_chunks, noise

RELEASE_S = 0.05

some_blocks = st.tuples(st.integers(1, 200), st.integers(1, 2)).flatmap(
    lambda shape: arrays(
        np.float32,
        shape,
        elements=st.floats(-1e6, 1e6, width=32) | st.floats(-2.0, 2.0, width=32),
        fill=st.nothing() if shape[0] < 40 else st.floats(-4.0, 4.0, width=32),
    )
)


def limit(x, sample_rate, sizes=None, state=None, volume=(1.0, 1.0)):
    coefs = design_limiter(sample_rate)
    state = np.zeros(LIMITER_STATE) if state is None else state

    def kernel(chunk, frames):
        block = np.empty((frames, len(chunk)), np.float32)
        limiter.limit(chunk, block, *volume, coefs, state)
        chunk[:, :frames] = block.T

    return in_blocks(in_chunks(kernel), x, sizes or [len(x)])


@settings(deadline=None, max_examples=200)
@given(some_blocks, st.sampled_from(RATES))
def test_never_above_full_scale_and_never_louder(x, rate):
    y = limit(x, rate)
    assert np.all(np.isfinite(y))
    assert np.abs(y).max() <= 1.0
    assert np.all(np.abs(y) <= np.abs(x))
    assert np.all(y * x >= 0.0)


@pytest.mark.parametrize("peak", [1e6, 1e12, 1e30, np.finfo("f4").max])
def test_never_above_full_scale_for_the_loudest_numbers(peak):
    x = noise(2_000, 2, 1.0)
    x = (x / np.abs(x).max() * peak).astype("f4")
    y = limit(x, 48_000)
    assert np.all(np.isfinite(y)) and np.abs(y).max() <= 1.0
    if peak <= 1e12:  # more than all gains of the chain together can make of a guarded input
        assert np.abs(y).max() > 0.99


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_wire_below_full_scale(rate, channels):
    x = noise(4_000, channels, 0.3)
    x /= np.abs(x).max()
    assert np.abs(x).max() == 1.0
    np.testing.assert_array_equal(limit(x, rate), x)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_kernel_is_the_float64_loop(rate, channels):
    x = 6.0 * bursts(8_000, channels)
    assert np.abs(x).max() > 2.0
    expected = references.limiter(x.astype(np.float64), rate)
    np.testing.assert_allclose(limit(x, rate), expected, atol=1e-7)


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize("channels", [1, 2])
def test_any_cut_into_blocks_sounds_the_same(size, channels):
    x = 4.0 * bursts(3_001, channels)
    np.testing.assert_array_equal(limit(x, 48_000, cut(len(x), size)), limit(x, 48_000))


def test_a_limiter_at_rest_is_as_ready_as_one_at_work():
    """Quiet for so long that nothing is left to release, then over full scale by a little."""
    rate = 8_000
    x = noise(5 * rate, 2, 0.3)
    x /= np.abs(x).max()
    x[100], x[3 * rate + 5], x[4 * rate] = 5.0, 1.0 + 2.0**-23, 2.0
    y = limit(x, rate)
    np.testing.assert_allclose(y, references.limiter(x.astype(np.float64), rate), atol=1e-7)
    np.testing.assert_array_equal(y[2 * rate : 3 * rate], x[2 * rate : 3 * rate])
    for size in CUTS:
        np.testing.assert_array_equal(limit(x, rate, cut(len(x), size)), y)


@pytest.mark.parametrize("frames", [512, 301, 5])
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("peak", [0.4, 3.0])
def test_the_volume_comes_before_the_limiter(frames, channels, peak):
    """From 0.5 to 2 over a chunk: below full scale nothing else happens to the sound."""
    x = noise(frames, channels, 0.3)
    x *= peak / np.abs(x).max()
    louder = x * np.linspace(0.5, 2.0, frames, endpoint=False)[:, None]
    expected = louder if peak < 0.5 else references.limiter(louder, 48_000)
    np.testing.assert_allclose(limit(x, 48_000, volume=(0.5, 2.0)), expected, atol=3e-7)


@pytest.mark.parametrize("fault", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 1])
def test_what_is_no_number_does_not_pass(fault, channel):
    x = noise(1_000, 2, 0.1)
    x[500, channel] = fault
    y = limit(x, 48_000, cut(len(x), 64))
    assert np.all(np.abs(y) <= 1.0)
    np.testing.assert_array_equal(y[:500], x[:500])


@pytest.mark.parametrize("rate", RATES)
def test_release_is_a_time_constant_of_50_ms(rate):
    x = np.full((round(0.2 * rate), 1), 0.1, "f4")
    x[0] = 10.0
    gain = limit(x, rate)[:, 0] / x[:, 0]
    assert gain[0] == pytest.approx(0.1, rel=1e-6)
    for seconds in (0.01, 0.05, 0.15):
        missing = 0.9 * math.exp(-seconds / RELEASE_S)
        assert gain[round(seconds * rate)] == pytest.approx(1.0 - missing, abs=1e-3)
    assert np.all(np.diff(gain) >= -1e-6)


def test_attack_is_instant():
    x = np.full((100, 1), 0.5, "f4")
    x[50] = -8.0
    y = limit(x, 48_000)
    np.testing.assert_array_equal(y[:50], x[:50])
    assert y[50, 0] == pytest.approx(-1.0, abs=1e-6)
    assert y[51, 0] == pytest.approx(0.5 / 8.0, rel=1e-2)


def test_channels_are_linked():
    x = np.repeat(3.0 * bursts(4_000, 1), 2, axis=1)
    for quiet in (0, 1):
        z = x.copy()
        z[:, quiet] *= 0.125
        y = limit(z, 48_000)
        np.testing.assert_allclose(y[:, quiet], 0.125 * y[:, 1 - quiet], rtol=1e-6, atol=1e-9)
