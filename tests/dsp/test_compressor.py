"""The compressor against a float64 loop, JUCE (pedalboard) and what its numbers promise."""

from __future__ import annotations

import math

import numpy as np
import pedalboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.dsp.compressor import COMPRESSOR_STATE, compressor_chunk, design_compressor
from realtime.params import BY_ID
from tests.dsp import references
from tests.support import CUTS, RATES, bursts, cut, in_blocks, in_chunks, to_db

NAMES = ("threshold_db", "ratio", "knee_db", "attack_ms", "release_ms", "makeup_gain_db")
PARAMS = tuple(BY_ID[f"comp.{name}"] for name in NAMES)
some_settings = st.tuples(*(st.floats(0.0, 1.0).map(param.from_unit) for param in PARAMS))


def compress(x, sample_rate, *settings_, sizes=None, state=None):
    coefs = design_compressor(*settings_, sample_rate)
    state = np.zeros(COMPRESSOR_STATE) if state is None else state
    kernel = in_chunks(lambda b, n: compressor_chunk(b, n, coefs, coefs, state))
    return in_blocks(kernel, x, sizes or [len(x)])


def steady_gain_db(level_db: float, *settings_, sample_rate: int = 8_000) -> float:
    """Gain for a constant peak level, after attack and release (0.1 and 5 ms) have settled."""
    x = np.full((1_000, 1), 10.0 ** (level_db / 20.0), "f4")
    return float(to_db(compress(x, sample_rate, *settings_)[-1, 0] / x[-1, 0]))


def reduction_db(x, y):
    """Gain over time in dB, of two signals of constant sign."""
    return to_db(y[:, 0].astype(np.float64) / x[:, 0])


# --- against the reference -------------------------------------------------------------------
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "settings_",
    [(-24.0, 4.0, 6.0, 10.0, 100.0, 0.0), (-60.0, 20.0, 24.0, 0.1, 5.0, 24.0),
     (-10.0, 2.0, 0.0, 200.0, 2_000.0, -24.0)],
)  # fmt: skip
def test_kernel_is_the_float64_loop(rate, channels, settings_):
    x = bursts(8_000, channels)
    expected = references.compressor(x.astype(np.float64), *settings_, rate)
    error = np.abs(compress(x, rate, *settings_) - expected).max()
    assert error <= 1e-6 * np.abs(expected).max()


@settings(deadline=None, max_examples=40)
@given(some_settings, st.sampled_from(RATES), st.integers(0, 2**32 - 1))
def test_kernel_is_the_float64_loop_for_any_setting_of_the_table(settings_, rate, seed):
    x = bursts(600, 2, seed)
    expected = references.compressor(x.astype(np.float64), *settings_, rate)
    error = np.abs(compress(x, rate, *settings_) - expected).max()
    assert error <= 2e-6 * np.abs(expected).max()


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize("channels", [1, 2])
def test_any_cut_into_blocks_sounds_the_same(size, channels):
    x = bursts(3_001, channels)
    settings_ = (-30.0, 4.0, 6.0, 1.0, 20.0, 3.0)
    whole = compress(x, 48_000, *settings_)
    cuts = compress(x, 48_000, *settings_, sizes=cut(len(x), size))
    np.testing.assert_array_equal(cuts, whole)


# --- the static curve ------------------------------------------------------------------------
@pytest.mark.parametrize("ratio", [1.0, 2.0, 6.0, 20.0])
@pytest.mark.parametrize("knee", [0.0, 6.0, 24.0])
def test_static_curve(ratio, knee):
    threshold = -20.0
    fast = (threshold, ratio, knee, 0.1, 5.0, 0.0)
    for level in (-60.0, threshold - knee / 2, threshold - 1.0, threshold, -19.0, -8.0, 0.0):
        expected = references.static_reduction_db(level, threshold, ratio, knee)
        assert steady_gain_db(level, *fast) == pytest.approx(expected, abs=2e-4)


def test_below_threshold_and_knee_nothing_is_reduced():
    x = bursts(4_000, 2)
    x *= 0.9 * 10.0 ** (-23.0 / 20.0) / np.abs(x).max()
    np.testing.assert_array_equal(compress(x, 48_000, -20.0, 20.0, 6.0, 0.1, 50.0, 0.0), x)


def test_ratio_is_the_slope_over_the_threshold():
    for ratio in (2.0, 4.0, 6.0, 20.0):
        fast = (-30.0, ratio, 0.0, 0.1, 5.0, 0.0)
        out = [level + steady_gain_db(level, *fast) for level in (-20.0, -10.0)]
        assert 10.0 / (out[1] - out[0]) == pytest.approx(ratio, rel=1e-3)


@pytest.mark.parametrize("edge", [-1.0, 1.0])
def test_curve_and_slope_are_continuous_at_the_knees_edges(edge):
    threshold, knee, step = -24.0, 6.0, 0.05
    fast = (threshold, 4.0, knee, 0.1, 5.0, 0.0)
    levels = threshold + edge * knee / 2 + step * np.arange(-2, 3)
    gains = np.array([steady_gain_db(level, *fast) for level in levels])
    slopes = np.diff(gains) / step
    # Within the knee the slope moves by s/W = 0.125 per dB: 0.00625 a step, and no jump beyond.
    assert np.abs(np.diff(slopes)).max() < 0.00625 + 0.004
    assert gains[2] == pytest.approx(
        references.static_reduction_db(levels[2], -24.0, 4.0, 6.0), abs=2e-4
    )


