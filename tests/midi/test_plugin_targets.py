"""MIDI on the parameters of plugins: knobs, learning, and maps of plugins that are not there."""

from __future__ import annotations

import pytest

from realtime.controls import Controls
from realtime.midi.controller import Midi
from realtime.midi.mapping import MapControl, MapError, default_map
from realtime.midi.maps import load_map, map_to_toml, read_map
from realtime.preset import Preset
from tests.midi.conftest import Desk, a_map
from tests.test_controls_plugins import LINEUP

ATTACK = MapControl("comp-x2.attack", "cc", 3, minimum=1.0, maximum=10.0)
MODE = MapControl("comp-x2.mode", "cc", 5, takeover="jump")
AWAY = MapControl("zameq2.gain", "cc", 4, minimum=-900.0)
PLUGINS = (ATTACK, MODE, MapControl("revert.comp-x2.attack", "note", 1), AWAY)


class Hosting(Desk):
    """A desk whose session has two plugins."""

    def __init__(self, *controls: MapControl) -> None:
        super().__init__()
        self.controls = Controls(Preset.neutral(), lambda p, _: None, hosted=LINEUP)
        self.midi = Midi(
            self.controls,
            a_map(*controls) if controls else default_map(),
            ports=[],
            virtual=False,
            say=self.said.append,
            program=lambda bank, number: None,
        )


def test_a_knob_moves_a_plugins_parameter_over_its_own_range_and_a_pad_takes_it_back():
    hands = Hosting(*PLUGINS)
    hands.cc(3, 0, 127)
    assert hands.value("comp-x2.attack") == 10.0
    hands.cc(3, 64)
    assert hands.value("comp-x2.attack") == 5.5  # halfway between them on its own curve
    hands.note(1)
    assert hands.value("comp-x2.attack") == 2.0
    for position, step in ((127, 1.0), (0, 0.0)):
        hands.cc(5, position)
        assert hands.value("comp-x2.mode") == step


def test_a_knob_shows_where_a_plugin_stands():
    ring = MapControl("comp-x2.attack", "cc", 3, feedback=True)
    hands = Hosting(ring)
    hands.midi.opened("Knobs")
    hands.shown()
    hands.controls.set("comp-x2.attack", 10.0)
    assert hands.shown() == [bytes((0xB0, 3, 127))]


def test_a_plugins_parameter_is_learned_and_stays_in_the_map():
    hands = Hosting()
    hands.midi.learn("verb.size")
    hands.cc(74, 10, 20, 30)
    hands.shown(0.3)
    assert load_map(None).of("verb.size") == [MapControl("verb.size", "cc", 74, 1)]
    hands.cc(74, *range(30, -1, -1))
    hands.cc(74, *range(128))
    assert hands.value("verb.size") == 10.0
    with pytest.raises(MapError, match=r"did you mean 'verb\.size'"):
        hands.midi.learn("verb.siz")


def test_a_plugin_that_is_not_there_keeps_its_controls_and_is_said_once():
    hands = Hosting(*PLUGINS)
    hands.midi.start()
    hands.midi.close()
    said = [line for line in hands.said if "not in this session" in line]
    assert len(said) == 1 and "zameq2.gain" in said[0]
    hands.cc(4, 0, 127)
    assert hands.controls.state.number == 0 and hands.midi.status().ignored == 2
    hands.shown()
    assert hands.midi.map.of("zameq2.gain") == [AWAY]
    hands.midi.unlearn("zameq2.gain")
    assert hands.midi.map.of("zameq2.gain") == []
    with pytest.raises(MapError, match=r"unknown target 'zameq2\.gain'"):
        hands.midi.unlearn("zameq2.gain")


def test_a_map_of_plugins_is_read_and_written_without_them():
    text = map_to_toml(a_map(*PLUGINS))
    assert read_map(text).controls == PLUGINS and map_to_toml(read_map(text)) == text


@pytest.mark.parametrize(
    "target", ["comp.rato", "zam eq2.gain", "zameq2", "revert.zameq2", "a.b.c"]
)
def test_what_can_be_nobodys_is_refused(target):
    with pytest.raises(MapError, match="unknown target"):
        MapControl(target, "cc", 3)


def test_a_control_that_goes_beyond_its_plugin_is_refused():
    with pytest.raises(MapError, match=r"verb.size: maximum is 11.0, outside 0..10 ms"):
        Hosting(MapControl("verb.size", "cc", 3, maximum=11.0))
