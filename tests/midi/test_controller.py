"""From bytes to the sound: knobs, switches, programs, channels, and whatever goes wrong."""

from __future__ import annotations

import math
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.midi.mapping import MapControl, default_map
from realtime.midi.maps import load_map
from realtime.midi.messages import control_change, note
from realtime.params import BY_ID
from realtime.preset import Preset
from realtime.targets import BUTTONS, VALUES
from tests.midi.conftest import Desk, a_map, numbered


# --- knobs -----------------------------------------------------------------------------------
@pytest.mark.parametrize("target", sorted(VALUES))
def test_every_value_moves_through_its_taper_by_cc_and_in_14_bits_by_nrpn(target):
    param = VALUES[target]
    hands = Desk(a_map(*(MapControl(target, kind, 40) for kind in ("cc", "nrpn"))))
    hands.cc(40, 0)
    assert hands.value(target) == param.minimum
    hands.cc(40, 127)
    assert hands.value(target) == pytest.approx(param.maximum)
    hands.cc(40, 64)
    middle = (
        math.sqrt(param.minimum * param.maximum)
        if param.taper == "log"
        else (param.minimum + param.maximum) / 2
    )
    assert hands.value(target) == pytest.approx(middle)
    hands.send(*numbered(40, 8_193))
    fine = hands.value(target)
    assert 0.0 < abs(fine - middle) < (param.maximum - param.minimum) / 2_000
    if target in BY_ID:
        assert hands.played[-1][target] == fine


def test_the_tables_numbers_work_without_a_map_file():
    hands = Desk()
    hands.cc(BY_ID["comp.ratio"].cc, 0, 127)
    assert hands.value("comp.ratio") == pytest.approx(20.0)
    assert hands.controls.state.overrides.keys() == {"comp.ratio"}
    assert hands.midi.status().last == f"CC {BY_ID['comp.ratio'].cc} -> comp.ratio"


def test_a_part_of_the_range_turned_round():
    hands = Desk(a_map(MapControl("comp.threshold_db", "cc", 3, minimum=-10.0, maximum=-40.0)))
    for value, threshold_db in ((0, -10.0), (64, -25.0), (127, -40.0)):
        hands.cc(3, value)
        assert hands.value("comp.threshold_db") == pytest.approx(threshold_db)


def test_nrpn_steps_move_from_where_the_sound_is():
    hands = Desk(start=Preset({"eq1.gain_db": 6.0}))
    number = BY_ID["eq1.gain_db"].cc
    select = numbered(number, 0)[:2]
    hands.send(*select, control_change(1, 96, 0), control_change(1, 96, 0))
    assert hands.value("eq1.gain_db") == pytest.approx(6.0 + 2 * 48.0 / 128)
    for _ in range(200):
        hands.send(control_change(1, 96, 0))
    assert hands.value("eq1.gain_db") == 24.0


def test_moves_that_arrive_together_are_heard_once_and_the_last_one_wins():
    hands = Desk(a_map(MapControl("amount", "cc", 3), MapControl("morph", "cc", 4)))
    burst = [control_change(1, 3 + n % 2, n % 128) for n in range(1_000)]
    hands.send(*burst)
    assert len(hands.played) == 2
    assert hands.value("amount") == pytest.approx(VALUES["amount"].from_unit(_unit(998 % 128)))
    assert hands.value("morph") == pytest.approx(_unit(999 % 128))


def _unit(value: int) -> float:
    return value / 128 if value <= 64 else 0.5 + (value - 64) / 126


