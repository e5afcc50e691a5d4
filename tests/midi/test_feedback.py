"""Lights, rings and motor faders follow the sound, and nothing runs in a circle."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.midi.mapping import MapControl
from realtime.midi.messages import control_change, note
from realtime.preset import Preset
from tests.midi.conftest import PORT, Desk, a_map, numbered

RING = MapControl("reverb.wet", "cc", 3, feedback=True)


def test_rings_and_lights_come_up_when_a_controller_is_plugged_in():
    hands = Desk(
        a_map(RING, MapControl("bypass", "note", 8, feedback=True)),
        start=Preset({"reverb.wet": 0.5}),
    )
    assert hands.shown() == []
    hands.midi.opened(PORT)
    assert sorted(hands.shown()) == [note(1, 8, 0), control_change(1, 3, 64)]
    assert hands.shown() == []
    hands.midi.opened(PORT)  # torn out and back
    assert len(hands.shown()) == 2


@pytest.mark.parametrize(
    ("control", "at_full"),
    [
        (RING, [control_change(1, 3, 127)]),
        (
            MapControl("reverb.wet", "cc", 3, 5, bits=14, feedback=True),
            [control_change(5, 3, 127), control_change(5, 35, 127)],
        ),
        (MapControl("reverb.wet", "nrpn", 300, feedback=True), numbered(300, 16_383)),
        (MapControl("reverb.wet", "cc", 3, maximum=0.0, minimum=1.0, feedback=True), None),
        (MapControl("reverb.wet", "note", 7, on=1.0, feedback=True), [note(1, 7, 127)]),
        (MapControl("reverb.wet", "cc", 7, on=0.5, feedback=True), None),
    ],
)
def test_a_move_from_elsewhere_is_shown_as_the_control_speaks(control, at_full):
    hands = Desk(a_map(control))
    hands.midi.opened(PORT)
    hands.shown()
    hands.controls.set("reverb.wet", 1.0, "osc")
    if at_full is not None:
        assert hands.shown() == list(at_full)
    elif control.is_knob:
        assert hands.shown() == [control_change(1, 3, 0)]
    else:
        assert hands.shown() == []
        hands.controls.set("reverb.wet", 0.5, "osc")
        assert hands.shown() == [control_change(1, 7, 127)]


@pytest.mark.parametrize("cause", ["preset", "prediction", "panel", "revert", "another port"])
def test_whatever_moves_the_sound_is_shown(cause):
    hands = Desk(a_map(RING), start=Preset({"reverb.wet": 0.25}))
    hands.midi.opened(PORT)
    hands.shown()
    if cause == "preset":
        hands.controls.load(Preset({"reverb.wet": 1.0}), "")
    elif cause == "prediction":
        hands.controls.restyle([Preset({"reverb.wet": 1.0})], "", frozenset({"reverb.wet"}))
    elif cause == "panel":
        hands.controls.set("reverb.wet", 1.0, "keys")
    elif cause == "revert":
        hands.controls.set("reverb.wet", 1.0, "keys")
        assert hands.shown() == [control_change(1, 3, 127)]
        hands.controls.press("revert", "keys")
        assert hands.shown() == [control_change(1, 3, 32)]
        return
    else:
        hands.cc(3, 127, port="other")
    assert hands.shown() == [control_change(1, 3, 127)]


def test_lights_of_buttons():
    hands = Desk(
        a_map(
            *(
                MapControl(target, "note", n, feedback=True)
                for n, target in enumerate(["bypass", "panic", "revert", "revert.dist.mix", "next"])
            )
        )
    )
    hands.midi.opened(PORT)
    assert sorted(hands.shown()) == [note(1, n, 0) for n in range(4)]
    hands.controls.press("panic")
    assert sorted(hands.shown()) == [note(1, 0, 127), note(1, 1, 127)]
    hands.controls.press("bypass")
    assert sorted(hands.shown()) == [note(1, 0, 0), note(1, 1, 0)]
    hands.controls.set("dist.mix", 0.3, "keys")
    assert sorted(hands.shown()) == [note(1, 2, 127), note(1, 3, 127)]


def test_a_light_is_told_again_when_its_button_comes_up():
    """A pad lights itself while it is held, and goes dark with the finger."""
    hands = Desk(a_map(MapControl("bypass", "note", 8, feedback=True)))
    hands.midi.opened(PORT)
    hands.shown()
    hands.note(8)
    hands.shown(0.05)
    hands.note(8, 0)
    assert hands.shown() == [note(1, 8, 127)]
    hands.note(8)
    assert hands.shown(0.5) == [note(1, 8, 0)]
    hands.note(8, 0)
    assert hands.shown() == [note(1, 8, 0)]


def test_a_synthesiser_that_happens_to_be_there_is_left_alone():
    """CC 7 is many an instrument's volume: without `feedback = true` only who sent it gets it."""
    hands = Desk()
    hands.midi.opened("Synth")
    hands.controls.load(Preset({"output.gain_db": -12.0}), "")
    assert hands.shown(port="Synth") == []
    hands.cc(7, 30, channel=3, port="Knobs")
    hands.shown()
    hands.controls.set("output.gain_db", -40.0, "keys")
    assert hands.shown(port="Synth") == []
    hands.controls.set("output.gain_db", 40.0, "keys")
    assert hands.shown(port="Knobs") == [control_change(3, 7, 127)]
    never = Desk(a_map(MapControl("amount", "cc", 3, feedback=False)))
    never.cc(3, 30)
    never.controls.set("amount", 0.0, "keys")
    assert never.shown() == []


