"""Files and arrays whose compressor or equaliser is a real plugin."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from realtime.plugins.rack import describe_rack
from realtime.plugins.requested import request
from realtime.plugins.setting import PluginSetting
from realtime.preset import Preset, load_preset, save_preset
from realtime.transfer import render
from tests.file_rig import afx_live_here
from tests.plugins.zam import zam
from tests.support import speech_like

RATE = 24_000
SQUEEZED = Preset.neutral().with_values(
    {"comp.threshold_db": -35.0, "comp.ratio": 5.0, "comp.makeup_gain_db": 6.0}
)

pytestmark = pytest.mark.usefixtures("compiled")


def levels_db(x: np.ndarray) -> np.ndarray:
    frames = RATE // 20
    return 10.0 * np.log10(
        np.mean(x[: len(x) // frames * frames].reshape(-1, frames) ** 2, 1) + 1e-12
    )


def test_an_array_goes_through_the_plugin_as_through_our_own_compressor() -> None:
    x = 0.5 * speech_like(2.0, RATE).astype(np.float32)
    place = PluginSetting("squeeze", zam("ZamCompX2"), "before-comp", replaces="comp")
    for changes in ({}, {"comp.ratio": 1.5, "comp.makeup_gain_db": 0.0}):
        preset = SQUEEZED.with_values(changes)
        mine, theirs = (render(x, p, RATE) for p in (preset, preset.with_plugins([place])))
        loud = levels_db(mine) > -50.0
        assert loud.sum() > 10
        assert np.abs(levels_db(theirs) - levels_db(mine))[loud].max() < 0.3
    assert np.abs(levels_db(mine) - levels_db(x))[loud].max() > 3.0  # it does something


def test_a_file_goes_through_the_plugin_by_ones_own_map_and_is_said_so(tmp_path: Path) -> None:
    path = zam("ZamCompX2")
    sf.write(tmp_path / "in.wav", 0.5 * speech_like(2.0, RATE), RATE, subtype="FLOAT")
    save_preset(SQUEEZED, tmp_path / "mine.toml")
    # Only the make-up follows; the threshold stays where nothing reaches it.
    (tmp_path / "map.toml").write_text(
        'plugin = "ZamCompX2"\nreplaces = "comp"\n[set]\nthreshold = 0\n'
        '[drive.makeup]\nfrom = "comp.makeup_gain_db"\nscale = 0.5\n'
    )
    done = afx_live_here(
        *("--input", "in.wav", "--output", "out.wav", "--preset", "mine.toml"),
        *("--replace", f"comp={path}", "--plugin-map", "map.toml", "--save-preset", "out.toml"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    x, y = (sf.read(tmp_path / name)[0] for name in ("in.wav", "out.wav"))
    loud = levels_db(x) > -60.0
    np.testing.assert_allclose(levels_db(y[: len(x)])[loud], levels_db(x)[loud] + 3.0, atol=0.02)
    saved = load_preset(str(tmp_path / "out.toml"))
    assert saved["zamcompx2.makeup"] == 3.0 and saved.plugins[0].replaces == "comp"
    for wrong, says in (
        (["--replace", "comp=Nowhere"], "Nowhere"),
        (["--replace", "chorus=ZamCompX2"], "'chorus' cannot be replaced"),
        (["--replace", f"comp={path}", "--plugin-map", "gone.toml"], "gone.toml"),
    ):
        files = ("--input", "in.wav", "--output", "not.wav", "--preset", "mine.toml")
        try:
            done = afx_live_here(*files, *wrong, cwd=tmp_path)
            assert done.returncode == 2 and says in done.stderr.splitlines()[-1]
        except SystemExit as refused:
            assert refused.code == 2
        assert not (tmp_path / "not.wav").exists()


def test_what_is_known_of_plugins_can_go_to_the_processes_that_style_many_files() -> None:
    said: list[str] = []
    rack = describe_rack(request([], [], [], said.append, [f"eq={zam('ZamEQ2')}"]), said.append)
    preset = load_preset("podcast-warm")
    there = pickle.loads(pickle.dumps(rack))
    here = rack.follow(rack.begin(preset), RATE)
    assert there.follow(there.begin(preset), RATE) == here
    assert here["zameq2.boost_cut_1"] != 0.0