# --- takeover --------------------------------------------------------------------------------
def test_after_a_preset_change_a_knob_does_not_make_the_sound_leap():
    hands = Desk()
    number = BY_ID["dist.mix"].cc
    hands.cc(number, *range(128))
    assert hands.value("dist.mix") == 1.0
    hands.controls.load(Preset({"dist.mix": 0.25}), "another preset")
    hands.cc(number, 126, 120, 80)
    assert hands.value("dist.mix") == 0.25
    assert hands.midi.status().waiting == {"dist.mix": pytest.approx(_unit(80))}
    hands.cc(number, *range(79, 20, -1))
    assert hands.value("dist.mix") == pytest.approx(21 / 128)
    assert hands.midi.status().waiting == {}


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["pickup", "scaled"]),
    st.lists(
        st.one_of(
            st.tuples(st.just("knob"), st.integers(0, 127), st.integers(0, 127)),
            st.tuples(st.just("preset"), st.floats(0.0, 1.0), st.just(0)),
            st.tuples(st.just("screen"), st.floats(0.0, 1.0), st.just(0)),
            st.tuples(st.just("revert"), st.just(0.0), st.just(0)),
        ),
        max_size=12,
    ),
)
def test_no_leap_by_a_hand_whatever_else_moves_the_sound(mode, story):
    """A knob turned step by step moves the sound by steps, before and after anything else."""
    hands = Desk(a_map(MapControl("reverb.wet", "cc", 3), takeover=mode))
    for what, a, b in story:
        if what == "knob":
            for value in range(a, b, 1 if b >= a else -1):
                before = hands.value("reverb.wet")
                hands.cc(3, value)
                if value != a:  # between two turns it may have been turned with nobody listening
                    assert abs(hands.value("reverb.wet") - before) <= 3.01 / 126
        elif what == "preset":
            hands.controls.load(Preset({"reverb.wet": a}), "")
        elif what == "screen":
            hands.controls.set("reverb.wet", a, "keys")
        else:
            hands.controls.press("revert", "keys")


def test_each_knob_may_have_its_own_takeover():
    hands = Desk(
        a_map(
            MapControl("reverb.wet", "cc", 3, takeover="jump"),
            MapControl("dist.mix", "cc", 4),
            takeover="pickup",
        ),
        start=Preset({"reverb.wet": 0.5, "dist.mix": 0.5}),
    )
    hands.cc(3, 127)
    hands.cc(4, 127)
    assert (hands.value("reverb.wet"), hands.value("dist.mix")) == (1.0, 0.5)


def test_the_same_knob_on_two_ports_is_two_knobs():
    hands = Desk(a_map(MapControl("reverb.wet", "cc", 3), takeover="pickup"))
    hands.cc(3, 0, 30, port="A")
    hands.cc(3, 127, port="B")
    assert hands.value("reverb.wet") == pytest.approx(30 / 128)
    hands.cc(3, 10, port="B")
    assert hands.value("reverb.wet") == pytest.approx(10 / 128)


# --- switches --------------------------------------------------------------------------------
def test_a_cc_presses_on_the_rising_edge_only():
    hands = Desk()
    states = []
    for value in (0, 63, 64, 100, 127, 64, 63, 0, 127, 0):
        hands.cc(80, value)
        states.append(hands.controls.state.bypassed)
    assert states == [False, False, True, True, True, True, True, True, False, False]


def test_a_note_presses_each_time_and_its_end_does_nothing():
    hands = Desk(a_map(MapControl("bypass", "note", 36)))
    states = []
    for velocity in (100, 0, 1, 0, 127, 127):
        hands.note(36, velocity)
        states.append(hands.controls.state.bypassed)
    assert states == [True, True, False, False, True, False]


@pytest.mark.parametrize("action", sorted(BUTTONS))
def test_every_button_can_be_pressed(action):
    hands = Desk(a_map(MapControl(action, "note", 1)), start=Preset({"comp.ratio": 4.0}))
    pressed = []
    hands.controls.on(action, lambda: pressed.append(action))
    hands.note(1)
    assert pressed == [action]


def test_a_switch_sets_a_value_and_takes_it_back():
    start = Preset({"reverb.wet": 0.4})
    hands = Desk(
        a_map(
            MapControl("reverb.wet", "note", 1),
            MapControl("reverb.wet", "cc", 2, on=0.9),
            MapControl("morph", "note", 3, on=1.0),
        ),
        start=start,
    )
    heard = []
    for press in (hands.note, hands.note):
        press(1)
        heard.append(hands.value("reverb.wet"))
    for value in (127, 0, 127):
        hands.cc(2, value)
        heard.append(hands.value("reverb.wet"))
    assert heard == [0.0, 0.4, 0.9, 0.9, 0.4]
    assert hands.controls.state.overrides == {}
    hands.note(3)
    assert hands.value("morph") == 1.0
    hands.note(3)
    assert hands.value("morph") == 0.0


def test_what_came_before_a_press_is_done_before_it():
    hands = Desk(a_map(MapControl("reverb.wet", "cc", 3), MapControl("revert", "note", 1)))
    hands.send(control_change(1, 3, 100), note(1, 1, 100))
    assert hands.value("reverb.wet") == 0.0
    hands.send(note(1, 1, 100), control_change(1, 3, 127))
    assert hands.value("reverb.wet") == 1.0


