"""Presets: immutable, round-tripping, one-line errors, files that survive a kill."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.params import BY_ID, IDS, NEUTRAL, PROFILES, TABLE, table_hash
from realtime.preset import Preset, PresetError, factory_presets, load_preset, save_preset

# Whatever a person can type; lone surrogates are no text (and no UTF-8).
some_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
some_values = st.fixed_dictionaries(
    {}, optional={p.id: st.floats(p.minimum, p.maximum) for p in TABLE}
)
some_presets = st.builds(
    Preset,
    some_values,
    name=some_text,
    description=some_text,
    profile=st.sampled_from(sorted(PROFILES)),
)


def error_of(call, *args) -> str:
    """The message of the PresetError that `call` must raise: one line, and not too long a one."""
    with pytest.raises(PresetError) as caught:
        call(*args)
    message = str(caught.value)
    assert message and len(message.splitlines()) == 1 and len(message) < 400
    return message


# --- values ----------------------------------------------------------------------------------
def test_unset_values_stand_at_the_profiles():
    for name, profile in PROFILES.items():
        preset = Preset({"comp.ratio": 3.0}, profile=name)
        assert dict(preset) == {**profile.values(), "comp.ratio": 3.0}
        assert tuple(preset) == IDS and len(preset) == len(IDS)
        assert preset.band_types == profile.band_types


def test_neutral_is_the_tables_neutral():
    assert dict(Preset.neutral()) == dict(NEUTRAL)


def test_a_preset_cannot_be_changed():
    preset = Preset()
    with pytest.raises(TypeError):
        preset["comp.ratio"] = 2.0
    with pytest.raises(AttributeError):
        preset.name = "other"
    with pytest.raises(AttributeError):
        preset.other = 1
    values = {"comp.ratio": 2.0}
    made = Preset(values)
    values["comp.ratio"] = 9.0
    assert made["comp.ratio"] == 2.0


@given(some_presets, some_values)
def test_with_values_changes_those_and_nothing_else(preset, values):
    changed = preset.with_values(values)
    assert dict(changed) == {**preset, **values}
    assert (changed.name, changed.description, changed.profile) == (
        preset.name,
        preset.description,
        preset.profile,
    )
    back = changed.with_values(preset, name="other")
    assert back == preset and hash(back) == hash(preset) and back.name == "other"


@pytest.mark.parametrize("param", TABLE, ids=IDS)
def test_values_outside_the_range_are_refused_by_name(param):
    span = param.maximum - param.minimum
    for value in (param.minimum - 0.01 * span, param.maximum + 0.01 * span):
        assert param.id in error_of(Preset, {param.id: value})
    for value in (float("nan"), float("inf"), -float("inf"), 10**400, -(10**400)):
        assert param.id in error_of(Preset, {param.id: value})
    for value in ("1.0", None, True, [1.0], 1j):
        assert param.id in error_of(Preset, {param.id: value})


def test_an_unknown_id_or_profile_is_named_and_the_near_one_offered():
    assert "comp.threshold_db" in error_of(Preset, {"comp.treshold_db": -20.0})
    message = error_of(lambda: Preset(profile="ful"))
    assert "'ful'" in message and all(name in message for name in PROFILES)


# --- TOML ------------------------------------------------------------------------------------
@given(some_presets)
def test_toml_and_back(preset):
    text = preset.to_toml()
    back = Preset.from_toml(text)
    assert back == preset and hash(back) == hash(preset)
    assert (back.name, back.description) == (preset.name, preset.description)
    assert back.to_toml() == text


@pytest.mark.parametrize(
    "name",
    [
        'say "hi"',
        "back\\slash",
        "two\nlines\r\n",
        "\x00\x1f\x7f\x85\u2028",
        "Gitarre 🎸 ω",
        "'''",
        "#",
    ],
)
def test_names_that_toml_must_escape(name):
    preset = Preset(name=name, description=name[::-1])
    back = Preset.from_toml(preset.to_toml())
    assert (back.name, back.description) == (name, name[::-1])


def test_a_name_that_is_no_unicode_text_is_refused():
    """`os.fsdecode` makes such names of files in another encoding."""
    error_of(lambda: Preset(name="\udcff"))
    error_of(lambda: Preset(description="a\ud800b"))


def test_toml_holds_plain_values_with_their_units():
    preset = Preset({"comp.attack_ms": 12.5, "comp.threshold_db": -18.0})
    text = preset.to_toml()
    assert "attack_ms = 12.5  # ms\n" in text and "threshold_db = -18.0  # dBFS\n" in text
    data = tomllib.loads(text)
    assert data["table"] == table_hash()
    for param in TABLE:
        group, key = param.id.split(".")
        assert data[group][key] == preset[param.id]


@settings(max_examples=300)
@given(st.text(max_size=200))
def test_arbitrary_text_is_a_preset_or_a_preset_error(text):
    try:
        Preset.from_toml(text)
    except PresetError as error:
        assert len(str(error).splitlines()) == 1


toml_words = st.sampled_from(
    ["format", "name", "profile", "comp", "ratio", "eq1", "gain_db", "=", "=", "[", "]", "[[",
     "]]", "{", "}", ".", ",", '"', "'", '"""', "\n", "\n", "1", "-2.5", "nan", "inf", "true",
     "1979-05-27", "9" * 30, "0x1", "#", '"full"', '"a\\nb"'],
)  # fmt: skip


