"""What real plugins say of themselves becomes rows of parameters in plain units."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from realtime.plugins.setting import PluginParam
from tests.plugins.zam import zam

ROOT = Path(__file__).resolve().parents[2]

# In a process of its own, as always: a plugin's code may crash.
DESCRIBE = """
import pickle, sys, time
from realtime.plugins.loading import PluginError, describe, load
began = time.perf_counter()
try:
    rows = describe(load(sys.argv[1]), "it")
except PluginError as error:
    rows = str(error)
sys.stdout.buffer.write(b"ROWS" + pickle.dumps((rows, time.perf_counter() - began)))
"""


def described(path: str) -> tuple[tuple[PluginParam, ...] | str, float]:
    import pickle

    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, path], cwd=ROOT, capture_output=True, check=True
    )
    return pickle.loads(done.stdout.partition(b"ROWS")[2])


def rows_of(name: str) -> dict[str, PluginParam]:
    rows, _ = described(zam(name))
    return {row.id: row for row in rows if isinstance(row, PluginParam)}


def test_a_compressor_shows_what_a_hand_may_move() -> None:
    rows = rows_of("ZamCompX2")
    assert list(rows) == [
        f"it.{key}"
        for key in ("attack", "release", "knee", "ratio", "threshold", "makeup", "slew",
                    "stereo_detection", "sidechain")
    ]  # fmt: skip
    threshold, ratio, detection = (
        rows[f"it.{k}"] for k in ("threshold", "ratio", "stereo_detection")
    )
    assert (threshold.unit, threshold.minimum, threshold.maximum) == ("dB", -80.0, 0.0)
    assert (ratio.default, ratio.minimum, ratio.maximum) == (4.0, 1.0, 20.0)
    assert detection.texts == ("off", "on")
    assert threshold.to_unit(-20.0) == pytest.approx(0.75, abs=1e-6)


def test_steps_with_names_are_named_and_real_parameters_stay() -> None:
    models = rows_of("ZamTube")["it.tone_stack_model"]
    assert len(models.texts) == 25 and models.texts[0] == "1959 Bassman 5F6-A"
    assert models.from_unit(models.to_unit(7.0)) == 7.0
    # No host may automate the room, yet it is a knob; meters that may be automated are none.
    verb = rows_of("ZamVerb")
    assert verb["it.room"].smoothing_ms == 0.0 < verb["it.wet_dry"].smoothing_ms
    assert not any("gain_reduction" in key for key in rows_of("ZaMultiCompX2"))


def test_a_plugin_that_probes_slowly_loads_at_once() -> None:
    """pedalboard's own loader takes a minute for this one."""
    rows, seconds = described(zam("ZamVerb"))
    assert len(rows) == 3
    assert seconds < 20.0


def test_what_is_no_plugin_is_refused_in_one_line(tmp_path: Path) -> None:
    wrong = tmp_path / "song.vst3"
    wrong.write_text("not a plugin")
    began = time.perf_counter()
    message, _ = described(str(wrong))
    assert isinstance(message, str)
    assert str(wrong) in message and "\n" not in message
    assert time.perf_counter() - began < 20.0
