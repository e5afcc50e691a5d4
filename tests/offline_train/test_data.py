"""Recordings are found in every layout, split by speaker, and clips are what was asked for."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

pytest.importorskip("torch")

from offline_train import data
from offline_train.data import DataError, Library, scan, synthesised
from tests.support import noise


def write(path: Path, seconds: float = 1.0, sample_rate: int = 24_000, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, noise(round(seconds * sample_rate), 1, 0.1, seed), sample_rate)


def speakers(recordings) -> set[str]:
    return {recording.speaker for recording in recordings}


@pytest.mark.parametrize("subset", ["", "train-clean-360/"])
def test_libritts_layout_keeps_speakers_apart(tmp_path, subset):
    for speaker in range(100, 112):
        for chapter in (1, 2):
            for n in range(2):
                folder = tmp_path / f"{subset}{speaker}/{speaker}{chapter}"
                write(folder / f"{speaker}_{chapter}_{n:06d}_000000.wav", 0.1)
    train, val = scan(tmp_path)
    assert len(train) + len(val) == 48
    assert len(speakers(train)) == 11
    assert len(speakers(val)) == 1
    assert not speakers(train) & speakers(val)
    assert all(recording.kind == "speech" for recording in train)


def test_libritts_dev_subset_is_held_out(tmp_path):
    for subset, speaker in (("train-clean-100", 1), ("train-clean-100", 2), ("dev-clean", 3)):
        write(tmp_path / subset / str(speaker) / "77" / f"{speaker}_77_0.wav", 0.1)
    train, val = scan(tmp_path)
    assert len(train) == 2
    assert [recording.path.parts[-4] for recording in val] == ["dev-clean"]


def test_kinds_layout(tmp_path):
    write(tmp_path / "train/speech/vctk-one/p225_001.flac")
    write(tmp_path / "train/speech/vctk-two/p225_002.flac")
    write(tmp_path / "train/speech16/libri/19/19-1.flac")
    write(tmp_path / "train/music/band/song.flac")
    write(tmp_path / "train/rir/hall/ir.flac")
    write(tmp_path / "val/speech/vctk-one/p999_001.flac")
    train, val = scan(tmp_path)
    assert speakers(train) == {"vctk/p225", "libri/19", "band/song"}
    assert {r.kind for r in train} == {"speech", "music"}
    assert speakers(val) == {"vctk/p999"}


def test_any_folder_is_split_by_folder_or_by_file(tmp_path):
    for name in ("anna", "ben", "carl"):
        for n in range(3):
            write(tmp_path / "voices" / name / f"{n}.wav", 0.1)
    train, val = scan(tmp_path / "voices")
    assert (len(train), len(val)) == (6, 3)
    assert not speakers(train) & speakers(val)
    train, val = scan(tmp_path / "voices" / "anna")
    assert (len(train), len(val)) == (2, 1)


@pytest.mark.parametrize("content", ["missing", "empty", "one", "broken"])
def test_a_folder_that_cannot_be_used_is_named(tmp_path, content):
    folder = tmp_path / "recordings"
    if content != "missing":
        folder.mkdir()
    if content == "one":
        write(folder / "a.wav")
    if content == "broken":
        for name in "ab":
            (folder / f"{name}.wav").write_bytes(b"RIFF" + bytes(40))
    with pytest.raises(DataError, match="recordings") as caught:
        Library(scan(folder)[0])
    assert "\n" not in str(caught.value)


def test_speakers_count_not_minutes(tmp_path):
    for n in range(30):
        write(tmp_path / "loud" / f"{n}.wav", 10.0, 8_000)
    write(tmp_path / "rare" / "0.wav", 10.0, 8_000)
    found = [data.Recording(p, "speech", p.parent.name) for p in tmp_path.rglob("*.wav")]
    library = Library(found)
    share = dict(zip(library.names, library.weight, strict=True))
    assert share["loud"] / share["rare"] < 3.0  # thirty times the minutes


def test_a_clip_joins_recordings_to_length_and_rate(tmp_path):
    for n in range(3):
        write(tmp_path / "a" / f"{n}.wav", 2.0, 24_000, n)
    library = Library([data.Recording(p, "speech", "a") for p in tmp_path.rglob("*.wav")])
    rng = np.random.default_rng(0)
    clip = library.clip("a", 5.0, 16_000, rng)
    assert clip.shape == (80_000,)
    assert clip.dtype == np.float32
    assert len(library.clip("a", 60.0, 16_000, rng)) == pytest.approx(96_000, abs=10)


def test_synthesised_recordings_are_repeatable_and_split():
    train, val = synthesised()
    assert {r.kind for r in train} == {r.kind for r in val} == {"speech", "music"}
    assert not speakers(train) & speakers(val)
    for recording in (train[0], train[-1]):
        frames = round(recording.seconds * recording.rate)
        first = data.excerpt(recording.path, 0, 2 * frames)
        data._synthesised.cache_clear()
        assert np.array_equal(first, data.excerpt(recording.path, 0, frames))
        assert np.isfinite(first).all()
        assert 0.02 < np.sqrt(np.mean(first**2)) < 0.5
        assert len(first) == frames


def test_of_a_long_recording_only_what_a_clip_needs_is_read(tmp_path):
    """Else a folder of long recordings would have to fit into memory."""
    path = tmp_path / "long.wav"
    with soundfile.SoundFile(path, "w", 48_000, 1) as file:
        for _ in range(60):
            file.write(np.zeros(10 * 48_000, np.float32))
    library = Library([data.Recording(path, "speech", "a")])
    tracemalloc.start()
    try:
        for seed in range(3):
            clip = library.clip("a", 5.0, 48_000, np.random.default_rng(seed))
        held = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(clip) == 5 * 48_000
    assert held < 0.1 * 4 * 600 * 48_000
