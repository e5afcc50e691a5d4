"""Audio files in and out: every format, every way of being wrong, nothing half written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime import audio_files, output_files
from realtime.audio_files import AudioFileError
from tests.support import noise, rms, sine, to_db

RATE = 44_100


def tone(seconds: float = 2.0, channels: int = 2, rate: int = RATE) -> np.ndarray:
    x = sine(1_000.0, round(seconds * rate), rate, 0.25).astype("f4")
    return np.repeat(x[:, None], channels, axis=1)


@pytest.mark.parametrize(
    ("suffix", "error_db"), [("wav", -80.0), ("flac", -80.0), ("ogg", -20.0), ("mp3", -20.0)]
)
@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_reads_every_format(
    tmp_path: Path, suffix: str, error_db: float, channels: int, rate: int
) -> None:
    x = tone(2.0, channels, rate)
    path = tmp_path / f"tone.{suffix}"
    sf.write(path, x, rate)
    y, read_rate = audio_files.read_reference(path)
    assert (y.dtype, y.shape[1], read_rate) == (np.float32, channels, rate)
    assert abs(len(y) - len(x)) <= 1_152  # MP3 comes in frames of as many samples
    middle = slice(rate // 2, rate)  # away from the edges that codecs pad
    error = y[middle] - x[middle]
    assert to_db(rms(error) / rms(x)) < error_db


@pytest.mark.parametrize("channels", [1, 2, 6])
def test_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    x = noise(RATE, channels, 0.1)
    sf.write(tmp_path / "x.wav", x, RATE, subtype="FLOAT")
    y, _ = audio_files.read_audio(tmp_path / "x.wav")
    assert np.array_equal(x, y)


def test_reads_no_more_than_asked(tmp_path: Path) -> None:
    sf.write(tmp_path / "x.wav", tone(4.0), RATE)
    y, _ = audio_files.read_audio(tmp_path / "x.wav", max_seconds=2.5)
    assert len(y) == round(2.5 * RATE)


def test_mono_and_stereo_turn_into_each_other() -> None:
    left_right = np.array([[0.5, 0.1], [-0.5, 0.5]], np.float32)
    assert np.allclose(audio_files.to_channels(left_right, 1), [[0.3], [0.0]])
    both = audio_files.to_channels(left_right[:, :1], 2)
    assert np.array_equal(both, [[0.5, 0.5], [-0.5, -0.5]]) and both.flags.c_contiguous
    assert np.array_equal(audio_files.to_channels(left_right, 2), left_right)


def corrupt_flac(path: Path) -> None:
    sf.write(path, noise(2 * RATE, 1, 0.1), RATE)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 :] = np.random.default_rng(3).bytes(len(data) // 2)
    path.write_bytes(data)


BROKEN = {
    "missing": (lambda p: None, "no such file"),
    "empty": (lambda p: p.write_bytes(b""), "is empty"),
    "folder": (lambda p: p.mkdir(), "is a folder"),
    "no audio": (lambda p: p.write_bytes(b"hello " * 500), "not a readable"),
    "broken in the middle": (corrupt_flac, "is broken"),
    "no samples": (lambda p: sf.write(p, np.zeros((0, 1)), RATE, format="WAV"), "holds no samples"),
    "10 ms": (lambda p: sf.write(p, tone(0.01), RATE), "lasts 0.01 s"),
    "silent": (lambda p: sf.write(p, np.zeros((2 * RATE, 2)), RATE), "is silent"),
    "almost silent": (lambda p: sf.write(p, 1e-4 * tone(), RATE), "silent"),
    "4 kHz": (lambda p: sf.write(p, tone(2.0, 1, 4_000), 4_000), "sample rate of 4000 Hz"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_useless_reference_is_refused_in_one_line(
    tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    make, words = BROKEN[kind]
    path = tmp_path / "reference.flac"
    make(path)
    with pytest.raises(AudioFileError, match=words) as caught:
        audio_files.read_reference(path)
    assert "\n" not in str(caught.value) and "reference.flac" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_broken_mp3_says_nothing_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.mp3"
    sf.write(path, noise(2 * RATE, 1, 0.1), RATE)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 3 + 9_000] = np.random.default_rng(3).bytes(9_000)
    path.write_bytes(data)
    with pytest.raises(AudioFileError, match=r"broken|lasts"):
        audio_files.read_reference(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_reference_that_is_no_numbers_is_refused(tmp_path: Path, bad: float) -> None:
    x = tone()
    x[1_000, 0] = bad
    sf.write(tmp_path / "x.wav", x, RATE, subtype="FLOAT")
    with pytest.raises(AudioFileError, match="no numbers"):
        audio_files.read_reference(tmp_path / "x.wav")


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=300), header=st.booleans())
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, header: bool
) -> None:
    folder = tmp_path_factory.mktemp("bytes")
    path = folder / "x.wav"
    if header:
        sf.write(path, tone(0.01, 1), RATE)
        start = path.read_bytes()
        data = start[: 12 + len(data) % 32] + data
    path.write_bytes(data)
    try:
        x, rate = audio_files.read_audio(path)
    except AudioFileError as error:
        assert "\n" not in str(error)
    else:
        assert x.ndim == 2 and len(x) > 0 and rate > 0


# --- writing ---------------------------------------------------------------------------------
@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_written_audio_is_read_back(tmp_path: Path, suffix: str) -> None:
    x = np.clip(noise(RATE, 2, 0.3), -1.0, 1.0)
    x[0], x[1] = 1.0, -1.0
    path = tmp_path / f"y.{suffix}"
    output_files.write_audio(path, x, RATE)
    y, rate = audio_files.read_audio(path)
    assert rate == RATE and sf.info(path).subtype == "PCM_24"
    assert np.abs(y - x).max() <= 2.0**-23  # full scale is one step short of 1.0
    assert os.listdir(tmp_path) == [path.name]


def test_a_failure_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "y.wav"
    path.write_bytes(b"precious")
    with (
        pytest.raises(KeyboardInterrupt),
        output_files.AudioWriter(path, RATE, 2) as file,
    ):
        file.write(tone())
        raise KeyboardInterrupt
    assert path.read_bytes() == b"precious" and os.listdir(tmp_path) == ["y.wav"]


def test_writing_where_no_folder_is(tmp_path: Path) -> None:
    with pytest.raises(AudioFileError, match="no folder"):
        output_files.write_audio(tmp_path / "none" / "y.wav", tone(), RATE)
    with pytest.raises(AudioFileError, match="cannot write"):
        output_files.write_text(tmp_path / "none" / "y.json", "{}")


def test_writing_through_a_link_replaces_what_it_points_to(tmp_path: Path) -> None:
    target, link = tmp_path / "target.wav", tmp_path / "link.wav"
    target.write_bytes(b"old")
    link.symlink_to(target)
    output_files.write_audio(link, tone(), RATE)
    assert link.is_symlink() and sf.info(target).frames == 2 * RATE


@pytest.mark.parametrize("way", ["same", "symlink", "hardlink", "dotted", "dangling link"])
def test_a_file_that_is_read_is_never_written(tmp_path: Path, way: str) -> None:
    source, path = tmp_path / "in.wav", tmp_path / "out.wav"
    sf.write(source, tone(), RATE)
    if way == "same":
        path = source
    elif way == "symlink":
        path.symlink_to(source)
    elif way == "hardlink":
        path.hardlink_to(source)
    elif way == "dotted":
        path = tmp_path / ".." / tmp_path.name / "in.wav"
    else:
        path.symlink_to(tmp_path / "nowhere" / "in.wav")
    words = "no folder" if way == "dangling link" else "same file"
    with pytest.raises(AudioFileError, match=words):
        output_files.check_audio_output(path, [source], overwrite=True)


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = tmp_path / "y.wav"
    path.write_bytes(b"old")
    with pytest.raises(AudioFileError, match="--overwrite"):
        output_files.check_audio_output(path, [], overwrite=False)
    output_files.check_audio_output(path, [], overwrite=True)


@pytest.mark.parametrize("name", ["y.mp3", "y", "y.wav.txt"])
def test_only_names_of_formats_we_write(tmp_path: Path, name: str) -> None:
    with pytest.raises(AudioFileError, match="must end in"):
        output_files.check_audio_output(tmp_path / name, [], overwrite=False)


def test_of_a_long_reference_the_beginning_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    sf.write(path, tone(150.0, 1, 8_000), 8_000)
    y, rate = audio_files.read_reference(path)
    assert len(y) == audio_files.REFERENCE_SECONDS_MAX * rate


def test_of_more_than_two_channels_the_mean_is_the_reference(tmp_path: Path) -> None:
    x = noise(2 * RATE, 4, 0.1)
    sf.write(tmp_path / "x.wav", x, RATE, subtype="FLOAT")
    y, _ = audio_files.read_reference(tmp_path / "x.wav")
    assert np.allclose(y, x.mean(axis=1, keepdims=True), atol=1e-6)