def test_makeup_gain_is_a_plain_gain():
    x = bursts(2_000, 2)
    base = compress(x, 48_000, -30.0, 4.0, 6.0, 5.0, 50.0, 0.0)
    for makeup in (-24.0, 6.0, 24.0):
        louder = compress(x, 48_000, -30.0, 4.0, 6.0, 5.0, 50.0, makeup)
        np.testing.assert_allclose(louder, base * 10.0 ** (makeup / 20.0), rtol=1e-6, atol=1e-9)


# --- time constants --------------------------------------------------------------------------
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("ms", [1.0, 10.0, 50.0])
def test_attack_and_release_are_63_percent_of_a_step_in_db(rate, ms):
    """Level up by 20 dB for five time constants and down again; threshold under both."""
    hold = round(6e-3 * ms * rate)
    low, high = np.full((hold, 1), 0.01, "f4"), np.full((hold, 1), 0.1, "f4")
    x = np.concatenate([low, high, low])
    settings_ = (-60.0, 2.0, 0.0, ms, ms, 0.0)
    gain = reduction_db(x, compress(x, rate, *settings_))
    at = round(ms * 1e-3 * rate)
    for start, first, last in ((hold, -10.0, -20.0), (2 * hold, -20.0, -10.0)):
        # Settled to e^-6 before the step; after `at` samples a step is 1 - 1/e done.
        assert gain[start - 1] == pytest.approx(first, abs=0.03)
        done = (gain[start + at - 1] - gain[start - 1]) / (last - gain[start - 1])
        assert done == pytest.approx(1.0 - math.exp(-at / (ms * 1e-3 * rate)), abs=2e-3)


def test_attack_acts_on_falling_gain_and_release_on_rising():
    rate, quiet, loud = 48_000, np.full((4_800, 1), 0.001, "f4"), np.full((4_800, 1), 0.5, "f4")
    x = np.concatenate([quiet, loud, quiet])
    gain = reduction_db(x, compress(x, rate, -40.0, 4.0, 0.0, 1.0, 1_000.0, 0.0))
    full = references.static_reduction_db(20 * math.log10(0.5), -40.0, 4.0, 0.0)
    assert gain[4_800 + 480] == pytest.approx(full, abs=0.01)  # ten attacks later: all there
    assert gain[-1] == pytest.approx(full * math.exp(-0.1), abs=0.05)  # a tenth of a release


# --- stereo ------------------------------------------------------------------------------------
def test_stereo_image_stays():
    """One gain for both channels, made by the louder: the ratio of the channels never moves."""
    x = np.repeat(bursts(8_000, 1), 2, axis=1)
    x[:, 1] *= 0.25
    y = compress(x, 48_000, -40.0, 6.0, 6.0, 1.0, 20.0, 0.0)
    np.testing.assert_allclose(y[:, 1], 0.25 * y[:, 0], rtol=1e-6, atol=1e-9)
    alone = compress(np.ascontiguousarray(x[:, :1]), 48_000, -40.0, 6.0, 6.0, 1.0, 20.0, 0.0)
    np.testing.assert_allclose(y[:, :1], alone, rtol=1e-6, atol=1e-9)


def test_either_channel_turns_both_down():
    for loud in (0, 1):
        x = np.full((4_000, 2), 0.01, "f4")
        x[:, loud] = 0.5
        y = compress(x, 48_000, -20.0, 4.0, 0.0, 1.0, 20.0, 0.0)
        np.testing.assert_allclose(
            y[-1] / x[-1], 10.0 ** (-0.75 * (20.0 - 6.0206) / 20.0), rtol=1e-3
        )


# --- another implementation of the same effect -------------------------------------------------
@pytest.mark.parametrize("level", [-18.0, -9.0, -1.0])
@pytest.mark.parametrize(("threshold", "ratio"), [(-12.0, 2.0), (-30.0, 4.0), (-40.0, 20.0)])
def test_steady_state_equals_juce(level, threshold, ratio):
    """JUCE's has a hard knee and ballistics of another kind: the settled gain is comparable."""
    x = np.full((48_000, 1), 10.0 ** (level / 20.0), "f4")
    plugin = pedalboard.Compressor(threshold, ratio, attack_ms=1.0, release_ms=20.0)
    theirs = plugin(x[:, 0], 48_000)[-1]
    ours = compress(x, 48_000, threshold, ratio, 0.0, 1.0, 20.0, 0.0)[-1, 0]
    assert to_db(ours / theirs) == pytest.approx(0.0, abs=0.01)


@settings(deadline=None, max_examples=60)
@given(some_settings, st.sampled_from(RATES), st.floats(-300.0, 600.0), st.integers(1, 2))
def test_finite_for_any_setting_and_level(settings_, rate, level_db, channels):
    """A reduction never boosts: the output is at most the input times make-up."""
    x = bursts(300, channels)
    x = (x * 10.0 ** (level_db / 20.0)).astype("f4")
    y = compress(x, rate, *settings_)
    assert np.all(np.isfinite(y))
    makeup = 10.0 ** (settings_[-1] / 20.0)
    assert np.all(np.abs(y) <= np.abs(x) * makeup * (1.0 + 1e-6) + 1e-38)
