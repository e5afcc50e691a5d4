"""The state of the sound: what hands, predictions and presets make of it, and what is published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.controls import ControlError, Controls
from realtime.interpolate import morph, with_amount
from realtime.params import BY_ID, IDS
from realtime.preset import Preset, PresetError, load_preset
from realtime.targets import VALUES
from tests.desk import Desk

HALL, CRUNCH = load_preset("hall"), load_preset("crunch")


def near(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9)


# --- a hand ------------------------------------------------------------------------------------
@pytest.mark.parametrize("param", VALUES.values(), ids=list(VALUES))
def test_a_value_is_set_clamped_and_published_before_the_call_returns(param):
    desk = Desk(CRUNCH)
    for value, stands in (
        (param.from_unit(0.4), None),
        (1e9, param.maximum),
        (-1e9, param.minimum),
    ):
        desk.controls.set(param.id, value, "midi:knobs")
        state = desk.controls.state
        assert state.value(param.id) == (value if stands is None else stands)
        assert (
            desk.published[-1] == (state.effective, None) and desk.bridge.preset == state.effective
        )
        assert desk.told[-1].source == "midi:knobs" and not desk.told[-1].loaded
    assert state.number == 3 == len(desk.told)
    assert dict(state.overrides) == ({param.id: param.minimum} if param.id in BY_ID else {})


@given(st.sampled_from(list(VALUES)), st.floats(0.0, 1.0))
def test_a_knobs_place_goes_through_the_taper_and_back(target, unit):
    controls = Controls(CRUNCH, lambda *_: None)
    controls.set_unit(target, unit)
    assert controls.state.value(target) == VALUES[target].from_unit(unit)
    assert controls.unit(target) == pytest.approx(unit, abs=1e-9)


def test_what_a_hand_sets_is_heard():
    desk = Desk(Preset.neutral())
    desk.controls.set("output.gain_db", -20.0)
    assert desk.heard() == pytest.approx(0.1, rel=1e-3)
    desk.controls.press("revert")
    assert desk.heard() == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda c: c.set("comp.treshold_db", 1.0), "did you mean 'comp.threshold_db'"),
        (lambda c: c.set("bypass", 1.0), "'bypass' exists, but is no parameter"),
        (lambda c: c.set("comp.ratio", float("nan")), "comp.ratio cannot be nan"),
        (lambda c: c.set_unit("comp.ratio", float("inf")), "comp.ratio cannot be inf"),
        (lambda c: c.set_unit("nothing", 0.5), "unknown parameter 'nothing'"),
        (lambda c: c.toggle("revert"), "is no parameter"),
        (lambda c: c.unit("panic"), "is no parameter"),
        (lambda c: c.press("comp.ratio"), "'comp.ratio' exists, but is no button"),
        (lambda c: c.press("revert.amount"), "unknown button"),
        (lambda c: c.on("bypas", print), "did you mean 'bypass'"),
    ],
)
def test_what_does_not_exist_is_said_in_a_line_and_changes_nothing(call, said):
    desk = Desk(CRUNCH)
    with pytest.raises(ControlError) as caught:
        call(desk.controls)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert desk.controls.state.number == 0 and not desk.published and not desk.told


def test_a_toggle_goes_between_a_value_and_what_was_predicted():
    controls = Desk(CRUNCH).controls
    for on, value in ((None, 0.0), (0.25, 0.25), (7.0, 1.0)):
        controls.toggle("dist.mix", on)
        assert controls.state.value("dist.mix") == value
        controls.toggle("dist.mix", on)
        assert controls.state.value("dist.mix") == CRUNCH["dist.mix"]
        assert not controls.state.overrides
    for _ in range(2):
        controls.toggle("amount")
        assert controls.state.amount == 0.0
        controls.toggle("amount")
        assert controls.state.amount == 1.0


def test_revert_takes_one_or_all_back():
    desk = Desk(CRUNCH)
    for target in ("comp.ratio", "eq1.gain_db", "reverb.wet"):
        desk.controls.set_unit(target, 0.9)
    desk.controls.press("revert.comp.ratio", "keys")
    assert set(desk.controls.state.overrides) == {"eq1.gain_db", "reverb.wet"}
    assert desk.controls.state.value("comp.ratio") == CRUNCH["comp.ratio"]
    assert desk.told[-1].moved == {"comp.ratio"} and desk.told[-1].source == "keys"
    desk.controls.press("revert")
    assert desk.bridge.preset == desk.controls.state.effective == CRUNCH
    assert desk.told[-1].moved == {"eq1.gain_db", "reverb.wet"}
    desk.controls.press("revert")
    assert desk.told[-1].moved == set()


# --- amount and morph --------------------------------------------------------------------------
def test_no_amount_is_dry_but_for_what_a_hand_holds():
    """Once the tail is gone that was sent to the reverb before."""
    desk = Desk(CRUNCH)
    assert desk.heard() > 1.3
    desk.controls.set("amount", 0.0)
    assert desk.heard(2.0) == pytest.approx(1.0, rel=1e-3)
    assert {"dist.mix", "amount"} <= desk.told[-1].moved
    desk.controls.set("output.gain_db", -20.0)
    desk.controls.set("amount", 0.5)
    desk.controls.set("amount", 0.0)
    assert desk.heard(2.0) == pytest.approx(0.1, rel=1e-3)


@given(st.floats(0.0, 1.5), st.floats(0.0, 1.0))
def test_amount_and_morph_go_together_in_any_order(amount, place):
    controls = Controls(HALL, lambda *_: None)
    controls.restyle([HALL, CRUNCH], "two", frozenset())
    controls.set("amount", amount)
    controls.set("morph", place)
    expected = with_amount(morph(HALL, CRUNCH, place), amount)
    assert controls.state.base == controls.state.effective == expected
    controls.set("amount", 0.3)
    controls.set("amount", amount)
    assert controls.state.effective == expected


def test_there_is_no_morph_between_different_kinds_of_bands():
    desk = Desk(CRUNCH)
    with pytest.raises(PresetError):
        desk.controls.restyle([HALL, Preset(profile="seed")], "two", frozenset())
    assert desk.controls.state.effective == CRUNCH and not desk.published


# --- predictions and presets -------------------------------------------------------------------
def test_a_prediction_moves_all_but_what_a_hand_holds():
    desk = Desk(Preset.neutral())
    desk.controls.set("comp.ratio", 3.0)
    desk.controls.set("amount", 1.2)
    desk.controls.restyle([CRUNCH], "predicted from a.wav", frozenset({"dist.mix"}))
    state = desk.controls.state
    assert state.effective == with_amount(CRUNCH, 1.2).with_values({"comp.ratio": 3.0})
    assert (state.origin, state.predicted) == ("predicted from a.wav", {"dist.mix"})
    assert desk.told[-1].loaded and "comp.ratio" not in desk.told[-1].moved
    assert desk.published[-1][0] == state.effective and desk.published[-1][1] <= 50.0
    desk.controls.restyle([HALL], "again", frozenset())
    assert desk.controls.state.value("comp.ratio") == 3.0
    desk.controls.press("revert.comp.ratio")
    assert desk.controls.state.effective == with_amount(HALL, 1.2)


def test_everything_gives_way_to_a_preset():
    desk = Desk(Preset.neutral())
    desk.controls.restyle([CRUNCH, HALL], "two", frozenset(IDS))
    for target in ("comp.ratio", "amount", "morph"):
        desk.controls.set_unit(target, 0.4)
    desk.controls.press("bypass")
    desk.controls.load(HALL, "preset hall", "keys")
    state = desk.controls.state
    assert state.effective == state.base == HALL == desk.bridge.preset
    assert (state.amount, state.morph, state.bypassed) == (1.0, 0.0, False)
    assert not state.overrides and not state.predicted and state.origin == "preset hall"
    assert desk.told[-1].loaded and {"amount", "morph"} <= desk.told[-1].moved
    assert desk.published[-1][1] <= 50.0


# --- bypass and panic --------------------------------------------------------------------------
def test_bypass_is_dry_at_the_loudness_it_is_told_and_hands_wait_behind_it():
    desk = Desk(CRUNCH, matched_gain_db=lambda: 6.0)
    desk.controls.press("bypass")
    assert desk.controls.state.bypassed
    assert desk.heard() == pytest.approx(10 ** (6 / 20), rel=1e-2)
    count = len(desk.published)
    desk.controls.set("output.gain_db", -40.0)
    desk.controls.set("amount", 0.5)
    assert len(desk.published) == count
    desk.controls.press("bypass")
    assert not desk.controls.state.bypassed
    assert desk.bridge.preset == desk.controls.state.effective
    assert desk.bridge.preset["output.gain_db"] == -40.0


def test_a_gain_that_no_chain_has_is_cut_to_its_range():
    desk = Desk(CRUNCH, matched_gain_db=lambda: -100.0)
    desk.controls.press("bypass")
    assert desk.bridge.preset["output.gain_db"] == -40.0


def test_panic_stays_dry_however_often_it_is_pressed():
    desk = Desk(HALL, matched_gain_db=lambda: 12.0)
    desk.controls.press("bypass")
    for _ in range(3):
        desk.controls.press("panic")
        assert desk.controls.state.panicked and desk.controls.state.bypassed
        assert desk.bridge.preset == Preset.neutral()
    assert desk.published[-1][1] <= 20.0
    desk.controls.set("output.gain_db", 40.0)
    assert desk.heard() == pytest.approx(1.0, rel=1e-3)


def test_panic_ends_ten_seconds_of_reverb():
    desk = Desk(HALL.with_values({"reverb.wet": 1.0, "reverb.room_size": 1.0}))
    desk.heard(1.0)
    ringing = desk.heard(0.1, level=1e-9)
    desk.controls.press("panic")
    desk.heard(0.4, level=1e-9)
    assert desk.heard(0.1, level=1e-9) < 1e-3 * ringing


@pytest.mark.parametrize(
    ("end", "stays"),
    [
        (lambda c: c.press("bypass"), False),
        (lambda c: c.load(HALL, "hall"), False),
        (lambda c: c.restyle([CRUNCH], "predicted", frozenset()), True),
        (lambda c: c.press("revert"), True),
        (lambda c: c.set("morph", 1.0), True),
    ],
)
def test_panic_ends_by_bypass_or_a_preset_and_by_nothing_else(end, stays):
    """A prediction that was under way must not bring back what howled."""
    desk = Desk(HALL)
    desk.controls.press("panic")
    end(desk.controls)
    state = desk.controls.state
    assert state.panicked == state.bypassed == stays
    assert desk.bridge.preset == (Preset.neutral() if stays else state.effective)
    if stays:
        desk.controls.press("bypass")
        assert desk.bridge.preset == desk.controls.state.effective


def test_bypass_outlasts_a_prediction():
    """It arrives when the model is done; a performer who tunes or talks is not to be surprised."""
    desk = Desk(HALL, matched_gain_db=lambda: 6.0)
    desk.controls.press("bypass")
    dry = desk.bridge.preset
    desk.controls.restyle([CRUNCH], "predicted", frozenset())
    assert desk.controls.state.bypassed and desk.bridge.preset == dry
    desk.controls.press("bypass")
    assert desk.bridge.preset == CRUNCH


# --- the engine --------------------------------------------------------------------------------
def test_a_button_of_the_engines_is_the_engines_to_do():
    desk, done = Desk(CRUNCH), []
    desk.controls.on("capture", lambda: done.append("capture"))
    desk.controls.press("capture", "keys")
    desk.controls.press("next")
    assert done == ["capture"]
    assert desk.controls.state.effective == CRUNCH


def test_after_the_end_hands_move_nothing_that_is_heard():
    desk = Desk(CRUNCH)
    desk.heard(0.1)
    desk.controls.finish()
    assert desk.published[-1][1] <= 50.0
    desk.controls.set("output.gain_db", 40.0)
    desk.controls.press("bypass")
    desk.controls.load(HALL, "hall")
    assert desk.heard() < 5e-3  # 80 dB less than went in before the drive
