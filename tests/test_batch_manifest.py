"""What a batch remembers of its outputs, whatever a kill or a person did to them."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.audio_files import AudioFileError
from realtime.batch.files import BatchError
from realtime.batch.manifest import Manifest, key_of, sound_options
from realtime.cli import parser

SOURCE = (1_000, 123_456_789)


def put(folder: Manifest, name: str, content: bytes, key: str = "k", replace: bool = False) -> None:
    staged = folder.staging / "made.wav"
    staged.write_bytes(content)
    folder.publish(name, staged, SOURCE, key, {"preset": {"comp.ratio": 2.0}}, replace=replace)


def test_an_output_is_finished_only_as_it_was_made(tmp_path: Path) -> None:
    with Manifest(tmp_path) as manifest:
        put(manifest, "sub/a.wav", b"first")
        assert manifest.is_finished("sub/a.wav", SOURCE, "k")
    with Manifest(tmp_path) as manifest:
        assert manifest.is_finished("sub/a.wav", SOURCE, "k")
        assert not manifest.is_finished("sub/a.wav", SOURCE, "another preset")
        assert not manifest.is_finished("sub/a.wav", (1_001, SOURCE[1]), "k")
        assert not manifest.is_finished("sub/a.wav", (SOURCE[0], 5), "k")
        put(manifest, "sub/a.wav", b"second", key="another preset")  # ours may be replaced
        assert (tmp_path / "sub/a.wav").read_bytes() == b"second"
        (tmp_path / "sub/a.wav").write_bytes(b"edited by hand")
        assert not manifest.is_finished("sub/a.wav", SOURCE, "another preset")
        assert not manifest.is_ours("sub/a.wav")
        with pytest.raises(AudioFileError, match="--overwrite"):
            put(manifest, "sub/a.wav", b"third")
        assert (tmp_path / "sub/a.wav").read_bytes() == b"edited by hand"
        put(manifest, "sub/a.wav", b"third", replace=True)
        (tmp_path / "sub/a.wav").unlink()
        assert not manifest.is_finished("sub/a.wav", SOURCE, "k")


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), junk=st.binary(max_size=40))
def test_a_torn_manifest_costs_a_file_at_most(
    tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    with Manifest(folder) as manifest:
        put(manifest, "a.wav", b"first")
        put(manifest, "b.wav", b"second")
    (lines,) = folder.glob(".afx-live/*.jsonl")
    whole = lines.read_bytes()
    lines.write_bytes(whole[: max(0, len(whole) - cut)] + junk)
    with Manifest(folder) as manifest:
        assert manifest.is_finished("a.wav", SOURCE, "k") or cut + len(junk) > 0
        assert not manifest.is_finished("a.wav", SOURCE, "other")
        put(manifest, "c.wav", b"third")
    with Manifest(folder) as manifest:  # whatever stands before it, a new line can be read
        assert manifest.is_finished("c.wav", SOURCE, "k")
        put(manifest, "b.wav", b"again", replace=True)
        assert manifest.is_finished("b.wav", SOURCE, "k")


def test_two_batches_do_not_share_a_folder_and_a_killed_one_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".afx-live" / "part-killed").mkdir(parents=True)
    (tmp_path / ".afx-live" / "part-killed" / "half.wav").write_bytes(b"half")
    with Manifest(tmp_path) as manifest:
        with pytest.raises(BatchError, match="another afx-live"):
            Manifest(tmp_path)
        assert manifest.staging.is_dir()
        assert [p.name for p in tmp_path.glob("**/*.wav")] == []
    assert not manifest.staging.exists()


def options(*argv: str) -> str:
    return key_of(sound_options(parser().parse_args(argv), {}))


def test_what_changes_the_sound_changes_the_key(tmp_path: Path) -> None:
    ref, same = tmp_path / "ref.wav", tmp_path / "copy.wav"
    ref.write_bytes(b"a sound")
    same.write_bytes(b"a sound")
    base = options("--ref", str(ref))
    assert base == options("--ref", str(same), "--overwrite", "--jobs", "3", "--stats", "s.json")
    for more in (["--amount", "50"], ["--channels", "2"], ["--ref", str(same)], ["--gate-db=-50"]):
        assert options("--ref", str(ref), *more) != base, more
    ref.write_bytes(b"another")
    assert options("--ref", str(ref)) != base


def test_an_option_of_tomorrow_counts() -> None:
    assert key_of(sound_options(Namespace(ref=["x"], new=["a", 1.0]), {})) != key_of(
        sound_options(Namespace(ref=["x"], new=["a", 2.0]), {})
    )
