"""The distortion against its equations, and measured: aliasing, harmonics, level, tone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.dsp.distortion import DISTORTION_STATE, design_distortion, distortion_chunk
from realtime.params import BY_ID
from tests.dsp import references
from tests.support import (
    CUTS,
    RATES,
    bursts,
    cut,
    harmonics_db,
    in_blocks,
    in_chunks,
    noise,
    rms,
    sine,
    to_db,
)

PARAMS = tuple(BY_ID[f"dist.{name}"] for name in ("drive_db", "tone_hz", "mix"))
some_settings = st.tuples(*(st.floats(0.0, 1.0).map(param.from_unit) for param in PARAMS))
OPEN_TONE = 20_000.0


def distort(x, sample_rate, drive_db, tone_hz=OPEN_TONE, mix=1.0, sizes=None):
    coefs, state = (
        design_distortion(drive_db, tone_hz, mix, sample_rate),
        np.zeros(1, DISTORTION_STATE)[0],
    )
    x = x[:, None] if x.ndim == 1 else x
    kernel = in_chunks(lambda b, n: distortion_chunk(b, n, coefs, coefs, state))
    return in_blocks(kernel, x, sizes or [len(x)])


def steady(x, *args):
    """The second half of what the distortion makes of `x` twice in a row: settled, periodic."""
    return distort(np.concatenate([x, x]), *args)[len(x) :, 0]


# --- against the reference -------------------------------------------------------------------
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "settings_", [(0.0, 20_000.0, 1.0), (24.0, 3_000.0, 0.5), (48.0, 200.0, 1.0)]
)
def test_kernel_is_the_float64_reference(rate, channels, settings_):
    x = bursts(8_000, channels)
    expected = references.distortion(x.astype(np.float64), *settings_, rate)
    np.testing.assert_allclose(distort(x, rate, *settings_), expected, atol=3e-7)


@settings(deadline=None, max_examples=40)
@given(some_settings, st.sampled_from(RATES), st.integers(0, 2**32 - 1), st.floats(-60.0, 40.0))
def test_kernel_is_the_reference_for_any_setting_of_the_table(settings_, rate, seed, level_db):
    x = bursts(600, 2, seed) * np.float32(10.0 ** (level_db / 20.0))
    expected = references.distortion(x.astype(np.float64), *settings_, rate)
    scale = max(1.0, np.abs(x).max())
    np.testing.assert_allclose(distort(x, rate, *settings_), expected, atol=4e-6 * scale)


@pytest.mark.parametrize("size", CUTS)
@pytest.mark.parametrize("channels", [1, 2])
def test_any_cut_into_blocks_sounds_the_same(size, channels):
    x = bursts(3_001, channels)
    whole = distort(x, 48_000, 30.0, 3_000.0, 0.7)
    cuts = distort(x, 48_000, 30.0, 3_000.0, 0.7, cut(len(x), size))
    np.testing.assert_array_equal(cuts, whole)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.0, 48.0), st.floats(0.0, 1.0).map(PARAMS[1].from_unit))
def test_mix_0_is_a_wire(drive, tone):
    x = bursts(1_000, 2)
    np.testing.assert_array_equal(distort(x, 48_000, drive, tone, 0.0), x)


def test_mix_is_a_crossfade():
    x = bursts(2_000, 2)
    full = distort(x, 48_000, 24.0, 5_000.0, 1.0)
    for mix in (0.25, 0.5, 0.9):
        expected = (1.0 - mix) * x + mix * full
        np.testing.assert_allclose(distort(x, 48_000, 24.0, 5_000.0, mix), expected, atol=1e-6)


# --- what it sounds like -----------------------------------------------------------------------
@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("freq", [1_010.0, 2_110.0, 4_190.0, 4_990.0])
@pytest.mark.parametrize("drive", [24.0, 36.0, 48.0])
def test_aliasing_lies_below_that_of_the_naive_clipper(rate, freq, drive):
    """Energy off the harmonics of a -6 dBFS sine, relative to the fundamental.

    Measured at these points: 23..41 dB better below the fundamental, where nothing masks it,
    14..22 dB below 10 kHz, 1.1..10 dB over the whole band: what lies next to Nyquist is hardly
    reduced, because the droop filter lifts it again.
    """
    x = sine(freq, rate // 10, rate, 0.5)
    u = 10.0 ** (drive / 20.0) * x
    naive, ours = u / np.sqrt(1.0 + u * u), steady(x, rate, drive)

    def better_by(up_to_hz: float) -> float:
        return alias_db(naive, freq, rate, up_to_hz) - alias_db(ours, freq, rate, up_to_hz)

    assert better_by(freq) > 23.0
    assert better_by(10_000.0) > 13.0
    assert better_by(rate / 2) > 1.0


def alias_db(x, freq, rate, up_to_hz):
    """Energy below `up_to_hz` off the harmonics, dB relative to the fundamental."""
    power = np.abs(np.fft.rfft(x.astype(np.float64))) ** 2
    fundamental = round(freq * len(x) / rate)
    off = np.arange(len(power)) % fundamental != 0
    off[round(up_to_hz * len(x) / rate) :] = False
    return 10.0 * math.log10(power[off].sum() / power[fundamental] + 1e-12)


def test_harmonics_are_odd_and_grow_with_drive():
    rate, freq = 48_000, 210.0
    x = sine(freq, rate // 10 * 2, rate, 0.25)
    distortions = []
    for drive in np.arange(0.0, 49.0, 4.0):
        y = steady(x, rate, drive)
        distortions.append(harmonics_db(y, freq, rate)[0])
        spectrum = np.abs(np.fft.rfft(y))
        k = round(freq * len(x) / rate)
        assert spectrum[2 * k] < 1e-4 * spectrum[k]  # a symmetric clipper has no even harmonics
    assert np.all(np.diff(distortions) > 0.0)
    assert distortions[0] < -40.0 and distortions[-1] > -8.0


@pytest.mark.parametrize("drive", [0.0, 12.0, 24.0, 48.0])
@pytest.mark.parametrize("rate", [44_100, 192_000])
def test_a_peak_of_minus_12_dbfs_keeps_its_level(drive, rate):
    """Of a slow sine, so that neither averaging nor tone change its top."""
    y = steady(sine(50.0, rate // 10, rate, 0.25), rate, drive)
    assert to_db(np.abs(y).max() / 0.25) == pytest.approx(0.0, abs=0.02)


def test_louder_in_is_louder_out():
    """Monotone: a slow ramp through the clipper never turns back."""
    ramp = np.linspace(-1.0, 1.0, 48_000)
    for drive in (0.0, 20.0, 48.0):
        y = distort(ramp, 48_000, drive)[100:, 0]
        # float32 rounding of the settled top is all that may step back.
        assert np.diff(y).min() > -1e-6


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("tone", [200.0, 1_000.0, 3_000.0, 12_000.0])
def test_tone_is_a_low_pass_with_its_3_db_point_there(rate, tone):
    """Against the open tone (at 0.45 of the rate at most), for a level far below clipping."""
    where = min(tone, references.EQ_MAX_FRACTION * rate)
    frames = 1 << 15
    impulse = np.zeros((frames, 1), "f4")
    impulse[0] = 1e-3
    freqs = np.fft.rfftfreq(frames, 1.0 / rate)

    def spectrum(tone_hz):
        return np.fft.rfft(distort(impulse, rate, 0.0, tone_hz)[:, 0].astype(np.float64))

    open_hz = min(OPEN_TONE, references.EQ_MAX_FRACTION * rate)
    warp = np.tan(np.pi * freqs[:-1] / rate)
    open_gain = 1.0 / np.hypot(1.0, warp / math.tan(math.pi * open_hz / rate))
    gain = np.abs(spectrum(tone)[:-1]) / np.abs(spectrum(OPEN_TONE)[:-1]) * open_gain
    assert np.interp(where, freqs[:-1], to_db(gain)) == pytest.approx(-3.0103, abs=0.02)
    assert to_db(gain[0]) == pytest.approx(0.0, abs=0.01)
    slow = np.diff(gain[: int(len(gain) * 0.95)])
    assert slow.max() < 1e-4  # falls everywhere


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_the_averaging_leaves_the_audible_band_flat(rate):
    """Far below clipping and wide open: droop and its correction within 1 dB to 10 kHz."""
    impulse = np.zeros((1 << 14, 1), "f4")
    impulse[0] = 1e-3
    y = distort(impulse, rate, 0.0)[:, 0].astype(np.float64) / 1e-3
    freqs = np.fft.rfftfreq(len(y), 1.0 / rate)
    gain = to_db(np.fft.rfft(y))
    # Level compensation at drive 0 keeps 0.25, which is compressed: + 0.26 dB far below it.
    below = 20.0 * math.log10(math.sqrt(1.0 + 0.25**2))
    assert np.abs(gain[freqs < 10_000.0] - below).max() < 1.0


def test_channels_do_not_touch_each_other():
    x = noise(2_000, 2, 0.2)
    x[:, 1] = 0.0
    y = distort(x, 48_000, 30.0)
    assert np.all(y[:, 1] == 0.0) and rms(y[:, 0]) > 0.1
    np.testing.assert_array_equal(y[:, :1], distort(np.ascontiguousarray(x[:, :1]), 48_000, 30.0))


@settings(deadline=None, max_examples=60)
@given(some_settings, st.sampled_from(RATES), st.floats(-300.0, 400.0), st.integers(1, 2))
def test_finite_for_any_setting_and_level(settings_, rate, level_db, channels):
    x = (bursts(300, channels) * 10.0 ** (level_db / 20.0)).astype("f4")
    y = distort(x, rate, *settings_)
    assert np.all(np.isfinite(y))
    mix = settings_[2]
    # The clipper itself stays within its compensated rail, with the droop filter's overshoot.
    gain = 10.0 ** (settings_[0] / 20.0)
    rail = 3.0 * math.sqrt(1.0 + (gain / 4.0) ** 2) / gain
    loudest = float(np.abs(x).max())
    through = (1.0 - mix) * loudest + 2e-7 * loudest  # mix is a float32 there
    assert np.abs(y).max() <= through * (1.0 + 1e-5) + mix * rail * 1.001
