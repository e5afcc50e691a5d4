"""The demo does the main job by the command a user types, and its sound and picture are real."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from realtime import demo
from realtime.audio_files import read_audio
from realtime.synthesis import speech
from tests.conftest import ROOT

WITHOUT_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ImportError("playing must not need torch")
sys.meta_path.insert(0, NoTorch())
from realtime.cli import main
sys.exit(main())
"""


def afx_live(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_TORCH, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder that a run with torch out of reach left, and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = afx_live("--demo", str(folder))
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_output_is_nearer_to_the_reference_than_the_input(made: tuple[Path, str]) -> None:
    folder, _ = made
    levels = {
        name: demo.third_octaves(*read_audio(folder / f"{name}.wav"))
        for name in ("input", "reference", "output")
    }
    before = demo.distance_db(levels["input"], levels["reference"])
    after = demo.distance_db(levels["output"], levels["reference"])
    assert after < 0.6 * before


def test_input_and_reference_say_different_things(made: tuple[Path, str]) -> None:
    folder, _ = made
    voice, reference = (read_audio(folder / f"{n}.wav")[0][:, 0] for n in ("input", "reference"))
    correlation = np.corrcoef(np.abs(voice), np.abs(reference))[0, 1]
    assert abs(correlation) < 0.2


def test_the_report_and_the_files_are_named(made: tuple[Path, str]) -> None:
    folder, said = made
    assert re.search(r"threshold -?\d+\.\d dBFS\*", said), "the model's threshold, with its unit"
    assert re.search(r"reference .* LUFS", said)
    assert str(folder / "output.wav") in said
    picture = (folder / "spectra.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 10_000


def test_a_second_run_replaces_the_first(made: tuple[Path, str]) -> None:
    folder, _ = made
    before = (folder / "output.wav").read_bytes()
    done = afx_live("--demo", str(folder))
    assert done.returncode == 0, done.stderr
    assert (folder / "output.wav").read_bytes() == before


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = afx_live("--demo", str(tmp_path / "file"))
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "file").read_text() == "in the way"


# --- the voice ---------------------------------------------------------------------------------
def test_the_same_seed_is_the_same_voice_and_another_is_not() -> None:
    assert np.array_equal(speech(2.0, 48_000, 3), speech(2.0, 48_000, 3))
    assert not np.array_equal(speech(2.0, 48_000, 3), speech(2.0, 48_000, 4))


@pytest.mark.parametrize("sample_rate", [16_000, 48_000])
@pytest.mark.parametrize("seed", range(8))
def test_the_voice_is_finite_full_length_and_pauses(sample_rate: int, seed: int) -> None:
    sound = speech(3.0, sample_rate, seed)
    assert sound.shape == (3 * sample_rate,)
    assert sound.dtype == np.float32
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() == pytest.approx(0.5, rel=1e-3)
    frame_db = 20 * np.log10(np.sqrt((sound.reshape(-1, sample_rate // 50) ** 2).mean(axis=1)))
    assert np.percentile(frame_db, 90) - np.percentile(frame_db, 2) > 30


@pytest.mark.parametrize("pitch_hz", [100.0, 200.0])
def test_the_voice_has_its_pitch(pitch_hz: float) -> None:
    frames = speech(8.0, 16_000, 0, pitch_hz).reshape(-1, 800).astype(float)
    loud = frames[np.std(frames, axis=1) > 0.3 * np.std(frames)]
    power = np.abs(np.fft.rfft(loud, 1600)) ** 2
    lags = np.arange(16_000 // 400, 16_000 // 60)
    found_hz = 16_000 / lags[np.argmax(np.fft.irfft(power)[:, lags], axis=1)]
    assert np.median(found_hz) == pytest.approx(pitch_hz, rel=0.12)
