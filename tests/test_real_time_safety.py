"""The real-time contract, on a thread that is watched while it runs the real callback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugins.zam import zam

NATIVE = Path(__file__).parent / "native"
COUNTS = ("allocations", "frees", "locks", "waits", "calls", "posts")

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the watch is preloaded by Linux's loader"
)


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        if os.environ.get("CI"):
            pytest.fail("no C compiler: apt-get install gcc")
        pytest.skip("no C compiler for the watched audio thread")
    library = tmp_path_factory.mktemp("watch") / "audio_thread.so"
    command = [compiler, "-O2", "-fPIC", "-shared", "-pthread", "-o", str(library)]
    subprocess.run([*command, str(NATIVE / "audio_thread.c"), "-ldl"], check=True)
    return library


def run(watch: Path, scenario: str) -> dict[str, Any]:
    environment = {**os.environ, "LD_PRELOAD": str(watch)}
    environment["PYTHONPATH"] = str(NATIVE.parent.parent)
    done = subprocess.run(
        [sys.executable, str(NATIVE / "watched_session.py"), str(watch), scenario],
        env=environment, capture_output=True, text=True, timeout=180, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_watch_sees_what_is_forbidden(watch: Path) -> None:
    seen = run(watch, "misbehave")
    assert {key: seen[key] for key in COUNTS} == {
        "allocations": 1, "frees": 1, "locks": 1, "waits": 0, "calls": 1, "posts": 0,
    }  # fmt: skip


def test_a_storm_of_parameters_allocates_locks_and_waits_for_nothing(watch: Path) -> None:
    seen = run(watch, "storm")
    assert seen["finished"] and seen["finite"]
    assert seen["blocks"] == 100_000
    assert seen["published"] > 100
    assert seen["resets"] == 200_000  # two samples of each block are faults
    assert {key: seen[key] for key in COUNTS} == dict.fromkeys(COUNTS, 0)


def test_the_callback_runs_while_another_thread_holds_the_gil(watch: Path) -> None:
    seen = run(watch, "gil")
    assert seen["finished"]
    assert seen["blocks"] == 100_000
    assert {key: seen[key] for key in COUNTS} == dict.fromkeys(COUNTS, 0)


def test_a_plugin_that_is_moved_and_killed_costs_the_audio_thread_no_call(watch: Path) -> None:
    seen = run(watch, zam("ZamCompX2"))
    assert seen["finished"] and seen["finite"]
    assert seen["blocks"] == 6_000
    assert seen["plugin"]["restarts"] >= 1 and seen["plugin"]["dry_blocks"] > 0
    assert {key: seen[key] for key in COUNTS} == dict.fromkeys(COUNTS, 0)
