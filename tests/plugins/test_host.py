"""Real plugins in processes of their own, heard through the chain; pedalboard is the oracle."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from realtime.chain import Chain
from realtime.plugins.setting import PluginError
from tests.plugins.host_rig import RATE, Audio, hosted, through
from tests.plugins.zam import zam

ROOT = Path(__file__).resolve().parents[2]

# Another process's pedalboard, its own way to load, one whole file at a time.
OFFLINE = """
import sys
import numpy as np
from realtime.plugins.loading import load, parameters_of
path, source, target, rate, *values = sys.argv[1:]
x = np.load(source)
audio = []
wide = [x.T] if "X2" in path or "Verb" in path else [x.T[i : i + 1] for i in range(x.shape[1])]
for channels in wide:
    plugin = load(path)
    for value in values:
        name, _, raw = value.partition("=")
        next(p for p in parameters_of(plugin) if p.name == name).raw_value = float(raw)
    audio.append(plugin.process(np.ascontiguousarray(channels), float(rate), reset=True))
np.save(target, np.concatenate(audio).T)
"""


def offline(tmp_path: Path, path: str, x: Audio, **values: float) -> Audio:
    np.save(tmp_path / "x.npy", x)
    arguments = [f"{name.replace('_', ' ')}={value}" for name, value in values.items()]
    subprocess.run(
        [sys.executable, "-c", OFFLINE, path, tmp_path / "x.npy", tmp_path / "y.npy", str(RATE),
         *arguments], cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return np.load(tmp_path / "y.npy")


def music(frames: int, channels: int = 2) -> Audio:
    """Decaying tones: loud and soft, low and high, the channels not alike."""
    t = np.arange(frames)[:, None] / RATE
    tones = np.sin(2 * np.pi * np.array([[110.0, 146.8]]) * t) + 0.3 * np.sin(9e3 * t)
    x = 0.3 * tones * np.exp(-6.0 * (t % 0.25))
    return x[:, :channels].astype(np.float32)


CASES = {
    "stereo": ("ZamCompX2", 2, {"threshold": -30.0}, {"Threshold": 0.625}),
    "mono on stereo": ("ZamEQ2", 2, {"boost_cut_1": 12.0}, {"Boost/Cut_1": 62.0 / 70.0}),
    "its own latency": ("ZaMaximX2", 2, {"threshold": -15.0}, {"Threshold": 0.5}),
    "mono": ("ZamComp", 1, {"threshold": -30.0}, {"Threshold": 0.625}),
}


@pytest.mark.parametrize(
    ("case", "cuts"),
    [("stereo", [128]), *((case, [1, 77, 128, 32]) for case in CASES)],
)
def test_through_the_chain_it_is_pedalboards_own_output_later(
    case: str, cuts: list[int], tmp_path: Path
) -> None:
    name, channels, values, raw = CASES[case]
    x = music(RATE // 4, channels)
    expected = offline(tmp_path, zam(name), x, **raw)
    with hosted(zam(name), channels=channels, **values) as host:
        y = through(host, x, cuts)
        late = host.latency_frames
        assert host.status().dry_blocks == 0
    assert np.abs(expected - x).max() > 0.01  # it does something
    assert np.abs(y[late:] - expected[: len(x) - late]).max() < 2e-5


def test_without_it_the_dry_sound_is_as_late_as_with_it() -> None:
    x = music(RATE // 4)
    with hosted(zam("ZaMaximX2"), mix=0.0, threshold=-20.0) as host:
        y, late = through(host, x, [100]), host.latency_frames
    assert np.array_equal(y[late:], x[:-late]) and not y[:late].any()


def test_a_plugin_that_does_nothing_nulls_against_the_dry_sound() -> None:
    x = music(RATE // 4)
    with hosted(zam("ZamEQ2")) as wet, hosted(zam("ZamEQ2"), mix=0.0) as dry:
        assert np.abs(through(wet, x, [128]) - through(dry, x, [128])).max() < 1e-5


def test_mono_sound_through_a_stereo_plugin() -> None:
    x = music(RATE // 4, 1)
    with hosted(zam("ZamCompX2"), channels=1) as host:
        y, late = through(host, x, [128]), host.latency_frames
    assert np.abs(y[late:] - x[:-late]).max() < 1e-5


def test_state_goes_into_another_process() -> None:
    x = music(RATE // 4)
    with hosted(zam("ZamCompX2"), threshold=-33.0, makeup=6.0) as host:
        first = through(host, x, [128])
        state = host.state()
    with hosted(zam("ZamCompX2"), state=state) as host:
        assert host.values["threshold"] == pytest.approx(-33.0, abs=1e-4)
        assert np.array_equal(through(host, x, [128]), first)


def test_a_move_is_a_ramp() -> None:
    x = np.full((RATE // 2, 2), 0.1, np.float32)
    with hosted(zam("ZamCompX2"), 64) as host:
        chain = Chain(RATE)
        chain.insert([("before-comp", host.record_address)])
        y = x.copy()
        for start in range(0, len(x), 64):
            if start == 6400:
                host.move({"makeup": 12.0}, 9600)
            chain.process(y[start : start + 64])
            host.wait()
    levels = 20 * np.log10(y[6400 + 1024 :: 512, 0] / 0.1)
    assert levels[-1] == pytest.approx(12.0, abs=0.05)
    assert 4.0 < levels[8] < 9.0  # half way in the middle of it
    assert np.abs(np.diff(y[2000:, 0])).max() < 0.02


def test_what_cannot_be_hosted_is_said_in_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "x.vst3"
    wrong.write_text("")
    with pytest.raises(PluginError, match=r"x\.vst3") as refused, hosted(str(wrong)):
        pass
    assert "\n" not in str(refused.value)
    unknown = pytest.raises(PluginError, match="no parameter 'treshold'")
    with unknown, hosted(zam("ZamCompX2"), treshold=1.0):
        pass


BEHIND = """
import os, sys
import numpy as np
from realtime.chain import Chain
from realtime.plugins.host import PluginHost
from realtime.plugins.setting import PluginSetting
host = PluginHost(PluginSetting("it", sys.argv[1]), 48000, 2, 128)
chain = Chain(48000)
chain.insert([("before-eq", host.record_address)])
try:
    if int(sys.argv[2]):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(int(sys.argv[2])))
    chain.process(np.zeros((128, 2), np.float32))
    host.tend()
    print(os.sched_getscheduler(host.pid) & 3, os.sched_getparam(host.pid).sched_priority)
except PermissionError:
    print("refused")
host.close()
"""


@pytest.mark.parametrize(("audio", "plugin"), [(7, (os.SCHED_FIFO, 6)), (0, (os.SCHED_OTHER, 0))])
def test_it_runs_right_behind_the_audio_thread(audio: int, plugin: tuple[int, int]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BEHIND, zam("ZamCompX2"), str(audio)],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    if done.stdout.strip() == "refused":
        pytest.skip("this user may not have real-time priority")
    assert tuple(map(int, done.stdout.split())) == plugin