@settings(max_examples=500)
@given(st.lists(toml_words, max_size=25).map(" ".join))
def test_almost_toml_is_a_preset_or_a_preset_error(text):
    try:
        Preset.from_toml(text)
    except PresetError as error:
        assert len(str(error).splitlines()) == 1


some_toml_values = st.recursive(
    st.sampled_from(
        ["1", "-1", "1e400", "nan", "true", '"x"', "1979-05-27", "07:32:00", "9" * 400]
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda v: "[" + ", ".join(v) + "]"),
    max_leaves=4,
)
some_keys = st.sampled_from(
    ["format", "name", "description", "profile", "table", "comp", "comp.ratio", "eq1.gain_db",
     "comp.ratio.x", '"comp.ratio"', '"new\\nline"', "dist.nonsense"],
)  # fmt: skip


@settings(max_examples=300)
@given(st.dictionaries(some_keys, some_toml_values, max_size=4))
def test_wrong_types_anywhere_are_a_preset_error(pairs):
    text = "".join(f"{key} = {value}\n" for key, value in pairs.items())
    try:
        Preset.from_toml(text)
    except PresetError as error:
        assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[comp]\nratio = oops\n", "line 2"),
        ("[comp]\nratio = 99\n", "line 2: comp.ratio is 99"),
        ("# my own\n[eq1]\nq = 2\n[comp]\nknee_db = 1\n rattio= 2\n", "line 6: "),
        ("[eq1]\ngain_db = 2\n[eq2]\ngain_db = 99\n", "line 4: eq2.gain_db is 99"),
        ("[compressor]\nratio = 2\n", "compressor.ratio"),
        ("[comp]\nratio = '2'\n", "comp.ratio"),
        ("[comp]\nratio = [2]\n", "comp.ratio"),
        ("[comp.ratio]\nvalue = 2\n", "comp.ratio"),
        ("comp = 3\n", "comp"),
        ("[[comp]]\nratio = 2\n", "comp"),
        ("format = 2\n", "format"),
        ("name = 3\n", "name"),
        ("profile = 'none'\n", "profile"),
        ("[comp]\nratio = 1" + "0" * 400 + "\n", "comp.ratio"),
        ("[comp]\nratio = 1" + "0" * 5_000 + "\n", ""),
        ("x = " + "[" * 20_000, ""),
    ],
)
def test_what_is_wrong_is_said(text, said):
    assert said in error_of(Preset.from_toml, text)


# --- files -----------------------------------------------------------------------------------
@settings(max_examples=25, deadline=None)
@given(preset=some_presets)
def test_save_and_load(preset, tmp_path_factory):
    path = tmp_path_factory.mktemp("presets") / "mine.toml"
    save_preset(preset, path)
    assert load_preset(str(path)) == preset
    assert os.listdir(path.parent) == ["mine.toml"]


def test_load_says_which_file_and_what(tmp_path):
    missing, binary, broken = (tmp_path / name for name in ("no.toml", "b.toml", "c.toml"))
    binary.write_bytes(b"\xff\xfe\x00")
    broken.write_text("[comp]\nratio = 99\n")
    assert str(missing) in error_of(load_preset, str(missing))
    assert str(binary) in error_of(load_preset, str(binary))
    assert str(tmp_path) in error_of(load_preset, str(tmp_path))
    message = error_of(load_preset, str(broken))
    assert str(broken) in message and "comp.ratio" in message
    for odd in ("", "a\0b", "no\nsuch", "x" * 5_000):
        with pytest.raises(PresetError) as caught:
            load_preset(odd)
        assert len(str(caught.value).splitlines()) == 1


def test_factory_presets_are_known_by_name():
    for name in factory_presets():
        assert isinstance(load_preset(name), Preset)
    assert "telephone" in error_of(load_preset, "no-such-preset")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    path = tmp_path / "mine.toml"
    save_preset(Preset(name="old"), path)
    before = path.read_bytes()
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))  # a full disk, in effect
    try:
        assert "mine.toml" in error_of(save_preset, Preset(name="new"), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["mine.toml"]
    assert "nowhere" in error_of(save_preset, Preset(), tmp_path / "nowhere" / "x.toml")
    (tmp_path / "folder.toml").mkdir()
    error_of(save_preset, Preset(), tmp_path / "folder.toml")
    assert sorted(os.listdir(tmp_path)) == ["folder.toml", "mine.toml"]


SAVE_FOREVER = """
import sys
from realtime.preset import Preset, save_preset
presets = [Preset({"comp.ratio": 2.0}, name="a" * 200_000), Preset({"comp.ratio": 3.0}, name="b")]
print("ready", flush=True)
while True:
    for preset in presets:
        save_preset(preset, sys.argv[1])
"""


def test_a_kill_in_the_middle_of_a_save_leaves_a_whole_file(tmp_path):
    path = tmp_path / "mine.toml"
    wholes = {Preset({"comp.ratio": ratio}) for ratio in (2.0, 3.0)}
    save_preset(Preset({"comp.ratio": 2.0}), path)
    for delay in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", SAVE_FOREVER, str(path)], stdout=subprocess.PIPE
        )
        try:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(0.0037 * delay)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        assert load_preset(str(path)) in wholes


def test_every_row_can_be_written_by_its_own_table_section(tmp_path):
    """What a person writes by hand: one section, one value, nothing else."""
    for param in TABLE:
        group, key = param.id.split(".")
        preset = Preset.from_toml(f"[{group}]\n{key} = {param.maximum!r}\n")
        assert preset[param.id] == BY_ID[param.id].maximum
        assert preset == Preset({param.id: param.maximum})
