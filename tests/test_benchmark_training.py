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


def test_their_encoder_is_efficientnet_b2() -> None:
    """7.7 million weights, of the 9.1 that its paper gives 1.4 are the classifier's."""
    model = training.Theirs()
    features = sum(p.numel() for p in model.encoder[:-1].parameters())
    assert features == pytest.approx(7.7e6, rel=0.02)
    assert sum(p.numel() for p in model.controller.parameters()) == pytest.approx(0.6e6, rel=0.02)


def test_their_effects_leave_a_sound_alone_where_nothing_is_set() -> None:
    x = 0.1 * torch.randn(4_000)
    units = torch.full((24,), 0.5)
    units[18] = 0.0  # a threshold of 0 dBFS
    assert float((training._their_effects(x, units) - x).abs().max()) < 1e-4
