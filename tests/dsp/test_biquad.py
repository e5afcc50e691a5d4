"""The equaliser's design and kernel against scipy, JUCE (pedalboard) and what a band must do."""

from __future__ import annotations

import math

import numpy as np
import pedalboard
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from realtime.dsp.biquad import design_biquad, design_peq
from realtime.dsp.biquad_lanes import PEQ_STATE, sosfilt_lanes
from realtime.params import BAND_TYPES, BY_ID, EQ_BANDS
from tests.dsp import references
from tests.support import CUTS, RATES, cut, in_blocks, noise, sine, to_db

FREQ, GAIN, Q = BY_ID["eq1.freq_hz"], BY_ID["eq1.gain_db"], BY_ID["eq1.q"]
BANDS = (
    ("low_shelf", 80.0, 6.0, 0.7),
    ("peak", 200.0, -18.0, 4.0),
    ("peak", 900.0, 12.0, 1.0),
    ("peak", 2_500.0, -6.0, 10.0),
    ("peak", 3_100.0, 24.0, 0.3),
    ("high_shelf", 6_000.0, -9.0, 0.9),
)
PEDALBOARD = {
    "low_shelf": pedalboard.LowShelfFilter,
    "peak": pedalboard.PeakFilter,
    "high_shelf": pedalboard.HighShelfFilter,
}

a_kind = st.sampled_from(BAND_TYPES)
a_freq = st.floats(0.0, 1.0).map(FREQ.from_unit)
a_gain = st.floats(GAIN.minimum, GAIN.maximum)
a_q = st.floats(0.0, 1.0).map(Q.from_unit)
a_rate = st.sampled_from(RATES)
a_band = st.tuples(a_kind, a_freq, a_gain, a_q)
some_bands = st.lists(a_band, min_size=EQ_BANDS, max_size=EQ_BANDS)


def to_sos(rows: np.ndarray) -> np.ndarray:
    """Rows b0 b1 b2 a1 a2 as scipy's b0 b1 b2 1 a1 a2."""
    rows = np.atleast_2d(rows)
    return np.column_stack([rows[:, :3], np.ones(len(rows)), rows[:, 3:]])


def band_gain_db(row: np.ndarray, freq_hz: float, sample_rate: int) -> float:
    _, h = signal.freqz_sos(to_sos(row), worN=[freq_hz], fs=sample_rate)
    return float(to_db(h[0]))


def equalise(
    x: np.ndarray, sos: np.ndarray, sizes: list[int] | None = None, zi: np.ndarray | None = None
) -> np.ndarray:
    state = np.zeros(1, PEQ_STATE)[0] if zi is None else zi
    return in_blocks(lambda block: sosfilt_lanes(block, sos, sos, state), x, sizes or [len(x)])


# --- design ----------------------------------------------------------------------------------
@settings(deadline=None)
@given(a_kind, a_freq, a_gain, a_q, a_rate)
def test_design_is_the_analog_prototype_through_the_bilinear_transform(kind, freq, gain, q, rate):
    row = design_biquad(kind, freq, gain, q, rate)
    assert row.shape == (5,) and row.dtype == np.float64
    expected = references.biquad(kind, freq, gain, q, rate)
    np.testing.assert_allclose(to_sos(row)[0], expected, rtol=1e-9, atol=1e-11)


@settings(deadline=None)
@given(a_kind, a_freq, a_gain, a_q, a_rate)
def test_every_band_of_the_table_is_stable_and_minimum_phase(kind, freq, gain, q, rate):
    b0, b1, b2, a1, a2 = design_biquad(kind, freq, gain, q, rate)
    # Schur-Cohn: both roots inside the unit circle.
    for first, second in ((a1, a2), (b1 / b0, b2 / b0)):
        assert abs(second) < 1.0 and abs(first) < 1.0 + second


@settings(deadline=None)
@given(a_kind, a_freq, a_q, a_rate)
def test_a_gain_of_0_db_is_a_wire(kind, freq, q, rate):
    b0, b1, b2, a1, a2 = design_biquad(kind, freq, 0.0, q, rate)
    assert (b0, b1, b2) == pytest.approx((1.0, a1, a2), abs=1e-12)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("gain", [-24.0, -3.0, 6.0, 20.0, 24.0])