def test_a_knob_in_a_hand_is_not_fought():
    hands = Desk(a_map(RING))
    hands.midi.opened(PORT)
    hands.shown()
    hands.cc(3, 10, 11, 12)
    assert hands.shown() == []  # it stands there already
    hands.cc(3, 13)
    hands.controls.set("reverb.wet", 1.0, "osc")
    assert hands.shown(0.28) == []
    assert hands.shown(0.1) == [control_change(1, 3, 127)]


@pytest.mark.parametrize("takeover", ["pickup", "scaled"])
def test_a_ring_goes_on_from_where_it_was_put(takeover):
    """After a preset an encoder has the sound's value: turned either way, fast or slow, it is
    heard; and not before it was told, for then it would make the sound leap."""
    hands = Desk(a_map(RING, takeover=takeover))
    hands.midi.opened(PORT)
    hands.shown()
    hands.cc(3, *range(30))
    hands.controls.load(Preset({"reverb.wet": 0.5}), "")
    hands.cc(3, 30)
    assert hands.value("reverb.wet") == pytest.approx(0.5, abs=0.02)
    assert hands.shown()[-1][:2] == control_change(1, 3, 64)[:2]
    hands.cc(3, 59)
    assert hands.value("reverb.wet") == pytest.approx(59 / 128, abs=0.01)
    hands.cc(3, 55)
    assert hands.value("reverb.wet") == pytest.approx(55 / 128, abs=0.01)


def test_another_knob_of_the_same_target_follows_at_once():
    hands = Desk(a_map(RING, MapControl("reverb.wet", "cc", 4, feedback=True)))
    hands.midi.opened(PORT)
    hands.shown()
    hands.cc(3, 50)
    assert hands.shown(0.02) == [control_change(1, 4, 50)]


def test_a_thousand_changes_a_second_are_a_hundred_messages_and_the_last_one_arrives():
    hands = Desk(a_map(RING))
    hands.midi.opened(PORT)
    hands.shown()
    told = []
    for n in range(1_000):
        hands.controls.set("reverb.wet", (n % 97) / 96, "osc")
        told += hands.shown(0.001, step=0.001)
    hands.controls.set("reverb.wet", 0.5, "osc")
    told += hands.shown()
    assert 50 < len(told) <= 102
    assert told[-1] == control_change(1, 3, 64)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["cc", "14", "nrpn", "note", "light"]),
    st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 0.05)), min_size=1, max_size=10),
    st.integers(0, 3),
)
def test_a_device_that_echoes_moves_nothing(kind, story, late):
    """Every message comes back, some rounds late: the sound stays, and the talk ends."""
    control = {
        "cc": RING,
        "14": MapControl("reverb.wet", "cc", 3, bits=14, feedback=True),
        "nrpn": MapControl("reverb.wet", "nrpn", 300, feedback=True),
        "note": MapControl("reverb.wet", "note", 3, on=1.0, feedback=True),
        "light": MapControl("bypass", "note", 3, feedback=True),
    }[kind]
    hands = Desk(a_map(control, takeover="jump"))
    hands.midi.opened(PORT)
    on_the_way: list[list[bytes]] = [[] for _ in range(late)]
    mine = []

    def round_trip() -> int:
        told = hands.shown(0.01)
        on_the_way.append(told)
        hands.send(*on_the_way.pop(0))
        return len(told)

    for value, pause in story:
        if kind == "light":
            hands.controls.press("bypass", "osc")
        value = float(value > 0.5) if kind == "note" else value
        hands.controls.set("reverb.wet", value, "osc")
        mine.append((hands.controls.state.number, value))
        for _ in range(1 + round(pause / 0.01)):
            round_trip()
    for _ in range(100):
        round_trip()
    assert [round_trip() for _ in range(20)] == [0] * 20
    assert (hands.controls.state.number, hands.value("reverb.wet")) == mine[-1]


def test_after_its_echo_a_knob_is_heard_again():
    hands = Desk(a_map(RING))
    hands.midi.opened(PORT)
    hands.shown()
    hands.controls.set("reverb.wet", 1.0, "osc")
    (told,) = hands.shown(0.02)
    hands.send(told)
    hands.cc(3, 126, 127)
    assert hands.controls.state.overrides["reverb.wet"] == 1.0
    hands.cc(3, 0)
    assert hands.value("reverb.wet") == 0.0


def test_pressed_twice_quickly_is_twice():
    """A/B in a hurry: the light that was sent looks like the second press."""
    hands = Desk(a_map(MapControl("bypass", "note", 8, feedback=True)))
    hands.midi.opened(PORT)
    hands.shown()
    for _ in range(2):
        hands.note(8, 127)
        hands.shown(0.04)
        hands.note(8, 0)
        hands.shown(0.08)
    assert not hands.controls.state.bypassed
