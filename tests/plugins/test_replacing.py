"""--replace and --plugin-map: which plugin takes whose place, and how it sounds under hands."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.controls import Controls
from realtime.plugins.lineup import Lineup
from realtime.plugins.requested import parse_replace, request
from realtime.plugins.setting import PLACES, PluginError, PluginSetting
from realtime.preset import Preset, load_preset, save_preset
from realtime.transfer import render
from tests.conftest import JackServer
from tests.live_rig import afx_live
from tests.plugins.test_live_plugins import CALM, LEVEL, NEAR_DB, gains_db
from tests.plugins.zam import zam
from tests.stage_rig import Hand
from tests.support import rms, sine, to_db

SQUEEZED = Preset.neutral().with_values(
    {
        "comp.threshold_db": -46.0, "comp.ratio": 4.0, "comp.attack_ms": 1.0,
        "comp.release_ms": 40.0, "comp.makeup_gain_db": 3.0,
    }
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("compiled")


def quiet(line: str) -> None:
    raise AssertionError(line)


def error_of(call, *args) -> str:
    with pytest.raises(PluginError) as caught:
        call(*args)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


@given(st.text(max_size=20) | st.sampled_from([f"{effect}=a=b" for effect in PLACES]))
def test_any_text_is_an_effect_and_a_plugin_or_one_line(text):
    try:
        effect, path = parse_replace(text)
        assert effect in PLACES and path and text == f"{effect}={path}"
    except PluginError as error:
        assert str(error)


def test_a_plugin_sits_where_the_effect_is_and_has_its_map():
    path = zam("ZamCompX2")
    found = request([path], [], [], quiet, [f"comp={path}", f"eq={zam('ZamEQ2')}"])
    assert [(p.name, p.point, p.replaces) for p in found.settings] == [
        ("zameq2", "before-eq", "eq"),
        ("zamcompx2-2", "before-comp", "comp"),
        ("zamcompx2", "before-reverb", ""),
    ]
    assert found.inserted == {"zameq2", "zamcompx2", "zamcompx2-2"}
    assert {name: m.plugin for name, m in found.maps} == {
        "zameq2": "ZamEQ2",
        "zamcompx2-2": "ZamCompX2",
    }


def test_a_preset_that_has_the_plugin_there_already_gets_no_second_one():
    path = zam("ZamCompX2")
    own = PluginSetting("squeeze", path, "before-comp", replaces="comp")
    found = request([], [], [("mine", Preset(plugins=[own]))], quiet, [f"comp={path}"])
    assert [p.name for p in found.settings] == ["squeeze"]
    assert found.inserted == {"squeeze"} and found.maps[0][0] == "squeeze"


def test_what_cannot_be_replaced_is_said(tmp_path: Path):
    comp, mono = zam("ZamCompX2"), zam("ZamComp")
    both = error_of(request, [], [], [], quiet, [f"comp={comp}", f"comp={mono}"])
    assert both == "zamcompx2 and zamcomp both replace comp: one of them can"
    assert "no plugin map has ZamCompX2 for eq" in error_of(
        request, [], [], [], quiet, [f"eq={comp}"]
    )
    unused = tmp_path / "mine.toml"
    unused.write_text('plugin = "ZamComp"\nreplaces = "comp"\n[set]\nknee = 0\n')
    says = error_of(request, [], [], [], quiet, [f"comp={comp}"], [str(unused)])
    assert "mine.toml" in says and "ZamComp replaces no comp here" in says


def test_where_a_preset_does_not_use_a_plugin_our_own_effect_works():
    comp = PluginSetting("x", "/x/X.vst3", "before-comp", replaces="comp")
    (unused,) = Lineup([comp], []).complete(SQUEEZED).plugins
    assert (unused.mix, unused.replaces) == (0.0, "")
    (used,) = Lineup([comp], [], inserted=["x"]).complete(SQUEEZED).plugins
    assert (used.mix, used.replaces) == (1.0, "comp")
    lineup = Lineup([comp, replace(comp, name="y", path="/x/Y.vst3")], [], inserted=["x"])
    asked = SQUEEZED.with_plugins([replace(comp, name="y", path="/x/Y.vst3")])
    assert "x and y both replace comp" in error_of(lineup.complete, asked)
    with pytest.raises(PluginError):
        Controls(asked, lambda preset, fade_ms: None, hosted=lineup)


def ours_db(preset: Preset, rate: int) -> float:
    """The gain of that tone through our own compressor."""
    x = sine(1_000.0, 2 * rate, rate, LEVEL)
    return to_db(rms(render(x, preset, rate)[-rate // 8 :]) / (LEVEL / 2**0.5))


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_hands_on_our_compressor_move_the_plugin_that_has_its_place(
    jack_server: JackServer, tmp_path: Path
) -> None:
    rate, hand = jack_server.sample_rate, Hand()
    save_preset(SQUEEZED, tmp_path / "mine.toml")
    options = ["--preset", tmp_path / "mine.toml", "--replace", f"comp={zam('ZamCompX2')}"]
    options += ["--save-preset", tmp_path / "out.toml", "--osc", hand.port]
    with afx_live(*options, ready="plugins add") as live:
        found = gains_db(
            jack_server.name,
            rate,
            [
                lambda: hand("comp.threshold_db", -36.0),
                lambda: hand("zamcompx2.threshold", 0.0),  # by hand: ours is not asked
                lambda: hand("comp.threshold_db", -41.0),
                lambda: (hand("revert.zamcompx2.threshold"), hand("save")),
                lambda: hand("amount", 0.0),
                lambda: hand("panic"),
            ],
        )
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    at = {t: ours_db(SQUEEZED.with_values({"comp.threshold_db": t}), rate) for t in (-46, -36, -41)}
    expected = [at[-46], at[-36], 3.0, 3.0, at[-41], 0.0, 0.0]
    assert at[-46] < at[-41] - 3.0 < at[-36] - 6.0
    assert found == pytest.approx(expected, abs=NEAR_DB)
    assert "zamcompx2" in out

    saved = load_preset(str(tmp_path / "out-2.toml"))
    assert saved["comp.threshold_db"] == saved["zamcompx2.threshold"] == -41.0
    assert saved.plugins[0].replaces == "comp"
    with afx_live("--preset", tmp_path / "out-2.toml") as live:
        again = gains_db(jack_server.name, rate, [])
        live.end(signal.SIGINT)
    assert again == pytest.approx([at[-41]], abs=NEAR_DB)
