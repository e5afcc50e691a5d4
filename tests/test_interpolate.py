"""Amount and morph: exact at their ends, by the tapers between, and smooth through the chain."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.chain import Chain
from realtime.controls import Controls
from realtime.interpolate import AMOUNT_MAX, morph, with_amount
from realtime.params import BY_ID, IDS, PROFILES, TABLE
from realtime.preset import Preset, PresetError, factory_presets, load_preset
from tests.support import noise, render, rms, roughness, sine, smooth_sound, to_db

RATE = 48_000
SCALED_FROM_0 = (
    *(f"eq{band}.gain_db" for band in range(1, 7)),
    *("comp.makeup_gain_db", "dist.drive_db", "dist.mix", "reverb.wet"),
)
STAY = tuple(
    i for i in IDS if i not in (*SCALED_FROM_0, "comp.ratio", "reverb.dry", "output.gain_db")
)
GRID = [k / 60 for k in range(91)]  # 0..1.5, with 1 among them

some_values = st.fixed_dictionaries({p.id: st.floats(p.minimum, p.maximum) for p in TABLE})
some_presets = st.builds(Preset, some_values, profile=st.sampled_from(sorted(PROFILES)))
same_kind = st.builds(Preset, some_values, profile=st.sampled_from(["full", "eq-comp"]))
parts = st.floats(0.0, 1.0)


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


# --- amount ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", factory_presets())
def test_none_of_a_preset_gives_the_input_back(name):
    x = noise(RATE // 4, 2, 0.1)
    y = render(x, RATE, with_amount(load_preset(name), 0.0))
    np.testing.assert_allclose(y, x, rtol=0.0, atol=2e-7)


@settings(max_examples=40, deadline=None)
@given(some_presets)
def test_none_of_any_preset_gives_the_input_back(preset):
    x = noise(2_048, 2, 0.1)
    np.testing.assert_allclose(render(x, RATE, with_amount(preset, 0.0)), x, rtol=0.0, atol=2e-7)


@given(some_presets)
def test_all_of_a_preset_is_the_preset(preset):
    assert with_amount(preset, 1.0) == preset


@given(some_presets, st.floats(0.0, AMOUNT_MAX))
def test_an_amount_scales_what_effects_do_from_neutral_within_the_ranges(preset, amount):
    made = with_amount(preset, amount)
    assert (made.name, made.band_types) == (preset.name, preset.band_types)
    for i in SCALED_FROM_0:
        param = BY_ID[i]
        assert made[i] == near(min(amount * preset[i], param.maximum) if preset[i] > 0 else
                               max(amount * preset[i], param.minimum))  # fmt: skip
    assert made["comp.ratio"] == near(min(preset["comp.ratio"] ** amount, 20.0))
    assert made["reverb.dry"] == near(max(1.0 - amount * (1.0 - preset["reverb.dry"]), 0.0))
    gain_db = amount * (preset["input.gain_db"] + preset["output.gain_db"])
    assert made["output.gain_db"] == near(min(40.0, max(-40.0, gain_db - preset["input.gain_db"])))
    assert {i: made[i] for i in STAY} == {i: preset[i] for i in STAY}


@settings(max_examples=25)
@given(some_presets)
def test_turning_the_amount_up_moves_each_parameter_one_way_and_without_a_leap(preset):
    made = [with_amount(preset, amount) for amount in GRID]
    for param in TABLE:
        steps = np.diff([param.to_unit(each[param.id]) for each in made])
        assert np.all(steps >= -1e-12) or np.all(steps <= 1e-12), param.id
        assert np.abs(steps).max() <= 1.001 * (GRID[1] - GRID[0]), param.id


@pytest.mark.parametrize(("amount", "gain_db"), [(0.5, 6.0), (1.0, 12.0), (1.5, 18.0)])
def test_half_the_amount_is_heard_as_half_the_decibels(amount, gain_db):
    preset = Preset({**Preset.neutral(), "eq3.freq_hz": 1_000.0, "eq3.gain_db": 12.0})
    x = sine(1_000.0, RATE // 4, RATE, 0.01).astype("f4")[:, None]
    y = render(x, RATE, with_amount(preset, amount))[RATE // 8 :]
    assert to_db(rms(y) / rms(x)) == pytest.approx(gain_db, abs=0.02)


@pytest.mark.parametrize("amount", [-1e-9, AMOUNT_MAX + 1e-9, float("nan"), float("inf")])
def test_an_amount_outside_its_range_is_refused(amount):
    with pytest.raises(ValueError, match="amount"):
        with_amount(Preset(), amount)


# --- morph -------------------------------------------------------------------------------------
@given(same_kind, same_kind)
def test_the_ends_of_a_morph_are_its_two_presets(a, b):
    assert morph(a, b, 0.0) == a and morph(a, b, 1.0) == b


def test_half_way_is_half_the_octaves_and_half_the_decibels():
    a = Preset({"eq1.freq_hz": 100.0, "eq1.gain_db": -6.0, "eq1.q": 0.25, "comp.ratio": 1.0,
                "comp.attack_ms": 1.0, "dist.tone_hz": 500.0, "reverb.wet": 0.2})  # fmt: skip
    b = Preset({"eq1.freq_hz": 1_600.0, "eq1.gain_db": 12.0, "eq1.q": 4.0, "comp.ratio": 4.0,
                "comp.attack_ms": 100.0, "dist.tone_hz": 8_000.0, "reverb.wet": 0.6})  # fmt: skip
    half, quarter = morph(a, b, 0.5), morph(a, b, 0.25)
    expected = {"eq1.freq_hz": (400.0, 200.0), "eq1.gain_db": (3.0, -1.5), "eq1.q": (1.0, 0.5),
                "comp.ratio": (2.0, 2.0**0.5), "comp.attack_ms": (10.0, 10.0**0.5),
                "dist.tone_hz": (2_000.0, 1_000.0), "reverb.wet": (0.4, 0.3)}  # fmt: skip
    for i, values in expected.items():
        assert (half[i], quarter[i]) == (near(values[0]), near(values[1]))
    unnamed = set(IDS) - set(expected)
    assert {i: half[i] for i in unnamed} == {i: near(a[i]) for i in unnamed}


@given(same_kind, same_kind, parts)
def test_a_morph_is_the_same_from_the_other_end(a, b, part):
    there, back = morph(a, b, part), morph(b, a, 1.0 - part)
    for param in TABLE:
        assert param.to_unit(there[param.id]) == pytest.approx(
            param.to_unit(back[param.id]), abs=1e-9
        )


@settings(max_examples=25)
@given(same_kind, same_kind)
def test_every_parameter_goes_straight_from_end_to_end_as_a_knob_would(a, b):
    places = np.linspace(0.0, 1.0, 41)
    made = [morph(a, b, place) for place in places]
    for param in TABLE:
        first, last = param.to_unit(a[param.id]), param.to_unit(b[param.id])
        units = [param.to_unit(each[param.id]) for each in made]
        np.testing.assert_allclose(units, first + (last - first) * places, atol=1e-9)


@pytest.mark.parametrize("profiles", [("seed", "full"), ("eq-comp", "seed")])
@pytest.mark.parametrize("place", [0.0, 0.5, 1.0])
def test_between_different_kinds_of_bands_there_is_nothing(profiles, place):
    a, b = (Preset(name=f"my {profile}", profile=profile) for profile in profiles)
    with pytest.raises(PresetError) as caught:
        morph(a, b, place)
    message = str(caught.value)
    assert all(repr(name) in message for name in (*profiles, a.name, b.name))
    assert len(message.splitlines()) == 1


@pytest.mark.parametrize("place", [-1e-9, 1.0 + 1e-9, float("nan")])
def test_a_place_outside_the_morph_is_refused(place):
    with pytest.raises(ValueError, match="morph"):
        morph(Preset(), Preset(), place)


# --- both, swept through the chain ---------------------------------------------------------------
BLOCK = 64
SWEEPS = {
    **{f"amount of {name}": ("amount", [name]) for name in factory_presets()},
    **{
        f"morph from {a} to {b}": ("morph", [a, b])
        for a, b in itertools.pairwise([*factory_presets(), factory_presets()[0]])
    },
}


def swept(name, x, steps=None, fade_ms=None):
    """How rough it is while the knob goes up and down, over how rough at rest on the way.

    steps: in so many leaps instead of smoothly; fade_ms: instead of the table's smoothing.
    """
    target, names = SWEEPS[name]
    styles = [quieter(load_preset(each)) for each in names]
    chain = Chain(RATE, 2)

    def publish(preset, ms):
        chain.set_preset(preset, ms if fade_ms is None else fade_ms)

    controls = Controls(styles[0], publish)
    controls.restyle(styles, "", frozenset())
    controls.set_unit(target, 0.0)
    chain = Chain(RATE, 2, controls.state.effective)
    settled = len(x) // 4
    x = x * np.minimum(1.0, np.arange(len(x), dtype="f4") / settled)[:, None]  # no click itself
    y = x.copy()
    chain.process(y[:settled])
    for start in range(settled, len(x), BLOCK):
        place = 1.0 - abs(2.0 * (start - settled) / (len(x) - settled) - 1.0)
        controls.set_unit(target, place if steps is None else np.floor(place * steps) / steps)
        chain.process(y[start : start + BLOCK])
    rest = 0.0
    for place in np.linspace(0.0, 1.0, 5):
        controls.set_unit(target, place)
        rest = max(rest, roughness(render(x, RATE, controls.state.effective)[settled:]))
    return roughness(y[settled:]) / rest


def quieter(preset):
    """Clear of the limiter, whose attack is instant."""
    return preset.with_values({"output.gain_db": max(-40.0, preset["output.gain_db"] - 9.0)})


@pytest.mark.parametrize("kind", ["sine", "noise"])
@pytest.mark.parametrize("name", SWEEPS)
def test_sweeping_the_knob_does_not_click(name, kind):
    """Second differences are no larger than the sound's own: measured 0.3 to 1.09 times."""
    assert swept(name, smooth_sound(kind, RATE // 2, RATE)) <= 1.2


@pytest.mark.parametrize("kind", ["sine", "noise"])
@pytest.mark.parametrize("name", ["amount of crunch", "morph from crunch to de-mud"])
def test_the_measure_of_clicks_hears_a_knob_that_leaps(name, kind):
    """These sounds are the roughest of all to hide a leap in."""
    assert swept(name, smooth_sound(kind, RATE // 2, RATE), steps=2, fade_ms=0.0) > 2.5
