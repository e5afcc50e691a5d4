"""Learning: name a target, move a knob; kinds of controls, conflicts, and what is saved where."""

from __future__ import annotations

import threading
import time

import pytest

from realtime.midi import MidiError
from realtime.midi.mapping import MapControl, default_map
from realtime.midi.maps import load_map, save_map
from realtime.midi.messages import control_change
from realtime.targets import VALUES
from realtime.user_files import user_folder
from tests.midi.conftest import Desk, a_map, numbered


def learned(hands: Desk, target: str) -> MapControl | None:
    """The one control that `target` has after a while, or None while learning goes on."""
    hands.shown(0.3)
    if hands.midi.status().learning:
        return None
    (control,) = hands.midi.map.of(target)
    return control


def test_a_knob_is_learned_saved_and_moves_its_target_from_then_on():
    hands = Desk()
    hands.midi.learn("comp.ratio")
    assert hands.midi.status().learning == "comp.ratio"
    hands.cc(74, 10, 20, 30, channel=2)
    assert learned(hands, "comp.ratio") == MapControl("comp.ratio", "cc", 74, 2)
    assert load_map(None).of("comp.ratio") == [MapControl("comp.ratio", "cc", 74, 2)]
    assert hands.said[-1].startswith("MIDI: comp.ratio is moved by CC 74, channel 2")
    assert str(user_folder("midi") / "default.toml") in hands.said[-1]
    hands.cc(74, *range(30, -1, -1), channel=2)
    hands.cc(74, *range(128), channel=2)
    assert hands.value("comp.ratio") == pytest.approx(20.0)


def test_what_moves_while_learning_does_not_move_the_sound():
    hands = Desk()
    hands.midi.learn("comp.ratio")
    hands.cc(7, *range(0, 128, 5))
    assert len(hands.played) == 0
    assert learned(hands, "comp.ratio").number == 7
    assert hands.midi.map.of("output.gain_db") == [MapControl("output.gain_db", "nrpn", 7)]


def test_a_steady_or_trembling_knob_is_not_meant():
    hands = Desk()
    hands.midi.learn("amount")
    hands.cc(50, *[60, 61, 62, 61] * 20)
    hands.cc(51, *[5] * 20)
    assert learned(hands, "amount") is None
    hands.cc(52, 60, 90)
    assert learned(hands, "amount").number == 52


@pytest.mark.parametrize("fine_first", [False, True])
def test_a_14_bit_pair_is_one_control(fine_first):
    hands = Desk()
    hands.midi.learn("eq1.freq_hz")
    for value in range(5_000, 5_400, 9):  # slowly: the fine half is the first to move clearly
        pair = [control_change(1, 21, value >> 7), control_change(1, 53, value & 127)]
        hands.send(*(pair[::-1] if fine_first else pair))
    assert learned(hands, "eq1.freq_hz") == MapControl("eq1.freq_hz", "cc", 21, 1, bits=14)


def test_an_nrpn():
    hands = Desk()
    hands.midi.learn("eq1.freq_hz")
    for value in range(0, 4_000, 150):
        hands.send(*numbered(1_300, value))
    assert learned(hands, "eq1.freq_hz") == MapControl("eq1.freq_hz", "nrpn", 1_300, 1)
    hands.midi.learn("eq2.freq_hz")
    hands.send(*numbered(1_301, 0)[:2], control_change(1, 96, 0))
    assert learned(hands, "eq2.freq_hz") == MapControl("eq2.freq_hz", "nrpn", 1_301, 1)


def test_pads_pedals_and_buttons():
    hands = Desk()
    hands.midi.learn("bypass")
    hands.note(60, 5, channel=10)
    assert learned(hands, "bypass") == MapControl("bypass", "note", 60, 10)
    hands.midi.learn("next")
    hands.send(b"\xc0\x03")
    assert learned(hands, "next") == MapControl("next", "program", 3, 1)
    hands.midi.learn("capture")
    hands.cc(64, 127)
    assert learned(hands, "capture") == MapControl("capture", "cc", 64, 1)


