"""The compiled chain as a stream: any cut, any preset, any input, and no click in between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.chain import Chain
from realtime.params import PROFILES, TABLE
from realtime.preset import Preset
from tests.chain_presets import ALL, PRESETS
from tests.dsp import references
from tests.support import CUTS, RATES, bursts, cut, in_blocks, noise, render, rms, sine, to_db

some_presets = st.builds(
    Preset,
    st.fixed_dictionaries({p.id: st.floats(0.0, 1.0).map(p.from_unit) for p in TABLE}),
    profile=st.sampled_from(sorted(PROFILES)),
)


# --- streaming -------------------------------------------------------------------------------
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("name", PRESETS)
def test_any_cut_into_blocks_sounds_the_same(name, channels, rate):
    """Bit for bit, while the preset rests."""
    x = bursts(3_001, channels)
    whole = render(x, rate, PRESETS[name])
    assert rms(whole - x) > 1e-3  # the effect is on
    for size in CUTS:
        cuts = render(x, rate, PRESETS[name], cut(len(x), size))
        np.testing.assert_array_equal(cuts, whole, err_msg=f"blocks of {size}")


@settings(deadline=None, max_examples=40)
@given(
    some_presets,
    st.lists(st.integers(1, 600), min_size=1, max_size=20),
    st.sampled_from(RATES),
    st.integers(1, 2),
    st.floats(-60.0, 30.0),
    st.integers(0, 2**32 - 1),
)
def test_any_preset_any_blocks_any_level_stays_within_full_scale(
    preset, sizes, rate, channels, level_db, seed
):
    x = noise(sum(sizes), channels, 10.0 ** (level_db / 20.0), seed)
    y = render(x, rate, preset, sizes)
    assert np.all(np.isfinite(y)) and np.abs(y).max() <= 1.0


@settings(deadline=None, max_examples=25)
@given(st.lists(some_presets, min_size=2, max_size=6), st.sampled_from(RATES), st.data())
def test_any_changes_of_preset_stay_within_full_scale(presets, rate, data):
    chain = Chain(rate, 2, presets[0])
    for seed, preset in enumerate(presets):
        chain.set_preset(preset, data.draw(st.sampled_from([None, 0.0, 5.0, 50.0])))
        for size in data.draw(st.lists(st.integers(1, 500), min_size=1, max_size=4)):
            y = chain.process(noise(size, 2, 0.3, seed))
            assert np.all(np.isfinite(y)) and np.abs(y).max() <= 1.0


def test_process_works_in_place_and_counts():
    chain = Chain(48_000, 2, PRESETS["all"])
    x = bursts(300, 2)
    before, counters = x.copy(), dict(chain.counters)
    assert chain.process(x) is x and not np.array_equal(x, before)
    chain.process(x[:1])
    assert chain.counters["blocks"] - counters["blocks"] == 2
    assert chain.counters["frames"] - counters["frames"] == 301
    assert chain.counters["nonfinite_resets"] == 0


# --- what it computes ------------------------------------------------------------------------
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_neutral_gives_the_input_back(rate, channels):
    """Below full scale; the six wires of the equaliser may round the last bit."""
    x = bursts(20_000, channels)
    y = render(x, rate, Preset.neutral())
    assert np.abs(y - x).max() <= 2.0**-24


def reference_chain(x, preset, rate):
    """Float64: input gain, equaliser, compressor, distortion, output gain, limiter (no reverb)."""
    bands = [
        (kind, preset[f"eq{b}.freq_hz"], preset[f"eq{b}.gain_db"], preset[f"eq{b}.q"])
        for b, kind in enumerate(preset.band_types, start=1)
    ]
    y = x.astype(np.float64) * 10.0 ** (preset["input.gain_db"] / 20.0)
    y = references.peq(y, np.array([references.biquad(*band, rate) for band in bands]))
    comp = ("threshold_db", "ratio", "knee_db", "attack_ms", "release_ms", "makeup_gain_db")
    y = references.compressor(y, *(preset[f"comp.{name}"] for name in comp), rate)
    dist = ("drive_db", "tone_hz", "mix")
    y = references.distortion(y, *(preset[f"dist.{name}"] for name in dist), rate)
    y *= preset["reverb.dry"] * 10.0 ** (preset["output.gain_db"] / 20.0)
    return references.limiter(y, rate)


NO_TAIL = {"reverb.wet": 0.0, "output.gain_db": 22.0}


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("profile", PROFILES)
def test_the_chain_is_its_effects_in_the_documented_order(profile, channels, rate):
    preset = Preset({**Preset.neutral(), **ALL, **NO_TAIL}, profile=profile)
    x = bursts(6_000, channels)
    expected = reference_chain(x, preset, rate)
    assert np.abs(expected).max() > 0.99 and rms(expected - x) > 0.05  # limiter and all at work
    np.testing.assert_allclose(render(x, rate, preset), expected, atol=3e-6)


def test_the_reverb_comes_after_the_distortion_and_before_the_limiter():
    """The tail of a distorted click is louder than a click of the distortion of its tail."""
    x = np.zeros((48_000, 2), "f4")
    x[0] = 0.9
    crushed = {"dist.drive_db": 48.0, "dist.mix": 1.0, "reverb.wet": 1.0, "reverb.dry": 0.0}
    clean = {"reverb.wet": 1.0, "reverb.dry": 0.0}
    tails = [render(x, 48_000, Preset({**Preset.neutral(), **v}))[4_800:] for v in (crushed, clean)]
    # Distorted before the network, the response is a low-passed, scaled impulse response: its
    # crest stays. Distorted behind it, it would be a full-level square-ish noise.
    crest = [float(to_db(np.abs(tail).max() / rms(tail))) for tail in tails]
    assert crest[0] == pytest.approx(crest[1], abs=3.0)
    loud = {"input.gain_db": 40.0, "output.gain_db": 40.0, **clean}
    assert np.abs(render(x, 48_000, Preset({**Preset.neutral(), **loud}))).max() <= 1.0


# --- hostile input ---------------------------------------------------------------------------
BAD = [np.nan, np.inf, -np.inf, 1e30, -1e30, 33.0]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("size", [1, 64, 500])
def test_a_bad_sample_counts_as_silence_and_is_counted(bad, channels, size):
    """Same output as with a zero in its place, so the sound is back within the same block."""
    x = bursts(4_000, channels)
    chain = Chain(48_000, channels, PRESETS["all"])
    where = [100, 101, 1_777, 3_999]
    x[where, channels - 1] = bad
    y = in_blocks(chain.process, x, cut(len(x), size))
    x[where, channels - 1] = 0.0
    np.testing.assert_array_equal(y, render(x, 48_000, PRESETS["all"], cut(len(x), size)))
    assert np.all(np.isfinite(y))
    assert 1 <= chain.counters["nonfinite_resets"] <= len(where)


def test_a_second_of_nothing_but_nan_is_survived():
    chain = Chain(48_000, 2, PRESETS["all"])
    chain.process(bursts(4_800, 2))
    assert np.all(np.isfinite(chain.process(np.full((48_000, 2), np.nan, "f4"))))
    healthy = Chain(48_000, 2, PRESETS["all"])
    healthy.process(bursts(4_800, 2))
    healthy.process(np.zeros((48_000, 2), "f4"))
    x = bursts(4_800, 2, seed=1)
    np.testing.assert_array_equal(chain.process(x.copy()), healthy.process(x.copy()))
    assert chain.counters["nonfinite_resets"] > 0


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "stage",
    [
        ("peq", "lanes"),
        ("compressor",),
        ("distortion", "tone"),
        ("reverb", "damping"),
        ("reverb", "lines"),
    ],
)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_broken_state_is_put_to_rest_counted_and_faded_in(stage, value, channels):
    """No input can do this; a fault that is injected into the state must not stay."""
    chain = Chain(48_000, channels, PRESETS["all"])
    sound = sine(220.0, 9_600, 48_000, 0.2).astype("f4")[:, None].repeat(channels, axis=1)
    chain.process(sound[:4_800].copy())
    state = chain._state
    for key in stage[:-1]:
        state = state[key]
    if stage[-1] == "lines":
        state["lines"][-1, 500] = value  # of the longest: hardly a place that is not read again
    else:
        state[stage[-1]].reshape(-1)[-1] = value
    y = in_blocks(chain.process, sound[4_800:], cut(4_800, 64))
    assert np.all(np.isfinite(y)) and np.abs(y).max() <= 1.0
    assert chain.counters["nonfinite_resets"] >= 1
    assert rms(y[-480:]) > 0.05  # it plays on
    broken = np.flatnonzero(np.all(y == 0.0, axis=1))
    assert len(broken) >= 64
    # From silence it rises over 5 ms, so the first frames are small.
    assert np.abs(y[broken[-1] + 1 : broken[-1] + 8]).max() < 0.1


@pytest.mark.parametrize("value", [1e-40, -1e-45, 1.2e-38])
def test_subnormals_are_as_good_as_silence(value):
    x = bursts(2_000, 2)
    x[500:1_500] = value
    y = render(x, 48_000, PRESETS["all"])
    assert np.all(np.isfinite(y))
    x[500:1_500] = 0.0
    np.testing.assert_allclose(y, render(x, 48_000, PRESETS["all"]), atol=1e-7)


def test_loud_but_finite_input_is_no_error():
    """32 is 30 dB over full scale: an over-driven float input is limited, not muted."""
    x = np.full((1_000, 2), 31.9, "f4")
    chain = Chain(48_000, 2, Preset.neutral())
    assert np.abs(chain.process(x)).min() > 0.99 and np.abs(x).max() <= 1.0
    assert chain.counters["nonfinite_resets"] == 0


# --- reset -----------------------------------------------------------------------------------
def test_reset_silences_the_state_and_keeps_the_parameters():
    chain = Chain(48_000, 2, PRESETS["all"])
    x = bursts(4_800, 2)
    first = chain.process(x.copy())
    assert np.abs(chain.process(np.zeros((480, 2), "f4"))).max() > 1e-3  # the reverb's tail
    chain.reset()
    assert np.all(chain.process(np.zeros((4_800, 2), "f4")) == 0.0)
    chain.reset()
    np.testing.assert_array_equal(chain.process(x.copy()), first)
