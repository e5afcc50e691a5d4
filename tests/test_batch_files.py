"""Which files --input means and how their outputs are called, for any names."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from realtime.batch.files import BatchError, find_takes, into_folder

# Names as people and programs give them: wildcards, spaces, dots and other scripts among them.
NAME = st.text(
    st.sampled_from("ab[]*?! .-é日"), min_size=1, max_size=5
).filter(lambda name: name.strip(".") != "" and not name.startswith("."))  # fmt: skip
SUFFIX = st.sampled_from([".wav", ".WAV", ".flac", ".mp3", ".ogg"])
FILE = st.tuples(st.lists(NAME, max_size=2), NAME, SUFFIX).map(
    lambda parts: "/".join([*parts[0], parts[1] + parts[2]])
)


@contextmanager
def tree(files: list[str]) -> Iterator[Path]:
    """A folder with these files, to stand in; files whose place another's folder has are left."""
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name in files:
            path = Path("takes", name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            except OSError:
                continue
        Path("takes").mkdir(exist_ok=True)
        yield Path(folder)


def found(*inputs: str, kind: str | None = None) -> dict[str, str]:
    """Real path of each input -> name of its output."""
    takes = find_takes(inputs, "styled", kind)
    return {os.path.realpath(take.source): take.name for take in takes}


@settings(max_examples=60, deadline=None)
@given(files=st.lists(FILE, min_size=1, max_size=6), kind=st.sampled_from([None, "wav", "flac"]))
def test_a_folder_gives_every_file_its_own_place_below(files: list[str], kind: str | None) -> None:
    with tree(files):
        there = {p for p in Path("takes").rglob("*") if p.is_file()}
        stems = {p.with_suffix("") for p in there}
        try:
            names = found("takes", kind=kind)
        except BatchError as error:
            assert len(stems) < len(there)  # only because two would become one
            assert "would both be written" in str(error) and "\n" not in str(error)
            return
        assert set(names) == {os.path.realpath(p) for p in there}
        assert len(set(names.values())) == len(names)
        for source, name in names.items():
            below = Path(source).relative_to(os.path.realpath("takes"))
            assert Path(name).with_suffix("") == below.with_suffix("")
            keeps = below.suffix.lower() in (".wav", ".flac")
            assert Path(name).suffix == (f".{kind}" if kind else below.suffix if keeps else ".wav")


@settings(max_examples=60, deadline=None)
@given(files=st.lists(NAME.map(lambda name: name + ".wav"), min_size=1, max_size=6))
def test_the_shell_and_we_expand_a_pattern_alike(files: list[str]) -> None:
    assume("*.wav" not in files)  # a file of that very name is what it means then
    with tree(files):
        by_shell = glob.glob("takes/*.wav")
        assert found("takes/*.wav") == found(*by_shell) == found("takes")


@settings(max_examples=100, deadline=None)
@given(pattern=st.text(st.sampled_from("takes/*?[]!.w~-"), min_size=1, max_size=9))
def test_any_pattern_finds_files_below_the_folder_or_is_one_line(pattern: str) -> None:
    assume("\0" not in pattern and not pattern.startswith(("/", "~")))
    with tree(["a.wav", "s/a.wav", "s/t/k.flac", "w"]):
        try:
            names = found(pattern)
        except BatchError as error:
            assert "\n" not in str(error)
            return
        assert all(not Path(name).is_absolute() for name in names.values())
        assert all(".." not in Path(name).parts for name in names.values())


def test_wherever_a_pattern_has_its_wildcard_the_path_behind_it_is_kept(tmp_path: Path) -> None:
    with chdir(tmp_path):
        for name in ("takes/1/vox.wav", "takes/2/vox.wav", "takes/2/deep/er/vox.wav"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()
        both = {"1/vox.wav", "2/vox.wav"}
        assert set(found("takes/*/vox.wav").values()) == both
        assert set(found("takes/1/vox.wav", "takes/2/vox.wav").values()) == both
        assert set(found("takes/**/*.wav").values()) == both | {"2/deep/er/vox.wav"}
        assert set(found(str(tmp_path / "takes" / "?" / "*.wav")).values()) == both
        assert set(found("takes/2").values()) == {"vox.wav", "deep/er/vox.wav"}
        assert set(found("takes/2/vox.wav").values()) == {"vox.wav"}


def test_what_is_no_input_is_left_out(tmp_path: Path) -> None:
    """Hidden files, other kinds of files in a folder, and what an earlier run made."""
    with chdir(tmp_path):
        for name in ("a.wav", ".b.wav", ".hidden/c.wav", "notes.txt", "styled/a.wav", "d/e.mp3"):
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()
        assert set(found(".").values()) == {"a.wav", "d/e.wav"}
        assert set(found("**/*.wav").values()) == {"a.wav"}
        assert set(found("*").values()) == {"a.wav", "notes.wav"}  # named: for the reader to refuse
        assert found("a.wav", "*.wav", "./a.wav", ".") == found(".")


@pytest.mark.parametrize(("inputs", "words"), [
    (["none*.wav"], "no file matches 'none*.wav'"),
    (["empty"], "no audio file"),
    (["a.wav", "a.mp3"], "would both be written to 'a.wav'"),
])  # fmt: skip
def test_a_mistake_names_what_is_wrong(tmp_path: Path, inputs: list[str], words: str) -> None:
    with chdir(tmp_path):
        Path("empty").mkdir()
        for name in ("a.wav", "a.mp3"):
            Path(name).touch()
        with pytest.raises(BatchError, match=words.replace("*", r"\*")):
            find_takes(inputs, "styled")


def test_when_the_output_is_a_folder(tmp_path: Path) -> None:
    with chdir(tmp_path):
        Path("there").mkdir()
        Path("take[1].wav").touch()
        for inputs, output in (
            (["a.wav", "b.wav"], "x"), (["*.wav"], "x"), (["there"], "x"), (["a.wav"], "there"),
            (["a.wav"], "new/"), (["a.wav"], "new"),
        ):  # fmt: skip
            assert into_folder(inputs, output), (inputs, output)
        for inputs, output in (
            (["a.wav"], "b.wav"),
            (["a.wav"], "b.mp3"),
            (["take[1].wav"], "b.wav"),
        ):
            assert not into_folder(inputs, output), (inputs, output)
        with pytest.raises(BatchError, match="names a file"):
            find_takes(["*.wav"], "out.wav")
