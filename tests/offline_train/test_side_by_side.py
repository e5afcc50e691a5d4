"""All strategies beside each other: the same time each, a newcomer among them, and a table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from offline_train import side_by_side, strategies  # noqa: E402
from offline_train.config import CONFIGS, Proxies, SideBySide, read  # noqa: E402
from offline_train.data import synthesised  # noqa: E402


@pytest.fixture
def small() -> SideBySide:
    config = read(CONFIGS / "strategies.toml")
    assert isinstance(config, SideBySide)
    return replace(
        config,
        width=16,
        pools=replace(config.pools, audio=4, validation=2, audio_frames=4_096),
        proxies=Proxies(2, 3, (1,), kernels=4, taps=63, steps=1, batch=2, frames=2_048),
        audio=replace(config.audio, seconds=0.5, batch=2, frames=4_096, windows=(128,)),
    )


def test_a_newcomer_stands_beside_the_others_and_a_finished_run_is_not_trained_again(
    small, tmp_path, monkeypatch, capsys
):
    (tmp_path / "by_hand.py").write_text(
        "from offline_train.strategies.ad import AutomaticDifferentiation\n"
        "make = lambda workshop: AutomaticDifferentiation(workshop.profile)\n"
    )
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    found = [name for name in strategies.names() if not name.startswith("np")]  # those cost time
    assert found == ["ad", "by-hand", "spsa"]
    monkeypatch.setattr(strategies, "names", lambda: tuple(found))
    out = tmp_path / "run"
    out.mkdir()
    rows = side_by_side.run(small, *synthesised(), out)
    assert list(rows) == found
    for row in rows.values():
        assert row.distance.shape == (2,) and np.isfinite(row.distance).all()
        assert row.steps > 1 and 0.5 <= row.seconds < 60.0
    shown = capsys.readouterr().out
    assert all(word in shown for word in (*found, "untouched", "distortion", "reverb"))

    again = side_by_side.run(small, *synthesised(), out)
    assert "loss" not in capsys.readouterr().out
    assert all(np.array_equal(again[name].distance, rows[name].distance) for name in found)
