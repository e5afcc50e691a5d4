"""Many files from the outside: what each becomes, what fails, and how a stopped batch goes on."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from realtime.preset import load_preset, save_preset
from realtime.transfer import render
from tests.batch_rig import COMMAND, children, environment, gone, outputs, started, wait_for
from tests.file_rig import RATE, TESTED, afx_live, afx_live_here, write_files
from tests.plugins.zam import zam
from tests.support import noise

STOP_S = 1.0

pytestmark = pytest.mark.usefixtures("compiled", "own_cache")


def test_each_file_becomes_what_it_becomes_alone_and_bad_ones_stop_nothing(
    tmp_path: Path, shared_data: Path
) -> None:
    """Real voices, every kind of bad file, and a disk that is full for the largest."""
    write_files(tmp_path)
    voices = sorted((shared_data / "val" / "speech").glob("vctk*/*.flac"))[:3]
    takes = tmp_path / "takes"
    (takes / "sub").mkdir(parents=True)
    for name, voice in zip(("one.flac", "two.wav", "sub/three.mp3"), voices, strict=True):
        x, rate = sf.read(voice)
        sf.write(takes / name, x, rate)
    for name in ("text.wav", "empty.wav", "silent.wav", "broken.flac", "slow.wav"):
        (tmp_path / name).rename(takes / name)
    os.mkfifo(takes / "pipe.wav")
    (takes / "dangling.wav").symlink_to("nowhere.wav")
    sf.write(takes / "large.wav", noise(20 * RATE, 1, 0.1), RATE)
    limit = 1_000_000
    args = ("--ref", "ref.wav", "--input", "takes", "--output", "styled", "--jobs", "2")
    done = subprocess.run(
        [*COMMAND, *args, "--stats", "s.json"],
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert set(outputs(tmp_path / "styled")) == {"one.flac", "two.wav", "sub/three.wav"}
    stats = json.loads((tmp_path / "s.json").read_text())
    assert (stats["done"], stats["skipped"], stats["failed"], stats["left"]) == (3, 0, 8, 0)
    by_name = {file["input"]: file for file in stats["files"]}
    for name, words in {
        "text.wav": "not a readable", "empty.wav": "is empty", "silent.wav": "too little",
        "broken.flac": "is broken", "slow.wav": "4000 Hz", "pipe.wav": "is not a file",
        "dangling.wav": "no such file", "large.wav": "cannot write 'styled/large.wav'",
    }.items():  # fmt: skip
        row = by_name[f"takes/{name}"]
        assert row["status"] == "failed" and words in row["error"], row
        assert name in row["error"] and "\n" not in row["error"] and ".afx-live" not in row["error"]
        assert done.stdout.count(row["error"]) == done.stderr.count(row["error"]) == 1
    for name, out in (("one.flac", "one.flac"), ("sub/three.mp3", "sub/three.wav")):
        alone = f"alone{Path(out).suffix}"
        args = ("--ref", "ref.wav", "--input", str(takes / name), "--output", alone)
        assert afx_live(*args, cwd=tmp_path).returncode == 0
        want, rate = sf.read(tmp_path / alone)
        y, out_rate = sf.read(tmp_path / "styled" / out)
        assert y.shape == want.shape and rate == out_rate and np.array_equal(y, want)
    # Each has an input profile, and so parameters, of its own.
    presets = [by_name[f"takes/{name}"]["preset"] for name in ("one.flac", "two.wav")]
    assert presets[0] != presets[1]


def test_what_is_finished_is_not_done_again_and_what_changed_is(tmp_path: Path) -> None:
    save_preset(TESTED, tmp_path / "good.toml")
    (tmp_path / "takes").mkdir()
    for name in "abcd":
        sf.write(tmp_path / "takes" / f"{name}.wav", noise(RATE, 1, 0.1, ord(name)), RATE)
    styled = tmp_path / "styled"
    styled.mkdir()
    (styled / "d.wav").write_bytes(b"precious")
    args = ("--preset", "good.toml", "--input", "takes/*.wav", "--output", "styled", "--jobs", 1)

    def run(*more: object) -> tuple[int, dict[str, str]]:
        done = afx_live_here(*args, "--stats", "s.json", *more, cwd=tmp_path)
        rows = json.loads((tmp_path / "s.json").read_text())["files"]
        return done.returncode, {row["output"][0]: row["status"] for row in rows}

    assert run() == (1, {"a": "done", "b": "done", "c": "done", "d": "failed"})
    assert (styled / "d.wav").read_bytes() == b"precious"
    first = outputs(styled)
    expected = render(sf.read(tmp_path / "takes/a.wav", dtype="float32")[0], TESTED, RATE)
    y, _ = sf.read(styled / "a.wav", dtype="float32")
    assert np.abs(y[: len(expected)] - expected).max() <= 2.0**-23

    (tmp_path / "takes/d.wav").unlink()
    assert run() == (0, dict.fromkeys("abc", "skipped"))
    assert outputs(styled) == first

    sf.write(tmp_path / "takes/a.wav", noise(RATE, 1, 0.1, 9), RATE)  # another input
    (styled / "b.wav").unlink()  # a lost output
    sf.write(styled / "c.wav", y, RATE)  # somebody's own work on one
    edited = (styled / "c.wav").read_bytes()
    assert run() == (1, {"a": "done", "b": "done", "c": "failed"})
    assert (styled / "c.wav").read_bytes() == edited
    assert outputs(styled)["a.wav"] != first["a.wav"]

    save_preset(TESTED.with_values({"comp.ratio": 2.0}), tmp_path / "good.toml")
    assert run() == (1, {"a": "done", "b": "done", "c": "failed"})
    assert (styled / "c.wav").read_bytes() == edited
    assert run("--overwrite") == (0, {"a": "skipped", "b": "skipped", "c": "done"})
    assert (styled / "d.wav").read_bytes() == b"precious"


def many(folder: Path, count: int, seconds: float) -> None:
    (folder / "takes").mkdir()
    for index in range(count):
        x = noise(round(seconds * RATE), 1, 0.1, index)
        sf.write(folder / "takes" / f"{index:02d}.wav", x, RATE)


def test_a_killed_batch_goes_on_where_it_was(tmp_path: Path) -> None:
    """First a worker is killed, which costs nothing; then the batch, which leaves no worker."""
    names = {f"{index:02d}.wav" for index in range(16)}
    (tmp_path / "takes").mkdir()
    for index, name in enumerate(sorted(names)):
        sf.write(tmp_path / "takes" / name, noise(8 * RATE, 1, 0.1, index), RATE)
    styled = tmp_path / "styled"
    args = ("--preset", "hall", "--input", "takes/*.wav", "--output", "styled", "--jobs", 1)
    with started(*args, cwd=tmp_path) as batch:
        wait_for(lambda: outputs(styled))
        (worker,) = children(batch.pid)
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda: children(batch.pid) - {worker})
        before = len(outputs(styled))
        wait_for(lambda: len(outputs(styled)) > before)
        workers = children(batch.pid)
        batch.kill()
        batch.wait()
        wait_for(lambda: all(map(gone, workers)), 5.0)  # nobody works on for nobody
    kept = outputs(styled)
    assert 2 <= len(kept) < 16
    for name in kept:
        assert sf.info(styled / name).frames >= 8 * RATE
    done = afx_live_here(*args, "--stats", "s.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "s.json").read_text())["files"]
    assert {row["output"] for row in rows if row["status"] == "skipped"} == set(kept)
    after = outputs(styled)
    assert set(after) == names and {name: after[name] for name in kept} == kept
    assert [p.name for p in (styled / ".afx-live").iterdir()] == ["made.jsonl"]
    hall = load_preset("hall")
    for name in (min(kept), min(names - set(kept))):
        x, _ = sf.read(tmp_path / "takes" / name, dtype="float32")
        y, _ = sf.read(styled / name, dtype="float32")
        assert np.abs(y[: len(x)] - render(x, hall, RATE)).max() <= 2.0**-23


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_batch_ends_at_once_and_can_go_on(tmp_path: Path, number: int) -> None:
    """With a hosted plugin, too, which has a process for each file."""
    sound = ["--preset", "hall"]
    if number == signal.SIGTERM:
        sound += ["--insert", str(zam("ZamCompX2")), "--channels", "2"]
    (tmp_path / "takes").mkdir()
    sf.write(tmp_path / "takes/short.wav", noise(RATE, 1, 0.1), RATE)
    silence = np.zeros(1200 * RATE, np.int16)  # 20 minutes
    sf.write(tmp_path / "takes/long.wav", silence, RATE)
    args = (*sound, "--input", "takes", "--output", "styled", "--jobs", 2)
    with started(*args, "--stats", "s.json", cwd=tmp_path) as batch:
        wait_for(lambda: outputs(tmp_path / "styled"))
        workers = children(batch.pid)
        theirs = {child for worker in workers for child in children(worker)}
        began = time.monotonic()
        batch.send_signal(number)
        out, err = batch.communicate(timeout=10)
        took = time.monotonic() - began
        assert all(map(gone, workers))
        wait_for(lambda: all(map(gone, theirs)), 5.0)
    assert batch.returncode == 130, err
    assert took < STOP_S, took
    assert set(outputs(tmp_path / "styled")) == {"short.wav"}
    assert [p.name for p in (tmp_path / "styled/.afx-live").iterdir()] == ["made.jsonl"]
    assert "Traceback" not in err and "the same command goes on" in out
    stats = json.loads((tmp_path / "s.json").read_text())
    assert {row["output"]: row["status"] for row in stats["files"]} == {
        "short.wav": "done", "long.wav": "left",
    }  # fmt: skip
    if number == signal.SIGTERM:
        assert theirs
        alone = (*sound, "--input", "takes/short.wav", "--output", "alone.wav")
        assert afx_live_here(*alone, cwd=tmp_path).returncode == 0
        assert (tmp_path / "alone.wav").read_bytes() == (tmp_path / "styled/short.wav").read_bytes()