@pytest.mark.parametrize("q", [0.1, math.sqrt(0.5), 3.0, 10.0])
def test_gains_where_the_cookbook_defines_them(rate, gain, q):
    for freq in (20.0, 120.0, 1_200.0, 3_400.0):
        peak = design_biquad("peak", freq, gain, q, rate)
        low = design_biquad("low_shelf", freq, gain, q, rate)
        high = design_biquad("high_shelf", freq, gain, q, rate)
        assert band_gain_db(peak, freq, rate) == pytest.approx(gain, abs=1e-6)
        assert band_gain_db(peak, 0.0, rate) == pytest.approx(0.0, abs=1e-6)
        assert band_gain_db(peak, rate / 2, rate) == pytest.approx(0.0, abs=1e-6)
        # A shelf's corner: |H| = sqrt(A) * sqrt(...) with Q; at Q = 1/sqrt 2 it is half the gain.
        for shelf, plateau, other in ((low, 0.0, rate / 2), (high, rate / 2, 0.0)):
            assert band_gain_db(shelf, plateau, rate) == pytest.approx(gain, abs=1e-5)
            assert band_gain_db(shelf, other, rate) == pytest.approx(0.0, abs=1e-5)
            if q == math.sqrt(0.5):
                assert band_gain_db(shelf, freq, rate) == pytest.approx(gain / 2, abs=1e-6)


@pytest.mark.parametrize("q", [0.5, 1.0, 4.0, 10.0])
@pytest.mark.parametrize("gain", [-20.0, -6.0, 6.0, 20.0])
def test_q_of_a_peak_is_centre_over_width_at_half_its_gain_in_db(q, gain):
    """The cookbook's width is at gain/2 dB; at 192 kHz the bilinear warp of 1 kHz is 3e-4."""
    rate, freq = 192_000, 1_000.0
    row = design_biquad("peak", freq, gain, q, rate)
    # Half-gain points f1 f2 = f0^2, f2 - f1 = f0 / Q of the analog prototype.
    half = 1.0 / (2.0 * q)
    low, high = (freq * (math.sqrt(1.0 + half * half) + sign * half) for sign in (-1.0, 1.0))
    assert band_gain_db(row, low, rate) == pytest.approx(gain / 2, abs=0.02)
    assert band_gain_db(row, high, rate) == pytest.approx(gain / 2, abs=0.02)


@pytest.mark.parametrize("kind", BAND_TYPES)
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_a_band_above_nyquist_is_clamped_below_it(kind, rate):
    clamped = design_biquad(kind, references.EQ_MAX_FRACTION * rate, 9.0, 1.0, rate)
    np.testing.assert_allclose(design_biquad(kind, 20_000.0, 9.0, 1.0, rate), clamped, rtol=1e-12)


@pytest.mark.parametrize("rate", RATES)
def test_design_peq_stacks_the_bands(rate):
    sos = design_peq(BANDS, rate)
    assert sos.shape == (EQ_BANDS, 5) and sos.dtype == np.float64
    for row, band in zip(sos, BANDS, strict=True):
        np.testing.assert_array_equal(row, design_biquad(*band, rate))


# --- kernel ----------------------------------------------------------------------------------
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_kernel_is_scipys_sosfilt(rate, channels):
    x = noise(6_000, channels, 0.2)
    sos = design_peq(BANDS, rate)
    expected = references.peq(x.astype(np.float64), to_sos(sos))
    error = np.abs(equalise(x, sos) - expected)
    # What is left is the rounding of the output to float32.
    assert error.max() <= 2.0**-24 * max(1.0, np.abs(expected).max()) * 1.01


@settings(deadline=None, max_examples=40)
@given(some_bands, a_rate, st.integers(0, 2**32 - 1))
def test_kernel_is_scipys_sosfilt_for_any_bands_of_the_table(bands, rate, seed):
    x = noise(2_000, 2, 0.1, seed)
    expected = references.peq(
        x.astype(np.float64), np.array([references.biquad(*band, rate) for band in bands])
    )
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(equalise(x, design_peq(bands, rate)), expected, atol=2e-7 * scale)


