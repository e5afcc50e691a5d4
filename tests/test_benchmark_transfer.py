"""The table of ways: ratios are of the same pairs, also where a way was tried on some only."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")

from benchmarks.transfer import main, summary


def test_a_way_is_compared_with_the_pairs_that_it_was_tried_on() -> None:
    def row(score: float, seconds: float = 1.0) -> dict:
        return {"scores": [score] * 4, "seconds": seconds, "renders": 9}

    pairs = [{"untouched": row(2.0), "ours": row(1.0)}, {"untouched": row(8.0)}]
    made = summary(pairs)
    assert made["ours"]["ratio"] == [0.5] * 4 and made["ours"]["pairs"] == 1
    assert made["untouched"]["ratio"] == [1.0] * 4 and made["untouched"]["pairs"] == 2


def test_no_recordings_are_one_line(tmp_path, capsys) -> None:
    assert main(["--data", str(tmp_path / "none"), "--json", str(tmp_path / "t.json")]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not (tmp_path / "t.json").exists()