# --- programs and channels -------------------------------------------------------------------
def test_programs_with_their_bank():
    hands = Desk()
    hands.send(b"\xc0\x05")
    hands.send(control_change(1, 0, 1), control_change(1, 32, 2), b"\xc0\x07\x08")
    assert hands.programs == [(0, 5), (130, 7), (130, 8)]


def test_a_program_can_be_a_switch_for_pedals_that_send_nothing_else():
    hands = Desk(a_map(MapControl("bypass", "program", 5)))
    hands.send(b"\xc0\x05\x05\x05\x06")
    assert hands.controls.state.bypassed
    assert hands.programs == [(0, 6)]


def test_the_channel_filter():
    hands = Desk(
        a_map(MapControl("amount", "cc", 3), MapControl("morph", "cc", 4, channel=9), channel=2)
    )
    hands.cc(3, 0, channel=1)
    hands.cc(4, 127, channel=2)
    hands.send(b"\xc0\x05", b"\xc8\x05")
    assert (hands.value("amount"), hands.value("morph"), hands.programs) == (1.0, 0.0, [])
    assert hands.midi.status().ignored == 2
    hands.cc(3, 0, channel=2)
    hands.cc(4, 127, channel=9)
    hands.send(b"\xc1\x05")
    assert (hands.value("amount"), hands.value("morph"), hands.programs) == (0.0, 1.0, [(0, 5)])


# --- whatever goes wrong ---------------------------------------------------------------------
@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("AB"), st.binary(max_size=60)), max_size=8))
def test_no_bytes_end_it_and_the_sound_stays_in_range(story):
    hands = Desk(load_map("korg-nanokontrol2"))
    for port, data in story:
        hands.send(data, port=port)
        hands.shown(0.02)
    assert all(BY_ID[i].contains(v) for preset in hands.played for i, v in preset.items())
    status = hands.midi.status()
    assert status.ignored >= 0 and status.messages >= 0
    hands.send(b"\xf7", control_change(1, 7, 0), control_change(1, 7, 127))
    assert hands.value("output.gain_db") == 40.0


def test_an_error_behind_a_button_is_said_once_and_the_rest_goes_on():
    hands = Desk(default_map())

    def broken() -> None:
        raise RuntimeError("no microphone")

    hands.controls.on("capture", broken)
    for _ in range(3):
        hands.cc(81, 127, 0)
    assert hands.said == ["MIDI: no microphone"]
    hands.cc(80, 127)
    assert hands.controls.state.bypassed


def test_a_program_that_cannot_be_loaded_is_said():
    hands = Desk()

    def broken(bank: int, number: int) -> None:
        raise ValueError(f"no preset {number}")

    hands.midi._program = broken
    hands.send(b"\xc0\x05")
    assert hands.said == ["MIDI: no preset 5"]


def test_a_replugged_controller_starts_afresh():
    hands = Desk(a_map(MapControl("reverb.wet", "cc", 3), takeover="pickup"))
    hands.cc(3, *range(60))
    hands.send(b"\xb0\x03")  # torn out in the middle of a message
    hands.midi.opened("Knobs")
    hands.send(b"\x7f\x7f")
    hands.cc(3, 127)  # it was turned while it was away
    assert hands.value("reverb.wet") == pytest.approx(59 / 128)
    assert hands.midi.status().messages == 61


def test_hands_on_several_threads_lose_nothing():
    """MIDI on its thread, a panel and a display on theirs: the last of each is what is heard."""
    hands = Desk(a_map(MapControl("reverb.wet", "cc", 3)))
    failures: list[BaseException] = []

    def work(step) -> threading.Thread:
        def run() -> None:
            try:
                for n in range(300):
                    step(n)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    threads = [
        work(lambda n: hands.midi.feed("A", control_change(1, 3, n % 128), time.monotonic())),
        work(lambda n: hands.controls.set("dist.mix", n / 299, "keys")),
        work(lambda n: hands.midi.status()),
    ]
    for n in range(100):
        hands.midi.pending_feedback(time.monotonic() + n)
    for thread in threads:
        thread.join()
    assert not failures
    assert hands.value("reverb.wet") == pytest.approx(_unit(299 % 128))
    assert hands.played[-1]["dist.mix"] == 1.0
