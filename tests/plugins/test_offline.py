"""Files and arrays through plugins: aligned, the same every time, and never dry."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from realtime.file_driver import render_file
from realtime.plugins.setting import PluginError, PluginSetting
from realtime.preset import Preset
from realtime.transfer import render
from tests.plugins.host_rig import RATE, Audio
from tests.plugins.zam import zam


def clicks(frames: int) -> Audio:
    x = np.zeros((frames, 2), np.float32)
    x[::4800] = 0.25
    return x


def with_plugins(*plugins: PluginSetting, **values: float) -> Preset:
    return Preset.neutral().with_values(values).with_plugins(plugins)


def test_a_render_is_aligned_and_the_same_every_time() -> None:
    x = clicks(RATE)
    preset = with_plugins(
        PluginSetting("eq", zam("ZamEQ2"), "before-eq"),
        PluginSetting("max", zam("ZaMaximX2"), "after-reverb", values=(("threshold", -3.0),)),
    )
    y = render(x, preset, RATE)
    assert y.shape == x.shape
    assert np.array_equal(y, render(x, preset, RATE))
    assert np.array_equal(np.flatnonzero(np.abs(y[:, 0]) > 0.1), np.flatnonzero(x[:, 0]))


def test_a_file_is_the_array_and_an_echo_rings_out(tmp_path: Path) -> None:
    x = clicks(RATE)
    soundfile.write(tmp_path / "in.wav", x, RATE, subtype="FLOAT")
    echo = (("time", 900.0), ("dry_wet", 0.5), ("output_gain", 0.0))
    preset = with_plugins(PluginSetting("echo", zam("ZamDelay"), values=echo))
    render_file(tmp_path / "in.wav", tmp_path / "out.wav", preset)
    written, _ = soundfile.read(tmp_path / "out.wav", dtype="float32")
    assert np.abs(written[:RATE] - render(x, preset, RATE)).max() < 1e-6
    assert np.abs(written[RATE + RATE // 2 :]).max() > 0.02  # what came in last comes back
    assert len(written) < 4 * RATE


def test_a_plugin_without_an_echo_leaves_the_length(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", clicks(RATE // 2), RATE, subtype="FLOAT")
    preset = with_plugins(PluginSetting("max", zam("ZaMaximX2")))
    render_file(tmp_path / "in.wav", tmp_path / "out.wav", preset)
    assert soundfile.info(tmp_path / "out.wav").frames == RATE // 2


def test_a_plugin_that_is_not_there_leaves_no_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "in.wav", clicks(4800), RATE)
    preset = with_plugins(PluginSetting("gone", str(tmp_path / "gone.vst3")))
    with pytest.raises(PluginError, match=r"gone\.vst3"):
        render_file(tmp_path / "in.wav", tmp_path / "out.wav", preset)
    assert [path.name for path in tmp_path.iterdir()] == ["in.wav"]
