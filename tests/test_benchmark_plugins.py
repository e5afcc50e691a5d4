"""The benchmark of a hosted plugin: in four turns, and what is missed is counted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.plugins.zam import zam

pytestmark = [pytest.mark.sound, pytest.mark.usefixtures("own_cache")]


def test_a_plugin_that_runs_is_heard_and_one_that_does_not_is_missed(tmp_path: Path) -> None:
    path = tmp_path / "plugins.json"
    command = [sys.executable, "-m", "benchmarks.plugins", zam("ZamCompX2")]
    done = subprocess.run(
        [*command, "--seconds", "0.3", "--json", str(path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert [row["frames"] for row in rows] == [64, 128, 512]
    for row in rows:
        assert row["latency_frames"] == row["frames"] + 32
        assert row["without"]["missed"] == 0 < row["running"]["dsp_us"]["p50"]
        assert row["killed"]["missed"] == row["killed"]["blocks"]
        assert f"{row['killed']['missed']} of {row['killed']['blocks']}" in done.stdout
