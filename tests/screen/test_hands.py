"""Every key, on the real controls: what it changes, and that another brings it back."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.controls import Controls
from realtime.midi.status import MidiStatus
from realtime.params import BY_ID
from realtime.preset import Preset, load_preset
from realtime.screen.hands import BINDINGS, COARSE, FINE, Hands
from realtime.targets import ACTIONS, VALUES


class Stage:
    """Hands on a sound, and all that they caused."""

    def __init__(self, midi: bool = True) -> None:
        self.published: list[Preset] = []
        self.happened: list[str] = []
        self.said: list[str] = []
        self.controls = Controls(load_preset("hall"), lambda p, fade_ms: self.published.append(p))
        for action in ("capture", "predict", "next", "previous", "save"):
            self.controls.on(action, lambda action=action: self.happened.append(action))
        self.status = MidiStatus(ports=("KNOBS",))
        self.hands = Hands(
            self.controls,
            midi=lambda: self.status,
            learn=self.learn if midi else None,
            cancel_learn=(lambda: self.happened.append("cancel")) if midi else None,
            unlearn=(lambda target: self.happened.append(f"unlearn {target}")) if midi else None,
            stop=lambda: self.happened.append("stop"),
            say=self.said.append,
        )

    def learn(self, target: str) -> None:
        self.happened.append(f"learn {target}")
        self.status = MidiStatus(ports=("KNOBS",), learning=target)

    def press(self, *keys: str) -> Stage:
        for key in keys:
            self.hands.press(key)
        return self


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_the_arrows_reach_every_parameter_and_move_it(stage: Stage) -> None:
    seen = []
    for _ in VALUES:
        target = stage.hands.chosen
        seen.append(target)
        unit = stage.controls.unit(target)
        way, back = ("left", "right") if unit > 0.5 else ("right", "left")
        stage.press(way)
        moved = stage.controls.unit(target) - unit
        assert abs(moved) == pytest.approx(COARSE)
        stage.press(back, "." if way == "right" else ",")
        assert abs(stage.controls.unit(target) - unit) == pytest.approx(FINE)
        stage.press("down")
    assert tuple(seen) == tuple(VALUES) and stage.hands.chosen == seen[0]
    assert stage.press("up").hands.chosen == seen[-1]


def test_tab_goes_from_stage_to_stage(stage: Stage) -> None:
    firsts = []
    for _ in range(12):
        firsts.append(stage.hands.chosen)
        stage.press("tab")
    assert firsts[:3] == ["input.gain_db", "eq1.freq_hz", "eq2.freq_hz"]
    assert firsts[-5:] == [
        "comp.threshold_db", "dist.drive_db", "reverb.room_size", "output.gain_db", "amount",
    ]  # fmt: skip
    assert stage.hands.chosen == "input.gain_db"
    assert stage.press("shift-tab", "shift-tab").hands.chosen == "output.gain_db"


def test_every_button_that_midi_has_is_a_key(stage: Stage) -> None:
    stage.press("c", "p", "n", "N", "page-down", "page-up", "s")
    assert stage.happened == ["capture", "predict", "next", "previous", "next", "previous", "save"]
    assert stage.press("b").controls.state.bypassed
    assert not stage.press("b").controls.state.bypassed
    assert stage.press(" ").controls.state.panicked
    assert not stage.press("b").controls.state.panicked
    described = " ".join(binding.description for binding in BINDINGS)
    assert all(action.description in described for action in ACTIONS)


def test_panic_comes_at_any_moment(stage: Stage) -> None:
    for before in ((), ("?",), ("q",), ("l",), ("L",), ("a",)):
        stage.press(*before, " ")
        assert stage.controls.state.panicked, before
        stage.press("b", "escape")


def test_amount_and_morph_are_a_key_away(stage: Stage) -> None:
    assert stage.press("a", "left").controls.state.amount < 1.0
    assert stage.press("r").controls.state.amount == 1.0
    assert stage.press("m", "right").controls.state.morph > 0.0


def test_what_a_revert_took_comes_back(stage: Stage) -> None:
    stage.controls.set("comp.ratio", 4.0)
    stage.controls.set("eq1.gain_db", 3.0)
    set_by_hand = dict(stage.controls.state.overrides)
    stage.press("R")
    assert not stage.controls.state.overrides
    stage.press("u")
    assert stage.controls.state.overrides == set_by_hand
    assert "comp.ratio" in stage.said[-1]
    stage.press("u")
    assert stage.said[-1] == "nothing to undo"
    stage.hands.select("comp.ratio")
    stage.press("r")
    assert "comp.ratio" not in stage.controls.state.overrides
    assert stage.press("u").controls.state.overrides == set_by_hand


def test_undo_goes_back_step_by_step(stage: Stage) -> None:
    stage.controls.set("comp.ratio", 4.0)
    stage.controls.set("eq1.gain_db", 3.0)
    for target in ("comp.ratio", "eq1.gain_db"):
        stage.hands.select(target)
        stage.press("r")
    assert stage.press("u").controls.state.overrides == {"eq1.gain_db": 3.0}
    assert stage.press("u").controls.state.overrides == {"eq1.gain_db": 3.0, "comp.ratio": 4.0}


def test_what_a_new_preset_took_comes_back(stage: Stage) -> None:
    stage.controls.set("comp.ratio", 4.0)
    stage.controls.set("amount", 0.5)
    stage.controls.load(load_preset("crunch"), "the next")
    stage.controls.load(load_preset("hall"), "and back")
    stage.press("u")
    state = stage.controls.state
    assert state.overrides == {"comp.ratio": 4.0} and state.amount == 0.5
    assert state.origin == "and back"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.sampled_from([k for b in BINDINGS for k in b.keys if k != "u"]), max_size=40))
def test_whatever_keys_come_what_a_hand_set_can_be_brought_back(keys: list[str]) -> None:
    stage = Stage()
    stage.controls.set("comp.ratio", 4.0)
    stage.press(*keys)
    for _ in range(40):
        if "comp.ratio" in stage.controls.state.overrides:
            break
        stage.press("u")
    assert "comp.ratio" in stage.controls.state.overrides
    assert all(BY_ID[i].contains(v) for preset in stage.published for i, v in preset.items())


def test_quit_and_unlearn_ask_first(stage: Stage) -> None:
    stage.press("q")
    assert "q again" in stage.hands.question and not stage.happened
    stage.press("up", "q")
    assert not stage.happened
    assert stage.press("q").happened == ["stop"]
    stage.press("L")
    assert "no knob" in stage.hands.question
    assert stage.press("L").happened[-1] == f"unlearn {stage.hands.chosen}"


def test_learning_can_be_given_up(stage: Stage) -> None:
    stage.hands.select("comp.ratio")
    stage.press("l")
    assert stage.happened == ["learn comp.ratio"]
    assert stage.press("l").happened[-1] == "cancel"
    assert stage.press("escape").happened.count("cancel") == 2
    stage.hands.select("comp.knee_db")
    assert stage.press("l").happened[-1] == "learn comp.knee_db"


def test_without_midi_the_keys_say_so() -> None:
    stage = Stage(midi=False).press("l", "L", "L", "escape")
    assert len(stage.said) == 2 and all("--midi" in line for line in stage.said)


def test_a_handler_that_fails_is_said_and_the_keys_go_on(stage: Stage) -> None:
    def broken() -> None:
        raise OSError("the disk is full")

    stage.controls.on("save", broken)
    assert stage.press("s").said == ["s failed: the disk is full"]
    assert stage.press("b").controls.state.bypassed


def test_unknown_keys_do_nothing(stage: Stage) -> None:
    before = stage.controls.state
    stage.press("x", "enter", "home", "€", "")
    assert stage.controls.state is before and not stage.happened and not stage.said
