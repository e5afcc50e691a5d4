"""Real-time priority: asked for, and the report says whether it was granted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, JackServer, running_jack
from tests.live_rig import afx_live

# A device without a clock: its thread never waits, so it may not run for longer than this.
ON_ALSA = """
import os, time
from realtime.audio_io import list_devices, plan_stream
from realtime.bridge import Bridge
from realtime.live_stream import LiveStream
from realtime.priority import audio_priority

bridge = Bridge(48_000)
stream = LiveStream(plan_stream(list_devices(), input_query="default, ALSA"), bridge)
stream.start()
while not bridge.audio_thread:
    time.sleep(0.001)
print(audio_priority(bridge.audio_thread, "ALSA"), flush=True)
os._exit(0)
"""
NOTHING = """\
pcm.!default { type null }
ctl.!default { type null }
"""

pytestmark = pytest.mark.usefixtures("compiled")


def allowed() -> bool:
    """Whether this machine lets this process have it at all."""
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    os.sched_setscheduler(0, *before)
    return True


def reported(stats: Path, *options: object, **env: str) -> tuple[str, list[tuple[int, int]]]:
    """What a session says of its audio thread; (policy, priority) of all threads that it had."""
    with afx_live("--preset", "telephone", "--stats", stats, *options, **env) as live:
        tasks = [int(task.name) for task in Path(f"/proc/{live.engine()}/task").iterdir()]
        threads = [(os.sched_getscheduler(t), os.sched_getparam(t).sched_priority) for t in tasks]
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    priority = json.loads(stats.read_text())["priority"]
    assert f"audio thread      {priority}" in out
    return priority, threads


def test_a_real_time_server_gives_it(jack_server: JackServer, tmp_path: Path) -> None:
    priority, threads = reported(tmp_path / "stats.json")
    granted = [p for policy, p in threads if policy == os.SCHED_FIFO]
    if allowed():
        assert granted and priority == f"real-time (SCHED_FIFO, priority {granted[0]})"
    else:
        assert not granted and priority.startswith("ordinary, not real-time: this user may not")


def test_another_server_does_not_and_that_is_said(jack_server: JackServer, tmp_path: Path) -> None:
    name = f"{jack_server.name}-r"
    log = tmp_path / "second.log"
    with running_jack(name, 48_000, 128, log, "--no-realtime"):
        priority, threads = reported(tmp_path / "stats.json", JACK_DEFAULT_SERVER=name)
    assert {policy for policy, _ in threads} == {os.SCHED_OTHER}
    assert priority.startswith("ordinary, not real-time: ")
    if allowed():
        assert "'jackd -R' gives it" in priority


def test_alsa_is_asked_for_it(tmp_path: Path) -> None:
    (tmp_path / ".asoundrc").write_text(NOTHING)
    env = {"HOME": str(tmp_path), "JACK_DEFAULT_SERVER": "afx-live-no-such-server"}
    done = subprocess.run(
        [sys.executable, "-c", ON_ALSA],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env}, capture_output=True, text=True,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    granted = "real-time (SCHED_FIFO, priority " if allowed() else "ordinary, not real-time: "
    assert done.stdout.startswith(granted), done.stdout
