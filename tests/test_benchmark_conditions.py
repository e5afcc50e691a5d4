"""The model under other conditions: what counts as moved, what as nearer, and bad input."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")

from benchmarks.conditions import RATE, _apart, _move, main
from realtime.preset import Preset
from realtime.transfer import render
from tests.support import speech_like

SPEECH = speech_like(3.0, RATE, 1)


def test_a_gain_moves_every_band_and_the_loudness_by_itself() -> None:
    assert _move(SPEECH, SPEECH, RATE) == [0.0, 0.0]
    assert _move(SPEECH, np.float32(10.0 ** (3.0 / 20.0)) * SPEECH, RATE) == pytest.approx(
        [3.0, 3.0], abs=0.01
    )


def test_the_band_that_moved_most_counts() -> None:
    bell = render(SPEECH, Preset({"eq3.freq_hz": 1000.0, "eq3.q": 2.0, "eq3.gain_db": 6.0}), RATE)
    assert _move(SPEECH, bell, RATE)[0] == pytest.approx(6.0, abs=1.0)


def test_spectrum_loudness_and_crest_are_told_apart() -> None:
    spectrum, loudness, crest = _apart(np.float32(0.5) * SPEECH, SPEECH)
    assert (spectrum, crest) == pytest.approx((0.0, 0.0), abs=1e-3)
    assert loudness == pytest.approx(6.02, abs=0.01)
    clipped = np.clip(SPEECH, -0.05, 0.05)
    assert _apart(clipped, SPEECH)[2] > 3.0


def test_no_recordings_are_one_line_and_nothing_is_written(tmp_path, capsys) -> None:
    made = tmp_path / "c.json"
    assert main(["--data", str(tmp_path / "none"), "--json", str(made)]) == 2
    assert capsys.readouterr().err.count("\n") == 1 and not made.exists()


def test_no_examples_are_refused(tmp_path, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--data", str(tmp_path), "--examples", "0"])
    assert ended.value.code == 2 and "--examples is 0" in capsys.readouterr().err
