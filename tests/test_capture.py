"""Capture: the gate keeps the signal, counts only it, and no cut into blocks matters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.capture import Collector, Recent
from tests.support import CUTS, cut, noise

RATE = 16_000


def silence(seconds: float) -> np.ndarray:
    return np.zeros((round(seconds * RATE), 1), np.float32)


def loud(seconds: float, seed: int = 0) -> np.ndarray:
    return noise(round(seconds * RATE), 1, 0.1, seed)


def feed(collector: Collector, x: np.ndarray, size: int | str = 320) -> None:
    start = 0
    for length in cut(len(x), size):
        collector.add(x[start : start + length])
        start += length


def test_only_signal_counts() -> None:
    collector = Collector(RATE, 1, seconds=3.0)
    feed(collector, np.concatenate([silence(5.0), loud(2.0)]))
    assert collector.heard_seconds == pytest.approx(2.0, abs=0.03) and not collector.done
    feed(collector, silence(10.0))
    assert collector.heard_seconds == pytest.approx(2.0, abs=0.03)
    feed(collector, loud(1.1, seed=1))
    assert collector.done and collector.heard_seconds == 3.0
    # 3 s of signal, at most 0.02 s ahead of and 0.3 s behind each of its two parts
    assert 3.0 <= len(collector.audio()) / RATE <= 3.0 + 2 * 0.34


def test_what_is_kept_is_the_input_itself() -> None:
    x = np.concatenate([silence(1.0), loud(4.0), silence(1.0)])
    collector = Collector(RATE, 1, seconds=3.0)
    feed(collector, x)
    kept = collector.audio()
    start = RATE - round(0.02 * RATE)  # the lead
    assert np.array_equal(kept, x[start : start + len(kept)])


@pytest.mark.parametrize("size", CUTS)
def test_cuts_do_not_matter(size: int | str) -> None:
    parts = [silence(0.5), loud(0.7), silence(0.2), loud(0.5, 1), silence(1.0), loud(2.0, 2)]
    x = np.concatenate(parts)
    whole, pieces = (Collector(RATE, 1, seconds=2.0) for _ in range(2))
    feed(whole, x, len(x))
    feed(pieces, x, size)
    assert whole.done and np.array_equal(whole.audio(), pieces.audio())


def test_level_below_the_gate_is_not_heard_and_the_gate_moves() -> None:
    x = loud(4.0) * np.float32(10.0 ** (-50.0 / 20.0))  # -70 dBFS
    deaf, keen = Collector(RATE, 1), Collector(RATE, 1, gate_dbfs=-80.0)
    feed(deaf, x)
    feed(keen, x)
    assert deaf.heard_seconds == 0.0 and keen.done
    assert deaf.loudest_dbfs == pytest.approx(-70.0, abs=1.5)


def test_a_source_on_one_side_counts_in_full() -> None:
    x = np.concatenate([loud(4.0), silence(4.0)], axis=1)
    x *= np.float32(10.0 ** (-34.0 / 20.0))  # -54 dBFS on the left, the gate is at -55
    collector = Collector(RATE, 2)
    feed(collector, x)
    assert collector.heard_seconds > 2.5


def test_after_pause_waits_for_a_second_of_quiet() -> None:
    collector = Collector(RATE, 1, seconds=1.0, after_pause=True)
    feed(collector, np.concatenate([loud(3.0), silence(0.9), loud(0.5)]))
    assert collector.waiting_for_pause and collector.heard_seconds == 0.0
    feed(collector, np.concatenate([silence(1.05), loud(1.1, seed=7)]))
    assert not collector.waiting_for_pause and collector.done


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_faults_in_the_input_are_left_out(bad: float) -> None:
    x = loud(4.0)
    x[::7] = bad
    collector = Collector(RATE, 1)
    feed(collector, x)
    assert collector.done and np.abs(collector.audio()).max() < 1.0


def test_speech_is_kept_whole(shared_data: Path) -> None:
    path = sorted((shared_data / "val" / "speech").rglob("*.flac"))[0]
    x, rate = sf.read(path, dtype="float32", always_2d=True)
    collector = Collector(rate, 1, seconds=0.8 * len(x) / rate)
    for start in range(0, len(x), 512):
        collector.add(x[start : start + 512])
    kept = collector.audio()
    assert collector.heard_seconds > 0.5 * len(x) / rate
    assert np.sum(kept**2) > 0.75 * np.sum(x[: len(kept)] ** 2)


# --- the last seconds ------------------------------------------------------------------------
@settings(deadline=None)
@given(sizes=st.lists(st.integers(0, 250), max_size=20), length=st.integers(1, 100))
def test_recent_holds_the_end_whatever_the_blocks(sizes: list[int], length: int) -> None:
    recent = Recent(length, 2, 1.0)
    x = np.arange(2 * sum(sizes), dtype=np.float32).reshape(-1, 2)
    start = 0
    for size in sizes:
        recent.add(x[start : start + size])
        start += size
    assert np.array_equal(recent.audio(), x[-length:])


def test_recent_forgets() -> None:
    recent = Recent(RATE, 1, 1.0)
    recent.add(loud(3.0))
    recent.clear()
    assert len(recent.audio()) == 0
    recent.add(loud(0.5, seed=4))
    assert np.array_equal(recent.audio(), loud(0.5, seed=4))