def test_a_button_on_a_value_is_a_switch_beside_its_knob():
    hands = Desk(a_map(MapControl("reverb.wet", "cc", 3)))
    hands.midi.learn("reverb.wet")
    hands.cc(64, 127, 0)
    hands.shown(0.3)
    switch = MapControl("reverb.wet", "cc", 64, 1, on=VALUES["reverb.wet"].neutral)
    assert hands.midi.map.of("reverb.wet") == [MapControl("reverb.wet", "cc", 3), switch]
    assert "as a switch" in hands.said[-1]
    hands.midi.learn("reverb.wet")
    hands.cc(5, *range(40))
    hands.shown(0.3)
    assert hands.midi.map.of("reverb.wet") == [switch, MapControl("reverb.wet", "cc", 5, 1)]


def test_what_had_to_give_way_is_said():
    hands = Desk(a_map(MapControl("amount", "cc", 3), MapControl("morph", "cc", 35)))
    hands.midi.learn("comp.ratio")
    hands.cc(3, *range(20))
    learned(hands, "comp.ratio")
    assert "taken from amount" in hands.said[-1] and "morph" not in hands.said[-1]
    assert hands.midi.map.of("amount") == []
    hands.midi.learn("dist.mix")
    for value in range(0, 9_000, 100):
        hands.send(control_change(1, 3, value >> 7), control_change(1, 35, value & 127))
    learned(hands, "dist.mix")
    assert "taken from morph and comp.ratio" in hands.said[-1]
    assert {c.target for c in hands.midi.map.controls} == {"dist.mix"}


def test_unlearn():
    hands = Desk()
    hands.midi.unlearn("comp.ratio")
    hands.cc(15, *range(128))
    assert hands.value("comp.ratio") == 1.0
    assert load_map(None).of("comp.ratio") == []
    assert "comp.ratio" in hands.said[-1]
    for target, said in (("comp.ratio", "comp.ratio"), ("comp.ration", "comp.ratio")):
        with pytest.raises(MidiError, match=said):
            hands.midi.unlearn(target)


def test_cancelled_or_unknown_nothing_is_learned():
    hands = Desk()
    hands.midi.learn("amount")
    hands.midi.cancel_learn()
    hands.cc(74, 10, 90)
    hands.shown(0.3)
    assert hands.midi.map == default_map() and not hands.said
    with pytest.raises(MidiError, match="did you mean 'amount'"):
        hands.midi.learn("amounts")


def test_a_map_of_ones_own_is_changed_where_it_lies(tmp_path):
    path = tmp_path / "stage.toml"
    path.write_text('name = "stage"\nchannel = 3\n[[control]]\ntarget = "morph"\ncc = 1\n')
    hands = Desk(load_map(str(path)))
    hands.midi.learn("amount")
    hands.cc(2, *range(40), channel=3)
    assert learned(hands, "amount") == MapControl("amount", "cc", 2)  # the map's own channel
    assert load_map(str(path)).controls == hands.midi.map.controls
    assert not user_folder("midi").exists()


def test_where_it_cannot_be_saved_it_still_works_and_is_said(tmp_path):
    hands = Desk()
    (tmp_path / "config").write_text("a file where a folder should be")
    hands.midi.learn("comp.ratio")
    hands.cc(74, *range(20))
    assert learned(hands, "comp.ratio").number == 74
    assert "cannot write" in hands.said[-1] and len(hands.said) == 1
    assert hands.midi.status().learning == ""


def test_learning_at_the_door_waits_for_a_hand():
    hands = Desk()

    def hand() -> None:
        for value in range(0, 128, 4):
            hands.midi.feed("A", control_change(1, 90, value), time.monotonic())
            time.sleep(0.001)
        while hands.midi.status().learning:
            hands.midi.pending_feedback(time.monotonic())
            time.sleep(0.01)

    thread = threading.Thread(target=hand)
    thread.start()
    assert hands.midi.learn_by_hand("amount", 10.0)
    thread.join()
    assert load_map(None).of("amount") == [MapControl("amount", "cc", 90, 1)]
    assert not hands.midi.learn_by_hand("amount", 0.01)
    assert not hands.midi.status().learning


def test_a_file_that_was_learned_loads_in_the_next_session():
    save_map(default_map())
    assert load_map(None).controls == default_map().controls


def test_a_knob_that_moves_nothing_any_more_is_not_waited_for():
    hands = Desk()
    hands.cc(14, 100)
    assert "comp.threshold_db" in hands.midi.status().waiting
    hands.midi.unlearn("comp.threshold_db")
    assert not hands.midi.status().waiting
