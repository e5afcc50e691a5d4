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

from realtime.plugins.setting import PluginError
from tests.plugins.conftest import BuildPlugin
from tests.plugins.host_rig import RATE, Audio, Player, hosted
from tests.plugins.zam import zam

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.sound


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
        player.play_until(lambda: player.hears(6.0))
        host.move({"makeup": 12.0}, 9600)
        player.play_until(lambda: player.hears(12.0))
        late = host.latency_frames
        os.kill(host.pid, signal.SIGKILL)
        player.play_until(lambda: player.hears(0.0))
        player.play_until(lambda: player.hears(12.0))
        status = host.status()
    assert (status.state, status.restarts, status.latency_frames) == ("running", 1, late)
    assert status.dry_blocks >= status.late_blocks > 0
    assert any("SIGKILL" in line for line in said)
    assert largest_step(player.y[: player.at]) < click_bound(4.0)


def test_one_that_hangs_is_late_then_started_again_with_its_latency() -> None:
    said: list[str] = []
    with hosted(zam("ZamCompX2"), 256, offline=False, said=said, makeup=12.0) as host:
        player = Player(host, slow_tone(20.0))
        player.play_until(lambda: player.hears(12.0))
        late, stopped = host.latency_frames, host.pid
        os.kill(stopped, signal.SIGSTOP)
        player.play(0.4)
        assert player.hears(0.0) and host.status().late_blocks > 20
        os.kill(stopped, signal.SIGCONT)  # only late: it catches up and goes on
        player.play_until(lambda: player.hears(12.0))
        assert host.status().restarts == 0
        os.kill(stopped, signal.SIGSTOP)
        player.play_until(lambda: host.status().restarts == 1)
        player.play_until(lambda: player.hears(12.0))
        assert host.status().restarts == 1 and host.latency_frames == late
    assert any("hangs" in line for line in said)
    assert largest_step(player.y[: player.at]) < click_bound(4.0)


def test_after_three_restarts_it_is_bypassed_and_said() -> None:
    said: list[str] = []
    with hosted(zam("ZamCompX2"), 256, offline=False, said=said, makeup=12.0) as host:
        player = Player(host, slow_tone(40.0))

        def killed_for_good() -> bool:
            if host.status().state == "running":
                os.kill(host.pid, signal.SIGKILL)
            return host.status().state == "bypassed"

        player.play_until(killed_for_good, 40.0)
        assert host.status().restarts == 3
        player.play(0.1)
        counted = host.status().dry_blocks
        player.play(0.1)
        assert host.status().dry_blocks == counted  # nothing is wrong any more
        late, y = host.latency_frames, player.y[: player.at]
        assert np.array_equal(y[-2000:], player.x[player.at - late - 2000 : player.at - late])
    assert sum("bypassed" in line for line in said) == 1


def test_longer_blocks_are_followed() -> None:
    said: list[str] = []
    with hosted(zam("ZamCompX2"), 64, offline=False, said=said, makeup=12.0) as host:
        before = host.latency_frames
        player = Player(host, slow_tone(10.0), block=512)
        player.play_until(lambda: host.latency_frames == before + 512 - 64)
        player.play_until(lambda: player.hears(12.0))
    assert any("512" in line for line in said)


LEAVE = """
import os, signal, sys, time
from realtime.plugins.host import PluginHost
from realtime.plugins.setting import PluginSetting
host = PluginHost(PluginSetting("it", sys.argv[1]), 48000, 2, 128)
print(host.pid, flush=True)
if sys.argv[2] == "stopped":
    os.kill(host.pid, signal.SIGSTOP)
if sys.argv[2] == "close":
    host.close()
    print("closed", flush=True)
    time.sleep(60)
os.kill(os.getpid(), signal.SIGKILL)
"""


def is_there(pid: int) -> bool:
    """Whether this process runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("how", ["close", "killed", "stopped"])
def test_nothing_stays_behind(how: str) -> None:
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
        while is_there(child) and time.monotonic() < until:
            time.sleep(0.01)
        left = [name for name in os.listdir("/dev/shm") if f"afx-{parent.pid}-" in name]
        parent.kill()
    assert not is_there(child)
    assert not left


def test_what_is_no_number_is_never_heard_and_the_plugin_after_it_is(faulty_plugin: Path) -> None:
    with hosted(str(faulty_plugin), 256, offline=False, gain=6.0) as host:
        player = Player(host, slow_tone(20.0))
        player.play_until(lambda: player.hears(6.0))
        host.move({"fault": 3}, 0)  # NaN
        player.play(0.4)
        assert player.hears(0.0)
        host.move({"fault": 0}, 0)
        player.play_until(lambda: player.hears(6.0))
        status = host.status()
    y = player.y[: player.at]
    assert np.isfinite(y).all()
    assert status.nonfinite_blocks > 20 and status.restarts == 0
    assert largest_step(y) < click_bound(2.0)


def test_one_that_crashes_while_it_is_loaded_is_said(build_plugin: BuildPlugin) -> None:
    refused = pytest.raises(PluginError, match="SIGSEGV")
    with refused as error, hosted(str(build_plugin(on_load="CRASH"))):
        pass
    assert "\n" not in str(error.value)


def test_one_that_goes_on_giving_no_numbers_is_started_again(faulty_plugin: Path) -> None:
    said: list[str] = []
    with hosted(str(faulty_plugin), 256, offline=False, said=said, gain=6.0) as host:
        player = Player(host, slow_tone(20.0))
        player.play_until(lambda: player.hears(6.0))
        host.move({"fault": 3}, 0)
        player.play_until(lambda: host.status().state == "restarting")
        host.move({"fault": 0}, 0)  # heard by the next process
        player.play_until(lambda: player.hears(6.0))
    assert any("no sound" in line for line in said)


def test_one_that_is_closed_while_it_is_started_again_leaves_nothing() -> None:
    with hosted(zam("ZamCompX2"), 256, offline=False) as host:
        first = host.pid
        os.kill(first, signal.SIGKILL)
        until = time.monotonic() + 10.0
        while host.pid == first and time.monotonic() < until:
            host.tend()
            time.sleep(0.001)
        began = time.monotonic()
        host.close()
        assert time.monotonic() - began < 5.0
        assert host.status().restarts == 1 and not is_there(first) and not is_there(host.pid)


def test_one_that_works_hard_skips_what_it_missed(build_plugin: BuildPlugin) -> None:
    """It takes 12 of every 21 ms: to work through 0.8 s that it missed would take another 1.1."""
    path = str(build_plugin(latency=400))
    with hosted(path, 1024, offline=False, gain=6.0, fault=4, late=12.0) as host:
        player = Player(host, slow_tone(20.0), block=1024)
        player.play_until(lambda: player.hears(6.0))
        os.kill(host.pid, signal.SIGSTOP)
        player.play(0.8)
        assert player.hears(0.0)
        os.kill(host.pid, signal.SIGCONT)
        player.play_until(lambda: player.hears(6.0), 0.7)
        assert host.latency_frames == 1024 + 32 + 400 and host.status().restarts == 0
    assert largest_step(player.y[: player.at]) < click_bound(2.0)
