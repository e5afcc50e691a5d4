"""What --insert and --plugin-param mean, and which plugins the presets of a session need."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.plugins.requested import parse_insert, parse_value, plain_value, request, values_of
from realtime.plugins.setting import DEFAULT_SLOT, POINTS, SLOTS, PluginError, PluginSetting
from realtime.preset import Preset
from tests.plugins.settings import row
from tests.plugins.zam import zam
from tests.test_controls_plugins import LINEUP

some_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
paths = st.text(st.sampled_from("aB2.@/-_ é"), min_size=1).filter(lambda p: p.strip("@"))


def error_of(call, *args) -> str:
    with pytest.raises(PluginError) as caught:
        call(*args)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


# --- --insert --------------------------------------------------------------------------------
@given(paths, st.sampled_from(sorted(SLOTS)))
def test_a_path_with_its_slot(path, slot):
    assert parse_insert(f"{path}@{slot}") == (path, SLOTS[slot])


@given(paths)
def test_a_path_alone_goes_before_the_reverb_whatever_at_signs_it_has(path):
    assert parse_insert(f"/plugins/{path}.vst3") == (f"/plugins/{path}.vst3", DEFAULT_SLOT)
    assert DEFAULT_SLOT == "before-reverb"


@given(some_text)
def test_any_text_is_a_plugin_and_a_place_or_one_line(text):
    try:
        path, point = parse_insert(text)
        assert path and point in POINTS
    except PluginError as error:
        assert "@" in text or not text
        assert str(error)


def test_an_unknown_slot_is_told_of_the_near_one():
    assert "did you mean 'after-comp'" in error_of(parse_insert, "ZamCompX2@after-com")
    assert "before-eq" in error_of(parse_insert, "ZamCompX2@")
    error_of(parse_insert, "@before-eq")
    error_of(parse_insert, "")


# --- --plugin-param --------------------------------------------------------------------------
@given(
    st.from_regex(r"[a-z0-9-]{1,9}\.[a-z0-9_]{1,9}", fullmatch=True),
    some_text.filter(lambda t: t.strip()),
)
def test_a_value_is_everything_behind_the_first_sign(target, value):
    assert parse_value(f"{target}={value}") == (target, value.strip())
    assert parse_value(f" {target.upper()} = {value}") == (target, value.strip())


@given(some_text)
def test_any_text_is_a_value_of_something_or_one_line(text):
    try:
        target, value = parse_value(text)
        assert "." in target and value
    except PluginError:
        pass


ATTACK, MODE = row("x.attack"), row("x.mode", texts=("Off", "Fast", "2"))


@given(st.floats(0.0, 10.0))
def test_a_plain_value_with_or_without_its_unit(value):
    for text in (repr(value), f"{value!r} ms", f"{value!r}MS"):
        assert plain_value(ATTACK, text) == value


def test_a_step_by_its_name_or_its_number():
    found = [plain_value(MODE, t) for t in ("off", "FAST", "2", "0", "1", "1.0")]
    assert found == [0.0, 1.0, 2.0, 0.0, 1.0, 1.0]


@given(some_text)
def test_any_text_is_a_value_in_range_or_one_line(text):
    for param in (ATTACK, MODE):
        try:
            assert param.contains(plain_value(param, text))
        except PluginError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "comp-x2.atack=1",
            "--plugin-param comp-x2.atack=1: comp-x2 has no",
        ),
        ("comp-x2.attack=11", "comp-x2.attack is 11, outside 0..10 ms"),
        ("comp-x2.attack=nan", "comp-x2.attack is nan, outside"),
        ("comp-x2.attack=slow", "'slow' is not a number"),
        ("comp-x2.mode=medium", "its steps are fast, slow"),
        ("comp-x2.mode=0.5", "between two steps"),
        ("comp-x2.mix=2", "comp-x2.mix is 2, outside 0..1"),
    ],
)
def test_what_no_plugin_can_do_is_said(text, said):
    assert said in error_of(values_of, [text], LINEUP.params)


def test_values_of_several_plugins():
    texts = ["comp-x2.attack=5", "comp-x2.mode=slow", "verb.mix=0.5"]
    found = values_of(texts, LINEUP.params)
    assert found == {"comp-x2.attack": 5.0, "comp-x2.mode": 1.0, "verb.mix": 0.5}


# --- a session's plugins -----------------------------------------------------------------------
def quiet(line: str) -> None:
    raise AssertionError(line)


def test_inserted_plugins_have_names_of_their_own_in_the_order_of_the_signal():
    path = zam("ZamCompX2")
    found = request([f"{path}@after-eq", path, f"{path}@before-eq"], [], [], quiet)
    assert [(p.name, p.point) for p in found.settings] == [
        ("zamcompx2-3", "before-eq"),
        ("zamcompx2", "before-comp"),
        ("zamcompx2-2", "before-reverb"),
    ]
    assert found.inserted == {"zamcompx2", "zamcompx2-2", "zamcompx2-3"}
    assert all(p.path == path and p.identifier and p.version for p in found.settings)


def test_plugins_of_presets_are_loaded_once_and_checked_against_what_is_installed():
    path, said = zam("ZamCompX2"), []
    own = PluginSetting("zamcompx2", path, values=(("threshold", -20.0),), state=b"x")
    later = replace(own, mix=0.5, version="0.1")
    presets = [("a", Preset(plugins=[own])), ("b", Preset(plugins=[later])), ("c", Preset())]
    found = request([path], [], presets, said.append)
    assert [p.name for p in found.settings] == ["zamcompx2", "zamcompx2-2"]
    assert found.inserted == {"zamcompx2-2"}
    assert found.settings[0].values == () and found.settings[0].state == b"x"
    found = request([], [], presets[1:], said.append)
    (line,) = said
    assert "preset 'b'" in line and "and was 0.1" in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"path": "/nowhere/Lost.vst3"}, "the plugin 'zamcompx2' is not there: '/nowhere/Lost"),
        ({"identifier": "VST3-other"}, "is another plugin than 'zamcompx2' was"),
    ],
)
def test_a_preset_whose_plugin_is_not_there_is_refused_by_name(changes, said):
    lost = PluginSetting(**{"name": "zamcompx2", "path": zam("ZamCompX2"), **changes})
    message = error_of(request, [], [], [("mine", Preset(plugins=[lost]))], quiet)
    assert said in message and "'mine'" in message


def test_presets_that_mean_different_plugins_by_one_name_are_refused():
    own = PluginSetting("zamcompx2", zam("ZamCompX2"))
    elsewhere = replace(own, point="before-eq")
    presets = [(name, Preset(plugins=[p])) for name, p in (("a", own), ("b", elsewhere))]
    assert "preset 'b': 'zamcompx2'" in error_of(request, [], [], presets, quiet)


def test_a_value_for_a_plugin_that_is_not_there_is_told_of_the_near_one():
    call = [zam("ZamCompX2")], ["zamcomp2.threshold=1"], [], quiet
    assert "did you mean 'zamcompx2'?" in error_of(request, *call)
    assert "(there is none)" in error_of(request, [], ["a.b=1"], [], quiet)
