"""The benchmark of a training step: both sides learn, and what is measured is written down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("auraloss")
torch = pytest.importorskip("torch")

from benchmarks import training  # noqa: E402


def test_both_sides_step_and_are_written_down(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(training, "FRAMES", 40_000)
    path = tmp_path / "training.json"
    assert training.main(["--steps", "1", "--batch", "2", "--json", str(path)]) == 0
    record = json.loads(path.read_text(encoding="utf-8"))
    for side in ("ours", "theirs"):
        assert 0.0 < record[side]["processor_s"] < 60.0
        assert record[side]["clock_s"] > 0.0
    assert "times as fast" in capsys.readouterr().out
