"""Plugins that crash, hang and stay late, in real time: what is heard, counted and said."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.plugins.host_rig import RATE, Audio, Player, hosted, processes_of
from tests.plugins.zam import zam

ROOT = Path(__file__).resolve().parents[2]


def slow_tone(seconds: float) -> Audio:
    t = np.arange(int(seconds * RATE))[:, None] * np.ones((1, 2))
    return (0.2 * np.sin(0.01 * t)).astype(np.float32)


def click_bound(gain: float) -> float:
    """What the two sounds do in one frame, and a linear fade of 32 frames between them."""
    return 0.002 * gain + 0.2 * (gain - 1.0) / 32 + 1e-4


def largest_step(y: Audio) -> float:
    return float(np.abs(np.diff(y, axis=0)).max())


def test_a_crash_is_dry_without_a_click_and_the_same_plugin_comes_back() -> None:
    said: list[str] = []
    with hosted(zam("ZamCompX2"), 256, offline=False, said=said, makeup=6.0) as host:
        player = Player(host, slow_tone(20.0))
        player.play(0.5)
        host.move({"makeup": 12.0}, 9600)
        player.play(0.5)
        late = host.latency_frames
        os.kill(processes_of(host)[0], signal.SIGKILL)
        for _ in range(100):
            player.play(0.1)
            if host.status().state == "running" and host.status().restarts == 1:
                break
        player.play(0.5)
        status, y, dry = host.status(), player.y[: player.at], player.x[: player.at - late]
    assert (status.state, status.restarts, status.latency_frames) == ("running", 1, late)
    assert status.dry_blocks >= status.late_blocks > 0
    assert any("SIGKILL" in line for line in said)
    assert np.median(y[-5000:] / dry[-5000:]) == pytest.approx(10 ** (12 / 20), rel=1e-2)
    assert largest_step(y[24_000:]) < click_bound(4.0)


def test_one_that_hangs_is_late_then_started_again_with_its_latency() -> None:
    said: list[str] = []
    with hosted(zam("ZamCompX2"), 256, offline=False, said=said, makeup=12.0) as host:
        player = Player(host, slow_tone(20.0))
        player.play(0.5)
        stopped = processes_of(host)[0]
        os.kill(stopped, signal.SIGSTOP)
        player.play(0.4)
        os.kill(stopped, signal.SIGCONT)  # only late: it catches up and goes on
        player.play(0.4)
        assert host.status().restarts == 0 and host.status().late_blocks > 20
        late, y, dry = host.latency_frames, player.y[: player.at], player.x
        ratio = y[-2000:] / dry[player.at - late - 2000 : player.at - late]
        assert np.median(ratio) == pytest.approx(10 ** (12 / 20), rel=1e-2)
        os.kill(stopped, signal.SIGSTOP)
        for _ in range(100):
            player.play(0.1)
            if host.status().state == "running" and host.status().restarts == 1:
                break
        assert host.status().restarts == 1
        assert host.latency_frames == late
    assert any("hangs" in line for line in said)
    assert largest_step(player.y[: player.at]) < click_bound(4.0)


def test_after_three_restarts_it_is_bypassed_and_said() -> None:
    said: list[str] = []
    with hosted(zam("ZamCompX2"), 256, offline=False, said=said, makeup=12.0) as host:
        player = Player(host, slow_tone(40.0))
        for _ in range(200):
            if host.status().state == "bypassed":
                break
            for pid in processes_of(host) if host.status().state == "running" else ():
                os.kill(pid, signal.SIGKILL)
            player.play(0.05)
        assert host.status().state == "bypassed" and host.status().restarts == 3
        player.play(0.2)
        counted = host.status().dry_blocks
        player.play(0.2)
        assert host.status().dry_blocks == counted  # nothing is wrong any more
        late, y = host.latency_frames, player.y[: player.at]
        assert np.array_equal(y[-2000:], player.x[player.at - late - 2000 : player.at - late])
    assert sum("bypassed" in line for line in said) == 1


def test_longer_blocks_are_followed() -> None:
    said: list[str] = []
    with hosted(zam("ZamCompX2"), 64, offline=False, said=said, makeup=12.0) as host:
        before = host.latency_frames
        player = Player(host, slow_tone(5.0), block=512)
        player.play(1.0)
        assert host.latency_frames == before + 512 - 64
        late, y = host.latency_frames, player.y[: player.at]
        ratio = y[-2000:] / player.x[player.at - late - 2000 : player.at - late]
        assert np.median(ratio) == pytest.approx(10 ** (12 / 20), rel=1e-2)
    assert any("512" in line for line in said)


LEAVE = """
import os, signal, sys, time
from realtime.plugins.host import PluginHost
from realtime.plugins.setting import PluginSetting
host = PluginHost(PluginSetting("it", sys.argv[1]), 48000, 2, 128)
pid = host._processes[0].pid
print(pid, flush=True)
if sys.argv[2] == "stopped":
    os.kill(pid, signal.SIGSTOP)
if sys.argv[2] == "close":
    host.close()
    print("closed", flush=True)
    time.sleep(60)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("how", ["close", "killed", "stopped"])
def test_nothing_stays_behind(how: str) -> None:
    before = {name for name in os.listdir("/dev/shm") if "afx-" in name}
    with subprocess.Popen(
        [sys.executable, "-c", LEAVE, zam("ZamCompX2"), how],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    ) as parent:  # fmt: skip
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if how == "close":
            assert parent.stdout.readline() == "closed\n"
        else:
            parent.wait(10)
        until = time.monotonic() + 5.0
        while os.path.exists(f"/proc/{child}") and time.monotonic() < until:
            time.sleep(0.01)
        left = {name for name in os.listdir("/dev/shm") if "afx-" in name} - before
        parent.kill()
    assert not os.path.exists(f"/proc/{child}")
    assert not {name for name in left if not name.startswith("jack")}
