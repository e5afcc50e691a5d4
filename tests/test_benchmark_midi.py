"""The MIDI benchmark's own arithmetic: what it says of times that are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.midi import main, times_of
from tests.conftest import ROOT

MS = 1_000_000


def test_each_move_is_timed_by_what_followed_it() -> None:
    sent = np.arange(1, 202) * 50 * MS
    arrivals = sent + 1 * MS
    late = np.zeros(201, np.int64)
    late[7] = 30 * MS
    changes = np.sort(sent + 4 * MS + late)
    row = times_of(sent, np.sort(np.concatenate([arrivals, arrivals + 20 * MS])), changes)
    assert row["moves"] == 201 and row["unheard"] == 0
    assert row["from_send_ms"] == {"p50": 4.0, "p99": 4.0, "max": 34.0}
    assert row["from_arrival_ms"] == {"p50": 3.0, "p99": 3.0, "max": 33.0}


def test_a_move_without_a_change_before_the_next_is_unheard() -> None:
    sent = np.arange(1, 11) * 50 * MS
    heard = np.delete(sent, [3, 9]) + 4 * MS
    row = times_of(sent, sent + 1 * MS, heard)
    assert (row["moves"], row["unheard"]) == (10, 2)
    assert row["from_send_ms"]["max"] == 4.0


def test_options_that_cannot_be_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for options in (["--seconds", "0"], ["--moves", "0"], ["--seconds", "nan"]):
        with pytest.raises(SystemExit) as stopped:
            main(options)
        assert stopped.value.code == 2
        assert "must be above 0" in capsys.readouterr().err


def test_the_results_kept_here_are_complete() -> None:
    path = Path(ROOT) / "benchmarks" / "results" / "midi.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    assert set(record["latency"]) == {"0", "1000"}
    assert set(record["storm"]) == {"storm", "hand", "midi idle", "no midi"}
    assert record["storm"]["storm"]["messages"] >= 59_000
    assert not any(row["stuck"] for row in record["storm"].values())
    assert not any(row["unheard"] for row in record["latency"].values())
