"""afx-live from file to file: presets, predictions, channels, tails, and between two styles."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from realtime.bridge import Bridge
from realtime.callback import run_block
from realtime.preset import Preset, load_preset, save_preset
from tests.file_rig import RATE, TESTED, afx_live, afx_live_here
from tests.support import noise

pytestmark = pytest.mark.usefixtures("compiled")


def rendered(x: np.ndarray, preset: Preset, rate: int) -> np.ndarray:
    bridge = Bridge(rate, x.shape[1], x.shape[1], preset)
    y = np.empty_like(x)
    for start in range(0, len(x), 480):
        run_block(bridge.record, x[start : start + 480], y[start : start + 480], 0)
    return y


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_a_file_through_a_preset(folder: Path, suffix: str) -> None:
    out = f"out.{suffix}"
    done = afx_live(
        *("--preset", "good.toml", "--input", "in.wav", "--output", out),
        *("--stats", "stats.json", "--save-preset", "saved.toml"),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    y, rate = sf.read(folder / out, dtype="float32", always_2d=True)
    assert rate == RATE
    x = np.pad(x, ((0, len(y) - len(x)), (0, 0)))
    assert np.abs(y - rendered(x, TESTED, RATE)).max() <= 2.0**-23  # a step of 24 bits
    assert load_preset(str(folder / "saved.toml")) == TESTED
    stats = json.loads((folder / "stats.json").read_text())
    assert stats["frames"] == len(y) and stats["preset"] == dict(TESTED)
    assert stats["latency_ms"] == 0.0
    for words in ("good.toml", "threshold -30.0 dBFS", "ratio 4:1", "LUFS", "p99.9", "times real"):
        assert words in done.stdout


@pytest.mark.parametrize("wet", [0.0, 0.2])
def test_a_reverb_rings_out_and_nothing_else_gets_longer(folder: Path, wet: float) -> None:
    preset = Preset({"reverb.wet": wet, "reverb.room_size": 0.6, "reverb.predelay_ms": 200.0})
    save_preset(preset, folder / "room.toml")
    clap = np.zeros(RATE, np.float32)
    clap[-200:] = noise(200, 1, 0.3)[:, 0]
    sf.write(folder / "clap.wav", clap, RATE)
    args = ("--preset", "room.toml", "--input", "clap.wav", "--output", "out.wav")
    assert afx_live_here(*args, cwd=folder).returncode == 0
    y, _ = sf.read(folder / "out.wav", always_2d=True)
    if wet == 0.0:
        assert len(y) == RATE
    else:
        t60_s = 0.1 * 100.0**0.6
        assert 1.0 + 0.5 * t60_s < len(y) / RATE < 1.0 + 2.0 * t60_s
        assert np.abs(y[-RATE // 4 :]).max() < 1e-3 * np.abs(y).max()


@pytest.mark.parametrize("reference", ["ref.wav", "flac.flac", "six.wav"])
def test_a_file_through_a_prediction(folder: Path, reference: str) -> None:
    args = ("--ref", reference, "--input", "in.wav", "--output", "out.wav")
    done = afx_live_here(*args, "--save-preset", "found.toml", cwd=folder)
    assert done.returncode == 0, done.stderr
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    y, _ = sf.read(folder / "out.wav", dtype="float32", always_2d=True)
    found = load_preset(str(folder / "found.toml"))
    assert np.abs(y - rendered(x, found, RATE)).max() <= 2.0**-23
    assert f"predicted from {reference!r}" in done.stdout and "dB*" in done.stdout


def test_a_file_between_two_styles_and_with_half_of_one(folder: Path) -> None:
    def found(*options: object) -> Preset:
        args = ("--ref", "ref.wav", *options, "--input", "in.wav", "--output", "out.wav")
        done = afx_live_here(*args, "--save-preset", "found.toml", "--overwrite", cwd=folder)
        assert done.returncode == 0, done.stderr
        return load_preset(str(folder / "found.toml"))

    sf.write(folder / "dull.wav", np.cumsum(noise(4 * RATE, 1, 0.002), axis=0), RATE)
    first, second = found(), found("--ref", "dull.wav", "--morph", 1)
    assert first != second
    between = found("--ref", "dull.wav", "--morph", 0.5)
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    y, _ = sf.read(folder / "out.wav", dtype="float32", always_2d=True)
    assert np.abs(y - rendered(x, between, RATE)).max() <= 2.0**-23
    for i in ("eq3.gain_db", "comp.threshold_db"):
        assert between[i] == pytest.approx((first[i] + second[i]) / 2.0)
    assert between["eq4.freq_hz"] == pytest.approx(
        (first["eq4.freq_hz"] * second["eq4.freq_hz"]) ** 0.5
    )
    half, none = found("--amount", 50), found("--amount", 0)
    assert half["eq3.gain_db"] == pytest.approx(first["eq3.gain_db"] / 2.0)
    assert none["eq3.gain_db"] == 0.0 and none["comp.ratio"] == 1.0


def test_overwrite_replaces_when_asked(folder: Path) -> None:
    args = ("--preset", "good.toml", "--input", "in.wav", "--output", "old.wav", "--overwrite")
    assert afx_live_here(*args, cwd=folder).returncode == 0
    assert sf.info(folder / "old.wav").frames >= 4 * RATE


@pytest.mark.parametrize(("source", "options", "channels"), [
    ("in.wav", ("--channels", "2"), 2), ("six.wav", (), 2), ("six.wav", ("--channels", "1"), 1),
])  # fmt: skip
def test_channels_of_the_output(
    folder: Path, source: str, options: tuple[str, ...], channels: int
) -> None:
    args = ("--preset", "good.toml", "--input", source, "--output", "out.wav", *options)
    assert afx_live_here(*args, cwd=folder).returncode == 0
    y, _ = sf.read(folder / "out.wav", dtype="float32", always_2d=True)
    x, _ = sf.read(folder / "in.wav", dtype="float32", always_2d=True)
    want = rendered(np.repeat(x, channels, axis=1), TESTED, RATE)
    # Six equal channels of 16 bit average to the one, within rounding.
    assert y.shape[1] == channels and np.abs(y[: len(want)] - want).max() < 1e-5
