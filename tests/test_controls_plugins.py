"""Hands on the parameters of plugins: reached, reverted and carried on as the chain's are."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.controls import Controls
from realtime.interpolate import morph
from realtime.params import IDS
from realtime.plugins.lineup import Lineup
from realtime.plugins.setting import PluginError, PluginSetting
from realtime.preset import Preset, load_preset
from realtime.targets import VALUES
from tests.plugins.settings import row

COMP = PluginSetting("comp-x2", "/x/Comp.vst3", values=(("attack", 2.0), ("mode", 0.0)))
VERB = PluginSetting("verb", "/x/Verb.vst3", "after-reverb", values=(("size", 1.0),))
ROWS = (row("comp-x2.attack"), row("comp-x2.mode", texts=("fast", "slow")), row("verb.size"))
LINEUP = Lineup([COMP, VERB], ROWS, inserted=["comp-x2"])
THEIRS = ("comp-x2.mix", "comp-x2.attack", "comp-x2.mode", "verb.mix", "verb.size")
HALL = load_preset("hall")


class Played:
    """Controls with two plugins, one inserted by hand; `published` is what came of it."""

    def __init__(self, preset: Preset = HALL, hosted: Lineup = LINEUP) -> None:
        self.published: list[Preset] = []
        self.controls = Controls(preset, lambda p, fade: self.published.append(p), hosted=hosted)

    def __getitem__(self, target: str) -> float:
        return self.controls.state.value(target)


def test_every_parameter_of_a_plugin_can_be_set_and_reverted_beside_the_chains():
    played = Played()
    targets = played.controls.targets
    assert set(targets.values) == {*VALUES, *THEIRS}
    for target in THEIRS:
        before = played[target]
        played.controls.set(target, 1e9, "osc")
        assert played[target] == targets.values[target].maximum
        assert played.published[-1][target] == targets.values[target].maximum
        played.controls.press(f"revert.{target}")
        assert played[target] == before == played.published[-1][target]
    played.controls.set_unit("comp-x2.attack", 0.5)
    assert played["comp-x2.attack"] == 1.0 and played.controls.unit("comp-x2.attack") == 0.5


def test_a_preset_that_does_not_mention_them_leaves_inserted_plugins_and_dries_the_others():
    played = Played()
    assert (played["comp-x2.mix"], played["verb.mix"]) == (1.0, 0.0)
    played.controls.set("comp-x2.attack", 5.0)
    played.controls.load(Preset(plugins=[replace(VERB, mix=0.5, values=())]), "a preset")
    assert (played["verb.mix"], played["verb.size"], played["comp-x2.attack"]) == (0.5, 1.0, 2.0)
    played.controls.load(HALL, "hall")
    assert played["verb.mix"] == 0.0 and played.controls.state.effective.with_plugins([]) == HALL


def test_a_prediction_leaves_what_a_hand_has_set_of_a_plugin():
    played = Played()
    played.controls.set("comp-x2.attack", 5.0)
    played.controls.restyle([load_preset("crunch")], "predicted", frozenset(IDS))
    assert played["comp-x2.attack"] == 5.0 and played["dist.mix"] > 0.0
    played.controls.press("revert")
    assert played["comp-x2.attack"] == 2.0


def test_amount_scales_their_mix_and_bypass_and_panic_take_them_out_but_not_away():
    played = Played()
    played.controls.set("amount", 0.25)
    assert played.published[-1]["comp-x2.mix"] == 0.25
    for button in ("bypass", "panic"):
        played.controls.press(button)
        heard = played.published[-1]
        assert [p.identity for p in heard.plugins] == [COMP.identity, VERB.identity]
        assert heard["comp-x2.mix"] == heard["verb.mix"] == 0.0
        played.controls.press("bypass") if button == "bypass" else None
    played.controls.press("bypass")
    assert played.published[-1]["comp-x2.mix"] == 0.25


@given(st.floats(0.0, 1.0))
def test_a_morph_takes_plugins_along_their_knobs(position):
    ends = [Preset(plugins=[replace(COMP, values=(("attack", v),))]) for v in (0.5, 9.0)]
    played = Played()
    played.controls.restyle(ends, "two", frozenset())
    played.controls.set("morph", position)
    attack = ROWS[0]
    way = attack.to_unit(0.5) + position * (attack.to_unit(9.0) - attack.to_unit(0.5))
    assert attack.to_unit(played["comp-x2.attack"]) == pytest.approx(way, abs=1e-6)
    assert played["comp-x2.mode"] in (0.0, 1.0)


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (PluginSetting("eq-q", "/x/Eq.vst3"), "'eq-q' from '/x/Eq.vst3' is not in this session"),
        (replace(COMP, point="before-eq"), "'comp-x2' is '/x/Comp.vst3' before-eq here"),
        (replace(COMP, path="/y/Comp.vst3"), "give one of them another name"),
        (replace(COMP, values=(("atack", 1.0),)), "did you mean 'attack'?"),
        (replace(VERB, values=(("size", 11.0),)), "verb.size is 11, outside 0..10 ms"),
    ],
)
def test_a_preset_that_needs_another_plugin_is_refused_and_the_sound_stays(plugin, said):
    played = Played()
    before = played.controls.state
    for change in (
        lambda preset: played.controls.load(preset, "a preset"),
        lambda preset: played.controls.restyle([preset], "predicted", frozenset()),
        Played,
    ):
        with pytest.raises(PluginError) as caught:
            change(Preset(plugins=[plugin]))
        assert said in str(caught.value)
    assert played.controls.state is before and not played.published


def test_they_go_on_in_another_process_as_they_were():
    first, second = Played(), Played()
    first.controls.restyle([Preset(plugins=[replace(VERB, state=b"mine")])], "two", frozenset())
    first.controls.set("verb.size", 3.0)
    second.controls.resume(pickle.loads(pickle.dumps(first.controls.dump())))
    assert second.controls.state.effective == first.controls.state.effective
    assert second.published[-1].plugins[1].state == b"mine"


class Followed(Lineup):
    """A lineup whose attack follows the chain's, as a plugin does that takes its place."""

    def driven(self, preset: Preset) -> Mapping[str, float]:
        return {"comp-x2.attack": min(10.0, preset["comp.attack_ms"])}


def test_what_follows_the_chain_does_so_until_a_hand_takes_it():
    played = Played(hosted=Followed([COMP, VERB], ROWS, ["comp-x2"]))
    played.controls.set("comp.attack_ms", 7.0)
    assert played["comp-x2.attack"] == played.published[-1]["comp-x2.attack"] == 7.0
    played.controls.set("comp-x2.attack", 1.0)
    played.controls.set("comp.attack_ms", 3.0)
    assert played["comp-x2.attack"] == 1.0
    played.controls.press("revert.comp-x2.attack")
    assert played["comp-x2.attack"] == 3.0


def test_morph_of_complete_presets_is_complete():
    a, b = (LINEUP.complete(load_preset(name)) for name in ("hall", "crunch"))
    assert set(morph(a, b, 0.3, LINEUP.params)) == {*IDS, *THEIRS}
