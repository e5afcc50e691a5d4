"""Presets that carry plugins: values by their ids, TOML and back, amount and morph."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.interpolate import AMOUNT_MAX, morph, with_amount
from realtime.params import IDS, TABLE
from realtime.plugins.setting import PluginError, PluginSetting, handle
from realtime.preset import Preset, PresetError, load_preset, save_preset
from tests.plugins.settings import KEYS, row, settings_of, some_names, some_plugins, some_text

COMP = PluginSetting(
    "zamcompx2", "/usr/lib/vst3/ZamCompX2.vst3", values=(("threshold", -20.0),), state=b"\0\xff"
)
VERB = PluginSetting("verb", "/home/me/Verb.vst3", "after-reverb", mix=0.5)

some_values = st.fixed_dictionaries(
    {}, optional={p.id: st.floats(p.minimum, p.maximum) for p in TABLE}
)
hosting = st.builds(Preset, some_values, plugins=some_plugins, name=some_text)


# --- values ----------------------------------------------------------------------------------
def test_a_plugins_values_stand_beside_the_tables():
    preset = Preset({"comp.ratio": 3.0, "verb.mix": 0.25}, plugins=[COMP, VERB])
    assert preset["zamcompx2.threshold"] == -20.0
    assert (preset["zamcompx2.mix"], preset["verb.mix"]) == (1.0, 0.25)
    assert tuple(preset) == (*IDS, "zamcompx2.mix", "zamcompx2.threshold", "verb.mix")
    assert len(preset) == len(tuple(preset)) and "verb.size" not in preset
    assert [plugin.mix for plugin in preset.plugins] == [1.0, 0.25]


@given(hosting, st.data())
def test_what_is_set_is_there_and_all_else_stays(preset, data):
    ids = st.sampled_from(list(preset))
    values = {i: preset[i] * data.draw(st.floats(0.0, 1.0)) for i in data.draw(st.lists(ids))}
    values = {i: v for i, v in values.items() if i not in IDS}
    changed = preset.with_values(values)
    assert dict(changed) == {**preset, **values}
    assert [p.identity for p in changed.plugins] == [p.identity for p in preset.plugins]
    back = changed.with_values(preset)
    assert back == preset and hash(back) == hash(preset)


def test_another_state_or_place_is_another_preset():
    preset = Preset(plugins=[COMP])
    assert preset != Preset() and preset.with_plugins([]) == Preset()
    for other in (
        PluginSetting(COMP.name, COMP.path, values=COMP.values, state=b"other"),
        PluginSetting(COMP.name, COMP.path, "before-eq", values=COMP.values, state=COMP.state),
        VERB,
    ):
        assert Preset(plugins=[other]) != preset


@given(hosting)
def test_dry_is_neutral_with_its_plugins_in_place(preset):
    dry = preset.dry()
    assert dry.with_plugins([]) == Preset.neutral()
    assert [p.identity for p in dry.plugins] == [p.identity for p in preset.plugins]
    assert all(plugin.mix == 0.0 for plugin in dry.plugins)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Preset(plugins=[COMP, COMP]), "names of their own"),
        (lambda: Preset({"zamcompx2.mix": 1.5}, plugins=[COMP]), "zamcompx2.mix is 1.5, outside"),
        (lambda: Preset({"zamcompx2.ratio": float("nan")}, plugins=[COMP]), "zamcompx2.ratio is"),
        (lambda: Preset({"zamcompx2.ratio": 10**400}, plugins=[COMP]), "zamcompx2.ratio is huge"),
        (lambda: Preset({"zamcompx2.ratio": "3"}, plugins=[COMP]), "zamcompx2.ratio is '3'"),
        (lambda: Preset({"zamcompx2.a b": 1.0}, plugins=[COMP]), "has no parameter 'a b'"),
        (lambda: Preset({"zamcompx2.ratio": 1.0}), "unknown parameter 'zamcompx2.ratio'"),
    ],
)
def test_what_cannot_be_set_is_refused_by_name(make, said):
    with pytest.raises(PresetError) as caught:
        make()
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["", "Comp", "a.b", "a b", "comp", "eq1", "revert", "unit", "é"])
def test_a_name_that_means_something_else_is_refused(name):
    with pytest.raises(PluginError):
        PluginSetting(name, "x.vst3")


@given(st.lists(some_text, max_size=6))
def test_plugins_of_any_name_get_handles_of_their_own(names):
    handles: list[str] = []
    for name in names:
        handles.append(handle(name, handles))
        PluginSetting(handles[-1], "x.vst3")
    assert len(set(handles)) == len(names)


def test_a_handle_is_the_plugins_name_and_a_number_where_there_are_two():
    assert handle("ZamCompX2", []) == "zamcompx2"
    assert handle("ZamCompX2", ["zamcompx2"]) == "zamcompx2-2"
    assert handle("Vintage Reverb (mono)", []) == "vintage-reverb-mono"
    assert handle("Reverb", []) == "reverb-2"  # the built-in one is there already


# --- TOML ------------------------------------------------------------------------------------
@given(hosting)
def test_toml_and_back(preset):
    text = preset.to_toml()
    back = Preset.from_toml(text)
    assert back == preset and hash(back) == hash(preset) and back.name == preset.name
    assert back.to_toml() == text


def test_a_file_holds_what_a_person_reads(tmp_path):
    save_preset(Preset(plugins=[COMP, VERB]), tmp_path / "mine.toml")
    text = (tmp_path / "mine.toml").read_text()
    for line in ('path = "/usr/lib/vst3/ZamCompX2.vst3"', "threshold = -20.0", "mix = 0.5"):
        assert f"\n{line}\n" in text
    assert load_preset(str(tmp_path / "mine.toml")) == Preset(plugins=[COMP, VERB])


def test_without_plugins_a_preset_is_written_as_before():
    assert "plugin" not in Preset().to_toml()
    assert Preset(plugins=[COMP]).to_toml().startswith(Preset().to_toml())


def test_a_person_needs_to_write_a_name_and_a_path():
    preset = Preset.from_toml('[[plugin]]\nname = "a"\npath = "b.vst3"\nslot = "after-comp"\n')
    assert preset.plugins == (PluginSetting("a", "b.vst3", "before-dist"),)


HEAD = '[comp]\nratio = 2\n\n[[plugin]]\nname = "a"\npath = "b"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('plugin = 3\n', "plugin is not a list"),
        ('[plugin]\nname = "a"\n', "plugin is not a list"),
        ('plugin = [3]\n', "plugin is not a list of tables"),
        ('[[plugin]]\npath = "b"\n', "line 1: a plugin needs its name"),
        ('[[plugin]]\nname = "a"\n', "line 1: a plugin needs its path"),
        ('[[plugin]]\npath = "b"\nname = "comp"\n', "line 3: a plugin cannot be called 'comp'"),
        ('[[plugin]]\npath = "b"\nname = 3\n', "line 3: name of a plugin is not text"),
        (HEAD + "knob = 1\n", "line 7: unknown key 'knob'"),
        (HEAD + "slot = 'middle'\n", "line 7: a: the slot is none of before-eq"),
        (HEAD + "slot = []\n", "line 7: a: the slot is none of"),
        (HEAD + "replaces = 'chorus'\n", "line 7: a replaces 'chorus', which is none of eq, comp"),
        (HEAD + "mix = 2\n", "line 7: a.mix is 2, outside 0..1"),
        (HEAD + "mix = true\n", "line 7: a.mix is True, not a number"),
        (HEAD + "state = 'ä'\n", "line 7: a: its state is no base64"),
        (HEAD + "state = 3\n", "line 7: a: its state is no base64"),
        (HEAD + "values = 3\n", "line 7: a: values is no table"),
        (HEAD + "[plugin.values]\nx = 1\ny = nan\n", "line 9: a.y is nan"),
        (HEAD + "[plugin.values]\nx = 1" + "0" * 400, "line 8: a.x is huge"),
        (HEAD + "[plugin.values]\n'X y' = 1\n", "a has no parameter 'X y'"),
        (HEAD + "[plugin.values]\nmix = 1\n", "a.mix"),
        (HEAD + HEAD[18:], "line 8: two plugins are called 'a'"),
        (HEAD + '[[plugin]]\nname = "c"\npath = "b"\nmix = -1\n', "line 10: c.mix is -1"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(text, said):
    with pytest.raises(PresetError) as caught:
        Preset.from_toml(text)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


toml_words = st.sampled_from(
    ["[[plugin]]", "[plugin]", "[plugin.values]", "name", "path", "slot", "mix", "state", "values",
     "x", "=", "=", "=", "\n", "\n", "1", "nan", "true", '"a"', '"b"', "'before-eq'", "[", "]"],
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(toml_words, max_size=25).map(" ".join))
def test_almost_a_plugin_is_a_preset_or_a_preset_error(text):
    try:
        Preset.from_toml(text)
    except PresetError as error:
        assert len(str(error).splitlines()) == 1


# --- amount and morph --------------------------------------------------------------------------
@given(hosting, st.floats(0.0, AMOUNT_MAX))
def test_an_amount_scales_how_much_of_a_plugin_is_heard_and_nothing_else_of_it(preset, amount):
    made = with_amount(preset, amount)
    for before, after in zip(preset.plugins, made.plugins, strict=True):
        assert after.mix == pytest.approx(min(1.0, amount * before.mix))
        assert (after.values, after.state) == (before.values, before.state)


ROWS = {f"x.{key}": row(f"x.{key}", texts=("a", "b", "c") if key == "mode" else ()) for key in KEYS}
ends = st.tuples(*(st.floats(0.0, 1.0) for _ in KEYS))


@given(ends, ends, st.floats(0.001, 0.999))
def test_a_morph_moves_each_parameter_along_its_knob(start, end, position):
    def at(units: tuple[float, ...]) -> Preset:
        values = {
            f"x.{key}": ROWS[f"x.{key}"].from_unit(u) for key, u in zip(KEYS, units, strict=True)
        }
        return Preset(values, plugins=[PluginSetting("x", "x.vst3")])

    a, b = at(start), at(end)
    between = morph(a, b, position, ROWS)
    for target, param in ROWS.items():
        low, high = sorted((param.to_unit(a[target]), param.to_unit(b[target])))
        assert low - 1e-9 <= param.to_unit(between[target]) <= high + 1e-9
        if not param.texts:
            way = param.to_unit(a[target]) + position * (
                param.to_unit(b[target]) - param.to_unit(a[target])
            )
            assert param.to_unit(between[target]) == pytest.approx(way, abs=1e-6)
        else:
            assert between[target] == round(between[target])


def test_a_state_changes_halfway_and_a_plugin_of_one_side_fades():
    a = Preset(plugins=[PluginSetting("x", "x.vst3", state=b"a"), VERB])
    b = Preset(plugins=[PluginSetting("x", "x.vst3", state=b"b")])
    for position, state in ((0.25, b"a"), (0.75, b"b")):
        between = morph(a, b, position)
        assert between.plugins[0].state == state
        assert between["verb.mix"] == pytest.approx(0.5 * (1.0 - position))
        assert morph(b, a, 1.0 - position)["verb.mix"] == pytest.approx(0.5 * (1.0 - position))


def test_there_is_no_morph_between_different_plugins_of_one_name():
    for position in (0.0, 0.5):
        with pytest.raises(PresetError, match="'x' is another plugin, or elsewhere"):
            morph(
                Preset(plugins=[PluginSetting("x", "x.vst3")]),
                Preset(plugins=[PluginSetting("x", "y.vst3")]),
                position,
            )


@given(st.lists(settings_of(some_names, st.sampled_from(KEYS)), max_size=2), st.floats(0.0, 1.0))
def test_a_morph_from_a_preset_to_itself_is_that_preset(plugins, position):
    preset = Preset(plugins={p.name: p for p in plugins}.values())
    assert morph(preset, preset, position) == preset
