"""Plugins from the command line to a file: inserted, set, saved, and played again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from realtime.preset import Preset, load_preset
from realtime.transfer import render
from tests.file_rig import RATE, afx_live_here
from tests.plugins.zam import zam
from tests.support import speech_like

BRIGHT = Preset({"eq2.gain_db": -9.0, "eq5.gain_db": 12.0})

pytestmark = pytest.mark.usefixtures("compiled")


def gain_db(folder: Path, name: str) -> float:
    x, y = (sf.read(folder / file, always_2d=True)[0] for file in ("in.wav", name))
    return float(10.0 * np.log10(np.mean(y[: len(x)] ** 2) / np.mean(x**2)))


def test_a_plugin_is_inserted_set_saved_and_played_again(folder: Path) -> None:
    comp = zam("ZamCompX2")
    files = ("--input", "in.wav", "--overwrite")
    done = afx_live_here(
        *(*files, "--output", "a.wav", "--insert", f"{comp}@before-eq", "--save-preset", "p.toml"),
        *("--plugin-param", "zamcompx2.makeup=6 dB", "--plugin-param", "zamcompx2.sidechain=off"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert gain_db(folder, "a.wav") == pytest.approx(6.0, abs=0.2)
    assert "makeup 6.0 dB" in done.stdout and "plugins alone" in done.stdout
    preset = load_preset(str(folder / "p.toml"))
    (plugin,) = preset.plugins
    assert (plugin.name, plugin.path, plugin.point) == ("zamcompx2", comp, "before-eq")
    assert plugin.state and plugin.identifier and plugin.version
    assert preset["zamcompx2.makeup"] == 6.0 and len(plugin.values) > 5
    afx_live_here(*files, "--output", "b.wav", "--preset", "p.toml", cwd=folder)
    a, b = (sf.read(folder / name)[0] for name in ("a.wav", "b.wav"))
    assert np.array_equal(a, b)
    options = ("--preset", "p.toml", "--plugin-param", "zamcompx2.makeup=3", "--amount", "0")
    afx_live_here(*files, "--output", "c.wav", *options, cwd=folder)
    assert gain_db(folder, "c.wav") == pytest.approx(0.0, abs=0.01)
    afx_live_here(*files, "--output", "d.wav", *options[:-2], cwd=folder)
    assert gain_db(folder, "d.wav") == pytest.approx(3.0, abs=0.2)


def test_a_style_reaches_into_a_plugin(folder: Path) -> None:
    voice = speech_like(4.0, RATE, 0)
    sf.write(folder / "in.wav", voice, RATE)
    sf.write(folder / "ref.wav", render(voice[::-1], BRIGHT, RATE), RATE)
    options = ("--insert", zam("ZamEQ2"), "--plugin-param", "zameq2.master_gain=2")
    done = afx_live_here(
        *("--ref", "ref.wav", "--refine", "4", *options, "--save-preset", "p.toml"),
        *("--input", "in.wav", "--output", "a.wav"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    assert "refined: distance" in done.stderr
    preset = load_preset(str(folder / "p.toml"))
    assert preset["zameq2.master_gain"] == 2.0  # by hand
    assert any(abs(preset[f"zameq2.boost_cut_{band}"]) > 0.1 for band in "12lh")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--insert", "ZamCompX2@middle"], "there is no slot 'middle'"),
        (["--insert", "ZamCompX2", "--plugin-param", "zamcompx2.makup=1"], "did you mean 'makeup'"),
        (["--insert", "ZamCompX2", "--plugin-param", "zamcompx2.makeup=99"], "outside 0..30 dB"),
        (["--insert", "ZamCompX2", "--plugin-param", "makeup"], "is not NAME.PARAM=VALUE"),
        (["--preset", "hall", "--plugin-param", "a.b=1"], "there is no plugin 'a'"),
        (["--preset", "lost.toml"], "preset 'lost.toml': the plugin 'verb' is not there: '/x/Verb"),
        (["--preset", "wild.toml"], "wild.toml': line 4: verb: the slot"),
    ],
)
def test_a_mistake_gets_one_line_and_writes_nothing(
    folder: Path, options: list[str], said: str
) -> None:
    zam("ZamCompX2")
    (folder / "lost.toml").write_text('[[plugin]]\nname = "verb"\npath = "/x/Verb.vst3"\n')
    (folder / "wild.toml").write_text('[[plugin]]\nname = "verb"\npath = "x"\nslot = "here"\n')
    try:
        done = afx_live_here("--input", "in.wav", "--output", "out.wav", *options, cwd=folder)
        status, err = done.returncode, done.stderr
    except SystemExit as refused:  # of an option by itself
        status, err = refused.code, said
    assert status == 2 and said in err and len(err.splitlines()) == 1, err
    assert not (folder / "out.wav").exists()


def test_channels_of_the_file_do_not_matter(folder: Path) -> None:
    zam("ZamEQ2")  # which is mono
    for name in ("in.wav", "six.wav"):
        done = afx_live_here(
            *("--input", name, "--output", "out.wav", "--insert", "ZamEQ2", "--overwrite"),
            *("--plugin-param", "zameq2.master_gain=-6"),
            cwd=folder,
        )
        assert done.returncode == 0, done.stderr
        x, y = (sf.read(folder / file, always_2d=True)[0] for file in (name, "out.wav"))
        level = 10.0 * np.log10(np.mean(y[: len(x), 0] ** 2) / np.mean(x[:, 0] ** 2))
        assert level == pytest.approx(-6.0, abs=0.1) and y.shape[1] == min(2, x.shape[1])
