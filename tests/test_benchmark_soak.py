"""The soak in short: a real session, a real storm of MIDI, and an honest account of it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, unavailable

SECONDS = 6.0
SHORT = """
import sys
from pathlib import Path
from benchmarks import soak

sys.exit(soak.run(float(sys.argv[1]) / 60.0, Path(sys.argv[2])))
"""

pytestmark = pytest.mark.sound


def test_a_session_holds_out_in_a_storm(tmp_path: Path) -> None:
    if shutil.which("jackd") is None:
        unavailable("jackd is not installed (Debian: apt-get install jackd2)")
    path = tmp_path / "soak.json"
    command = [sys.executable, "-c", SHORT, str(SECONDS), str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = json.loads(path.read_text(encoding="utf-8"))["results"]
    assert row["messages"] > 900 * SECONDS
    assert row["blocks"] > 0.9 * SECONDS * row["sample_rate"] / row["period"]
    assert row["nonfinite_resets"] == 0
    assert row["processor"]["preempted"] >= 0
    assert 0.0 <= row["processor"]["stolen_s"] < 10 * SECONDS
    memory = row["memory"]
    assert 30_000 < memory["warm_kb"] <= memory["max_kb"]
    assert memory["growth_kb"] == memory["end_kb"] - memory["warm_kb"]
    assert str(row["blocks"]) in done.stdout