def test_a_narrow_20_hz_band_at_192_khz_keeps_its_gain():
    """The poles lie 3e-5 from the unit circle: float32 coefficients or state would miss."""
    rate, seconds = 192_000, 2.0
    wire = ("peak", 1_000.0, 0.0, 1.0)
    sos = design_peq([("peak", 20.0, 24.0, 10.0)] + [wire] * (EQ_BANDS - 1), rate)
    x = sine(20.0, round(seconds * rate), rate, 0.01).astype("f4")[:, None]
    y = equalise(x, sos)
    expected = references.peq(x.astype(np.float64), to_sos(sos))
    assert np.abs(y - expected).max() < 1e-7
    # 2 s are half a time constant here, so the steady 24 dB come from the design tests.
    last = slice(-round(rate / 20), None)
    gain_db = to_db(np.abs(expected[last]).max() / 0.01)
    assert to_db(np.abs(y[last]).max() / 0.01) == pytest.approx(gain_db, abs=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("size", CUTS)
def test_any_cut_into_blocks_sounds_the_same(size, channels):
    x = noise(3_001, channels, 0.2)
    sos = design_peq(BANDS, 48_000)
    np.testing.assert_array_equal(equalise(x, sos, cut(len(x), size)), equalise(x, sos))


def on_the_way(blocks: list[tuple[np.ndarray, np.ndarray, int]], x: np.ndarray) -> float:
    """How far blocks of (sections at the first frame, behind the last, frames) are from float64,
    over the largest sample of either."""
    state = np.zeros(1, PEQ_STATE)[0]
    ways = iter(blocks)

    def process(block):
        sos, sos_end, _ = next(ways)
        sosfilt_lanes(block, sos, sos_end, state)

    y = in_blocks(process, x, [frames for *_, frames in blocks])
    each_frame = np.concatenate(
        [
            sos + (sos_end - sos) * np.arange(frames)[:, None, None] / frames
            for sos, sos_end, frames in blocks
        ]
    )
    expected = references.moving_peq(x, np.insert(each_frame, 3, 1.0, axis=2))
    return float(np.abs(y - expected).max() / max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("channels", [1, 2])
def test_coefficients_that_move_rest_and_jump_leave_the_sound_whole(channels):
    """Bands at both ends of their range; blocks of all the lengths that have code of their own."""
    up, down = (
        design_peq([(kind, freq, sign * 24.0, q) for kind, freq, _, q in BANDS], 48_000)
        for sign in (1.0, -1.0)
    )
    plain = design_peq(BANDS, 48_000)
    blocks = []
    for size in (16, 7, 64, 300):
        blocks += [(up, up, size), (up, plain, size), (plain, plain, size), (down, down, size)]
        blocks += [(down, plain, size), (plain, up, size), (up, down, size), (down, up, size)]
    x = noise(sum(size for *_, size in blocks), channels, 0.1)
    assert on_the_way(blocks, x) <= 2.0**-24 * 1.01


@settings(deadline=None, max_examples=15)
@given(
    st.lists(some_bands, min_size=2, max_size=3),
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 160)), min_size=1, max_size=6),
    a_rate,
)
def test_any_bands_may_move_rest_and_jump(some_designs, steps, rate):
    designs = [design_peq(bands, rate) for bands in some_designs]
    blocks, now = [], designs[0]
    for way, size in steps:  # stay, go there, or be there at once
        then = now if way == 0 else designs[len(blocks) % len(designs)]
        blocks.append((now if way == 1 else then, then, size))
        now = then
    x = noise(sum(size for *_, size in blocks), 2, 0.1)
    assert on_the_way(blocks, x) <= 2e-7


def test_channels_do_not_touch_each_other():
    x = noise(2_000, 2, 0.2)
    x[:, 1] = 0.0
    sos = design_peq(BANDS, 48_000)
    y = equalise(x, sos)
    assert np.all(y[:, 1] == 0.0)
    np.testing.assert_array_equal(y[:, :1], equalise(np.ascontiguousarray(x[:, :1]), sos))


def test_silence_rings_out_to_zero_and_the_state_says_so():
    sos = design_peq(BANDS, 48_000)
    zi = np.zeros(1, PEQ_STATE)[0]
    equalise(noise(512, 2, 0.2), sos, zi=zi)
    assert np.abs(zi["lanes"]).max() > 0.0
    y = equalise(np.zeros((48_000, 2), "f4"), sos, zi=zi)
    assert np.abs(y[-100:]).max() < 1e-9 < np.abs(y[:100]).max()


# --- another implementation of the same effect -------------------------------------------------
@pytest.mark.parametrize("kind", BAND_TYPES)
@pytest.mark.parametrize(("freq", "gain", "q"), [(150.0, 9.0, 0.7), (2_000.0, -12.0, 2.0)])
@pytest.mark.parametrize("rate", [44_100, 96_000])
def test_band_equals_juce(kind, freq, gain, q, rate):
    """JUCE's shelf and peak share the cookbook's Q; JUCE filters in float32."""
    x = noise(8_000, 1, 0.1)
    wire = ("peak", 1_000.0, 0.0, 1.0)
    ours = equalise(x, design_peq([(kind, freq, gain, q)] + [wire] * (EQ_BANDS - 1), rate))
    plugin = PEDALBOARD[kind](cutoff_frequency_hz=freq, gain_db=gain, q=q)
    theirs = plugin(x[:, 0], rate)
    assert to_db(np.abs(ours[:, 0] - theirs).max() / np.abs(theirs).max()) < -80.0
