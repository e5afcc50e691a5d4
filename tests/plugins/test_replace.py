"""A plugin in an effect's place: real plugins beside our own effect, at the same settings."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import plugin_maps as rig
from realtime.bridge import Bridge
from realtime.callback import run_block
from realtime.params import BY_ID, IDS
from realtime.plugins.map_files import find_map, read_map
from realtime.plugins.replace import Replacement
from realtime.plugins.setting import PLACES, PluginError, PluginParam, PluginSetting
from realtime.preset import Preset, load_preset
from realtime.transfer import render
from tests.plugins.zam import zam

NEUTRAL = Preset.neutral()
OCTAVES = np.geomspace(30.0, 16_000.0, 200)


@lru_cache
def hosted(plugin: str, effect: str) -> rig.Hosted:
    return rig.Hosted(zam(plugin), find_map(plugin, effect))


def row(key: str, minimum: float, maximum: float) -> PluginParam:
    return PluginParam(
        f"p.{key}", "dB", minimum, maximum, minimum, minimum, "linear", 20.0, -1, key,
        plains=(minimum, maximum),
    )  # fmt: skip


@pytest.mark.parametrize("plugin", ["ZamComp", "ZamCompX2"])
@pytest.mark.parametrize(
    ("threshold", "ratio", "knee"), [(-45.0, 1.5, 0.0), (-30.0, 4.0, 6.0), (-12.0, 20.0, 12.0)]
)
def test_a_compressor_turns_down_as_ours(
    plugin: str, threshold: float, ratio: float, knee: float
) -> None:
    preset = NEUTRAL.with_values(
        {
            "comp.threshold_db": threshold, "comp.ratio": ratio, "comp.knee_db": knee,
            "comp.attack_ms": 1.0, "comp.release_ms": 50.0, "comp.makeup_gain_db": 4.0,
        }
    )  # fmt: skip
    theirs = rig.static_gain_db(hosted(plugin, "comp").at(preset))
    mine = rig.static_gain_db(rig.ours(preset))
    # These plugins' own knee boosts: theirs is hard, and what a soft one adds is an eighth of it.
    assert np.abs(theirs - mine).max() < (1.0 - 1.0 / ratio) * knee / 8.0 + 0.05


@pytest.mark.parametrize(("attack", "release"), [(0.2, 30.0), (10.0, 200.0), (80.0, 10.0)])
def test_a_compressor_is_as_fast_as_ours(attack: float, release: float) -> None:
    preset = NEUTRAL.with_values(
        {
            "comp.threshold_db": -30.0, "comp.ratio": 4.0,
            "comp.attack_ms": attack, "comp.release_ms": release,
        }
    )  # fmt: skip
    times = rig.step_ms(hosted("ZamCompX2", "comp").at(preset), -50.0, -6.0)
    assert times == pytest.approx((attack, release), rel=0.05)


def test_a_stereo_compressor_turns_both_sides_down_as_ours() -> None:
    preset = NEUTRAL.with_values({"comp.threshold_db": -30.0, "comp.ratio": 4.0})
    loud_left = rig.square(-6.0, 0.5) * np.array([[1.0], [0.1]], np.float32)
    theirs, mine = hosted("ZamCompX2", "comp").at(preset)(loud_left), rig.ours(preset)(loud_left)
    np.testing.assert_allclose(theirs[:, -4800:], mine[:, -4800:], rtol=0.01)


@pytest.mark.parametrize("plugin", ["ZamEQ2", "ZamGEQ31"])
@pytest.mark.parametrize("name", ["podcast-warm", "bright-and-tight", "de-mud"])
def test_an_equaliser_comes_near_our_curve(plugin: str, name: str) -> None:
    loaded = load_preset(name)
    preset = NEUTRAL.with_values({i: loaded[i] for i in IDS if i.startswith("eq")})
    mine = rig.response_db(rig.ours(preset), OCTAVES)
    theirs = rig.response_db(hosted(plugin, "eq").at(preset), OCTAVES)
    assert np.sqrt(np.mean(mine**2)) > 2.5
    assert np.sqrt(np.mean((theirs - mine) ** 2)) < 0.4
    assert np.abs(theirs - mine).max() < 1.0


def test_an_equaliser_comes_near_our_curve_up_high_too() -> None:
    treble = NEUTRAL.with_values(
        {"eq5.gain_db": -6.0, "eq5.freq_hz": 9_000.0, "eq6.gain_db": -12.0, "eq6.freq_hz": 8_000.0}
    )
    mine = rig.response_db(rig.ours(treble), OCTAVES)
    theirs = rig.response_db(hosted("ZamEQ2", "eq").at(treble), OCTAVES)
    assert np.abs(theirs - mine).max() < 1.0


def test_sliders_that_go_too_little_far_are_helped_by_the_master() -> None:
    lifted = NEUTRAL.with_values(
        {"eq1.gain_db": 18.0, "eq1.freq_hz": 20_000.0, "eq2.gain_db": -8.0, "eq2.freq_hz": 500.0}
    )
    theirs = rig.response_db(hosted("ZamGEQ31", "eq").at(lifted), OCTAVES[20:150])
    mine = rig.response_db(rig.ours(lifted), OCTAVES[20:150])
    assert mine.max() > 16.0
    assert np.abs(theirs - mine).max() < 1.5


@pytest.mark.parametrize("room_size", [0.4, 0.5, 0.6])
def test_a_reverb_rings_as_long_as_ours(room_size: float) -> None:
    preset = NEUTRAL.with_values(
        {"reverb.room_size": room_size, "reverb.wet": 0.7, "reverb.dry": 0.0}
    )
    theirs, mine = hosted("ZamVerb", "reverb").at(preset), rig.ours(preset)
    assert 1 / 1.25 < rig.t60_s(theirs) / rig.t60_s(mine) < 1.25
    assert rig.noise_gain_db(theirs) == pytest.approx(rig.noise_gain_db(mine), abs=2.5)


@pytest.mark.parametrize(("wet", "dry"), [(0.0, 1.0), (0.3, 0.9), (0.8, 0.4)])
def test_a_reverbs_dry_sound_is_as_loud_as_ours(wet: float, dry: float) -> None:
    preset = NEUTRAL.with_values({"reverb.room_size": 0.5, "reverb.wet": wet, "reverb.dry": dry})
    click = np.zeros((1, 512), np.float32)
    click[0, 0] = 0.5
    theirs = hosted("ZamVerb", "reverb").at(preset)(click)[0, 0]
    assert theirs == pytest.approx(0.5 * dry, rel=0.02)


@pytest.mark.parametrize("drive", [3.0, 9.0, 17.0])
def test_a_distortion_is_as_rough_and_as_loud_as_ours(drive: float) -> None:
    preset = NEUTRAL.with_values({"dist.drive_db": drive, "dist.mix": 1.0})
    level, harmonics = rig.harmonics_db(hosted("ZamTube", "dist").at(preset), -12.0)
    our_level, our_harmonics = rig.harmonics_db(rig.ours(preset), -12.0)
    assert level == pytest.approx(our_level, abs=1.5)
    assert harmonics == pytest.approx(our_harmonics, abs=1.5)


def test_a_distortions_mix_is_the_plugins_blend_with_the_dry_sound() -> None:
    preset = NEUTRAL.with_values({"dist.mix": 0.3})
    assert hosted("ZamTube", "dist").replacement.values(preset, 48e3)["plugin.mix"] == 0.3


def test_the_chain_leaves_what_a_plugin_replaces_to_it() -> None:
    full = load_preset("broadcast-voice")
    assert full["comp.ratio"] > 1.5 and full["eq1.gain_db"]
    noise = 0.1 * np.random.default_rng(5).standard_normal(24_000).astype(np.float32)
    for effect in ("comp", "eq"):
        place = PluginSetting("x", "/x/X.vst3", PLACES[effect], replaces=effect)
        taken = full.with_plugins([place])
        bridge = Bridge(rig.RATE, 1, 1, taken)
        y = np.empty((len(noise), 1), np.float32)
        run_block(bridge.record, noise[:, None], y, 0)
        same = full.with_values({i: v for i, v in NEUTRAL.items() if i.startswith(effect)})
        np.testing.assert_array_equal(y[:, 0], render(noise, same, rig.RATE))
        assert taken["comp.ratio"] == full["comp.ratio"]  # what was set is kept


def test_what_the_plugin_cannot_do_is_said_once() -> None:
    said: list[str] = []
    text = 'plugin = "X"\nreplaces = "comp"\n[drive.gain]\nfrom = "comp.makeup_gain_db"\n'
    replacement = Replacement(read_map(text), "p", {"p.gain": row("gain", 0, 12)}, said.append)
    for gain in (-3.0, 5.0, -6.0, -3.0):
        values = replacement.values(NEUTRAL.with_values({"comp.makeup_gain_db": gain}), 48e3)
        assert values == {"p.mix": 1.0, "p.gain": max(gain, 0.0)}
    assert said == ["p.gain should be -3 dB, but the plugin ends at 0 dB"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            '[drive.gian]\nfrom = "comp.ratio"\n',
            "m.toml: line 3: X has no parameter 'gian': it has gain",
        ),
        ("[set]\ngain = 20\n", "m.toml: line 4: gain is 20, outside the plugin's 0..12"),
    ],
)
def test_a_map_for_another_plugin_is_refused_with_its_line(text: str, says: str) -> None:
    found = read_map(f'plugin = "X"\nreplaces = "comp"\n{text}', "m.toml: ")
    with pytest.raises(PluginError) as error:
        Replacement(found, "p", {"p.gain": row("gain", 0, 12)})
    assert str(error.value) == says


@settings(max_examples=25, deadline=None)
@given(st.data(), st.sampled_from([("ZamCompX2", "comp"), ("ZamEQ2", "eq"), ("ZamVerb", "reverb")]))
def test_whatever_our_settings_the_plugin_can_take_its_own(
    data: st.DataObject, which: tuple[str, str]
) -> None:
    theirs = hosted(*which)
    own = [i for i in IDS if i.startswith(which[1])]
    values = {i: data.draw(st.floats(BY_ID[i].minimum, BY_ID[i].maximum)) for i in own}
    preset = NEUTRAL.with_values(values)
    found = theirs.replacement.values(preset, rig.RATE)
    assert set(found) == set(theirs.replacement.driven)
    mix = found.pop("plugin.mix")
    assert mix == 1.0
    assert all(theirs.rows[i].contains(value) for i, value in found.items())


def test_a_knobs_way_moves_an_equalisers_bands_and_swaps_none() -> None:
    """Else each swap would be heard, as two bands that cross each other."""
    at_rest = {"eq3.freq_hz": 500.0, "eq5.gain_db": 6.0, "eq5.freq_hz": 4_000.0, "eq5.q": 1.5}
    rows = hosted("ZamEQ2", "eq").rows
    replacement = Replacement(find_map("ZamEQ2", "eq"), "plugin", rows)
    steps = [
        replacement.values(NEUTRAL.with_values({**at_rest, "eq3.gain_db": gain}), 48e3)
        for gain in np.arange(2.0, 12.0, 0.5)
    ]
    for band in ("1", "2", "l", "h"):
        places = np.log2([step[f"plugin.frequency_{band}"] for step in steps])
        loud = np.array([abs(step[f"plugin.boost_cut_{band}"]) > 1.0 for step in steps])
        assert np.abs(np.diff(places))[loud[1:]].max(initial=0.0) < 0.35  # octaves a step
