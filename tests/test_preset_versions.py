"""Presets that earlier versions wrote load with the values that they had."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from realtime.params import DEFAULTS, IDS, PROFILES, table_hash
from realtime.preset import Preset, PresetError, load_preset, save_preset

OLD = Path(__file__).parent / "old_presets"
# Never write these files anew: they are what people have.
WRITTEN = {  # file -> ids that its version did not know, and a few of its values
    "format1": ((), {"input.gain_db": -24.0, "eq4.freq_hz": 279.5661, "comp.ratio": 5.4114}),
    "format1_smaller_table": (
        ("input.gain_db", "dist.tone_hz", "reverb.predelay_ms"),
        {"eq4.freq_hz": 279.5661, "dist.mix": 0.6909, "reverb.wet": 0.7636},
    ),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_a_preset_of_an_earlier_version_has_its_values_and_defaults_for_what_is_new(name):
    unknown, some = WRITTEN[name]
    preset = load_preset(str(OLD / f"{name}.toml"))
    data = tomllib.loads((OLD / f"{name}.toml").read_text(encoding="utf-8"))
    for i in IDS:
        group, key = i.split(".")
        assert preset[i] == (DEFAULTS[i] if i in unknown else data[group][key])
    assert {i: preset[i] for i in some} == some
    assert (preset.name, preset.description) == (data["name"], "every value its own")
    assert preset.profile == "eq-comp" and preset.band_types == PROFILES["full"].band_types


def test_it_is_the_table_not_its_hash_that_decides():
    data = tomllib.loads((OLD / "format1_smaller_table.toml").read_text(encoding="utf-8"))
    assert data["table"] != table_hash()


def test_what_a_person_wrote_is_all_that_is_needed():
    preset = load_preset(str(OLD / "by_hand.toml"))
    assert preset == Preset({"comp.ratio": 4.0, "reverb.wet": 0.25})
    assert preset.profile == "full" and preset.name == ""


@pytest.mark.parametrize("name", [*WRITTEN, "by_hand"])
def test_saved_again_it_is_the_same_sound(name, tmp_path):
    old = load_preset(str(OLD / f"{name}.toml"))
    save_preset(old, tmp_path / "new.toml")
    new = load_preset(str(tmp_path / "new.toml"))
    assert (new, new.name, new.description) == (old, old.name, old.description)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("format = 2\n[comp]\nratio = 4\n", "format 2 is not 1, the one this version reads"),
        ("format = 1\n[reverb]\nshimmer = 0.5\n", "unknown parameter 'reverb.shimmer'"),
        ("format = 1\nprofile = 'full-2'\n", "unknown profile 'full-2'"),
    ],
)
def test_what_only_a_later_version_knows_is_refused_by_name(text, said):
    """Rather than played without what it does not understand."""
    with pytest.raises(PresetError) as caught:
        Preset.from_toml(text)
    assert said in str(caught.value)
