"""What stands on the screen: all of it where there is room, the most needed where there is not."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from realtime.controls import Controls
from realtime.labels import with_unit
from realtime.meters import Meters
from realtime.midi.status import MidiStatus
from realtime.params import IDS
from realtime.plugins.lineup import Lineup
from realtime.plugins.setting import PluginSetting
from realtime.plugins.status import PluginStatus
from realtime.preset import Preset, factory_presets, load_preset
from realtime.screen.levels import CLIP_SECONDS, HOLD_SECONDS, Level
from realtime.screen.look import ASCII, UNICODE
from realtime.screen.scene import Scene
from realtime.screen.view import view
from realtime.targets import VALUES
from tests.conftest import ROOT
from tests.plugins.settings import row
from tests.test_controls_plugins import COMP, ROWS, VERB

METERS = Meters((-20.0, -30.0), (-6.0, -7.0), 3.2, "styled", 123.0, 5.3, 48_000, 0, 0, 0, 0.12)
LEVELS = (Level().after(-20.0, 0.0), Level().after(-30.0, 0.0))
SIZES = [(80, 24), (120, 40)]


def scene(**changes: object) -> Scene:
    controls = Controls(load_preset("hall"), lambda preset, fade_ms: None, origin="preset 'hall'")
    plain = Scene(controls.state, UNICODE, next(iter(VALUES)), METERS, LEVELS, LEVELS)
    return replace(plain, **changes)


def text_of(shown: Scene, width: int = 80, height: int = 24) -> str:
    frame = view(shown, width, height)
    return "\n".join("".join(segment.text for segment in line) for line in frame.lines)


def line_with(text: str, shown: str) -> str:
    return next(line for line in shown.splitlines() if text in line)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", factory_presets())
def test_every_parameter_is_there_with_its_value_and_unit(
    name: str, width: int, height: int
) -> None:
    controls = Controls(load_preset(name), lambda preset, fade_ms: None)
    shown = text_of(scene(state=controls.state, set_list="1/2  hall"), width, height)
    for target, param in VALUES.items():
        assert with_unit(param, controls.state.value(target)) in shown, target
    for stage in ("input", "eq 1", "eq 6", "comp", "dist", "reverb", "output", "amount", "morph"):
        assert stage in shown
    assert "SPACE PANIC" in shown and "q quit" in shown


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_marks_tell_who_set_a_value_and_where_its_knob_stands(width: int, height: int) -> None:
    controls = Controls(load_preset("hall"), lambda preset, fade_ms: None)
    controls.restyle([load_preset("hall")], "predicted", frozenset({"comp.knee_db", "comp.ratio"}))
    controls.set("comp.ratio", 4.0)
    waiting = {"comp.threshold_db": 0.9}
    given = scene(
        state=controls.state,
        chosen="comp.threshold_db",
        midi=MidiStatus(ports=("KNOBS",), waiting=waiting),
    )
    shown = text_of(given, width, height)
    assert "6.0 dB*" in shown and "4:1◆" in shown and "-24.0 dBFS↓" in shown
    assert "its knob stands at -6.0 dBFS: turn it down" in shown
    assert line_with(" comp.threshold_db ", shown).index("●") < line_with(
        " comp.threshold_db ", shown
    ).index("◇")
    over = text_of(replace(given, chosen="comp.ratio"), width, height)
    assert "4:1  by hand, predicted 1:1" in over


def test_bypass_and_panic_are_said_in_words_and_reversed() -> None:
    controls = Controls(load_preset("hall"), lambda preset, fade_ms: None)
    for action, word in (("bypass", "BYPASS"), ("panic", "PANIC")):
        controls.press(action)
        for helping in (False, True):
            first = view(scene(state=controls.state, helping=helping), 80, 24).lines[0]
            assert first[0].text.strip().startswith(word)
            assert all(segment.style and segment.style.reverse for segment in first)


def test_dropouts_are_shown_only_when_there_are_any() -> None:
    assert "DROPOUTS" not in text_of(scene())
    some = replace(METERS, late_blocks=3, underflows=2, overflows=2)
    assert " DROPOUTS 3 late, 2 gaps " in text_of(scene(meters=some))


def test_levels_clip_hold_and_fall() -> None:
    level = Level().after(0.0, 1.0).after(-60.0, 1.1)
    assert level.clipped and level.hold_dbfs == 0.0 and -4.0 < level.bar_dbfs < -1.0
    shown = text_of(scene(ins=(level,), outs=(level,)))
    assert "CLIP" in line_with(" in ", shown) and "LIMIT" in line_with(" out ", shown)
    later = level.after(-60.0, 1.0 + HOLD_SECONDS)
    assert later.hold_dbfs < -30.0 and later.clipped
    assert not later.after(-60.0, 1.0 + CLIP_SECONDS).clipped
    again = later.after(-50.0, 0.0)  # audio started anew, and its clock with it
    assert not again.clipped and again.hold_dbfs == again.bar_dbfs == -50.0
    silent = text_of(scene(ins=(Level(),), outs=(Level(),)))
    assert "-∞" in line_with(" in ", silent)


def test_midi_that_is_gone_or_learning_is_seen_even_on_a_small_screen() -> None:
    gone = scene(midi=MidiStatus(missing=("KNOBS",)))
    learns = scene(midi=MidiStatus(ports=("KNOBS",), learning="comp.ratio"))
    for size in ((80, 24), (60, 10)):
        assert "MISSING KNOBS" in text_of(gone, *size)
        assert "LEARN   move a knob for comp.ratio" in text_of(learns, *size)


def test_a_small_screen_keeps_what_matters_and_follows_the_choice() -> None:
    for chosen in VALUES:
        shown = text_of(scene(chosen=chosen), 60, 10)
        assert "styled" in shown and "in L" in shown and "SPACE PANIC" in shown
        value = with_unit(VALUES[chosen], scene().state.value(chosen))
        assert value in line_with("▸", shown)


@pytest.mark.parametrize("height", range(9, 30))
def test_levels_choice_and_keys_are_there_at_any_height(height: int) -> None:
    shown = text_of(scene(set_list="1/2  hall", log=("said",)), 80, height)
    assert len(shown.splitlines()) == height
    assert "in L" in shown and "out R" in shown and "SPACE PANIC" in shown and "q quit" in shown
    assert "gain" in shown and "+0.0 dB" in shown


ANY_TEXT = st.text(max_size=60)
DB = st.floats() | st.floats(-70.0, 6.0)
UNIT = st.floats(0.0, 1.0)


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    controls = Controls(load_preset("hall"), lambda preset, fade_ms: None, origin=draw(ANY_TEXT))
    for target in draw(st.lists(st.sampled_from(list(VALUES)), max_size=5)):
        controls.set_unit(target, draw(UNIT))
    for action in draw(st.lists(st.sampled_from(("bypass", "panic", "revert")), max_size=2)):
        controls.press(action)
    channels = st.integers(0, 3).flatmap(lambda n: st.tuples(*[DB] * n))
    counts = [draw(st.integers(0, 10**9)) for _ in range(3)]
    meters = Meters(
        draw(channels), draw(channels), draw(DB), draw(ANY_TEXT), draw(st.floats(-1.0, 1e9)),
        draw(DB), 48_000, *counts, draw(UNIT),
    )  # fmt: skip
    names = st.lists(ANY_TEXT, max_size=3).map(tuple)
    midi = MidiStatus(
        draw(names), draw(names), draw(st.integers(0, 10**9)), 0, draw(ANY_TEXT),
        draw(st.dictionaries(st.sampled_from(list(VALUES)), UNIT, max_size=4)),
        draw(st.sampled_from(("", *VALUES))),
    )  # fmt: skip
    return Scene(
        state=controls.state,
        glyphs=draw(st.sampled_from((UNICODE, ASCII))),
        chosen=draw(st.sampled_from(list(VALUES))),
        meters=draw(st.sampled_from((meters, None))),
        ins=tuple(Level().after(db, 1.0) for db in meters.in_dbfs),
        outs=tuple(Level().after(db, 1.0) for db in meters.out_dbfs),
        midi=midi,
        lit=draw(st.booleans()),
        set_list=draw(ANY_TEXT),
        log=tuple(draw(st.lists(ANY_TEXT, max_size=5))),
        helping=draw(st.booleans()),
        question=draw(ANY_TEXT),
        has_keys=draw(st.booleans()),
    )


@settings(deadline=None)
@given(scenes(), st.integers(1, 200), st.integers(1, 80))
def test_any_state_fits_any_size(shown: Scene, width: int, height: int) -> None:
    frame = view(shown, width, height)
    assert len(frame.lines) == height
    for line in frame.lines:
        text = "".join(segment.text for segment in line)
        assert cell_len(text) == width
        assert text.isprintable()
    alarm = shown.state.panicked and width > 6
    assert not alarm or "PANIC" in "".join(s.text for line in frame.lines[:3] for s in line)


def test_nothing_of_a_name_can_steer_the_terminal() -> None:
    evil = "KNOBS\x1b[2J\x9b2J\r\n\u202e"
    shown = text_of(scene(midi=MidiStatus(ports=(evil,), last=evil), set_list=evil, log=(evil,)))
    assert not set(shown) & {"\x1b", "\x9b", "\r", "\u202e"}


def test_values_that_are_not_numbers_do_not_stop_the_screen() -> None:
    nan = replace(METERS, gain_reduction_db=math.nan, latency_ms=math.nan, dsp_load=math.inf)
    assert "GR" in text_of(scene(meters=nan, ins=(Level().after(math.nan, 1.0),)))


def test_readme_shows_it_as_it_is() -> None:
    style = load_preset("vocal-plate")
    controls = Controls(style, lambda preset, fade_ms: None)
    predicted = frozenset(i for i in IDS if i.startswith(("eq", "comp")))
    controls.restyle([style], "predicted from 'style.wav'", predicted)
    controls.set("eq3.gain_db", 3.0)
    controls.set("comp.threshold_db", -31.0)
    shown = scene(
        state=controls.state,
        chosen="comp.threshold_db",
        set_list="2/5  telephone | [vocal-plate] | hall",
        midi=MidiStatus(
            ports=("nanoKONTROL2",),
            last="CC 14 -> comp.threshold_db",
            waiting={"comp.threshold_db": 0.8},
        ),
        log=("the style is on, predicted from 'style.wav'",),
    )
    picture = "\n".join(line.rstrip() for line in text_of(shown).splitlines())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"<!-- screen -->\n\n```text\n{picture}\n```" in readme, picture


# --- plugins -----------------------------------------------------------------------------------
MANY = PluginSetting("many", "/x/Many.vst3", values=tuple((f"knob_{n}", 2.0) for n in range(90)))
HOSTED = Lineup([COMP, VERB, MANY], [*ROWS, *(row(f"many.knob_{n}") for n in range(90))])


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_plugins_parameters_are_shown_where_one_of_them_is_chosen(
    width: int, height: int
) -> None:
    controls = Controls(Preset(plugins=[COMP]), lambda preset, fade_ms: None, hosted=HOSTED)
    controls.set("comp-x2.attack", 7.5)
    shown = text_of(
        scene(state=controls.state, targets=controls.targets, chosen="comp-x2.mode"), width, height
    )
    assert "7.5 ms◆" in line_with("attack", shown) and "fast" in line_with("mode", shown)
    assert "mix" in shown and " comp-x2.mode " in shown and "mode of a plugin" in shown
    assert "threshold" not in shown and "size" not in shown


@pytest.mark.parametrize(("width", "height"), [*SIZES, (40, 24), (80, 12)])
def test_of_many_parameters_the_chosen_one_is_always_in_view(width: int, height: int) -> None:
    controls = Controls(Preset(), lambda preset, fade_ms: None, hosted=HOSTED)
    for target in controls.targets.values:
        given = scene(state=controls.state, targets=controls.targets, chosen=target)
        listed = text_of(given, width, height).split(f" {target} ")[0]
        word = target.partition(".")[2].replace("_", " ")
        assert target in VALUES or word in listed, target


def test_plugins_are_named_with_what_is_wrong_and_what_they_add() -> None:
    plugins = (
        PluginStatus("comp-x2", latency_frames=240),
        PluginStatus("verb", "restarting", dry_blocks=12, latency_frames=240),
    )
    shown = text_of(scene(meters=replace(METERS, plugins=plugins)))
    assert "comp-x2  verb  RESTARTING  12 dry" in line_with(" plugin ", shown)
    assert "latency 5.3 + 10.0 ms" in shown
    assert " plugin " not in text_of(scene())
