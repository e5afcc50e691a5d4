"""A batch on a real Dask cluster of two workers on this machine."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from distributed import Client

from realtime.batch.cluster import code_fingerprint
from realtime.callback import compile_all
from realtime.preset import load_preset
from realtime.transfer import render
from tests.batch_rig import outputs, started, wait_for
from tests.conftest import ROOT
from tests.file_rig import RATE, afx_live_here
from tests.support import noise

START_S = 60.0


class Cluster:
    """A scheduler and workers, each held by its handle."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.address = ""

    def begin(self) -> None:
        """Start the scheduler."""
        self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self._file)
        )
        wait_for(lambda: self._file.exists() and self._file.read_text().endswith("}"), START_S)
        self.address = str(json.loads(self._file.read_text())["address"])

    def worker(self, name: str, root: Path = ROOT) -> subprocess.Popen[bytes]:
        """A worker of one thread that knows the package below `root`; up when this returns."""
        options = ("--nthreads", "1", "--no-nanny", "--name", name, "--local-directory", "scratch")
        process = self._start("worker", self.address, *options, root=root)
        with Client(self.address, timeout=START_S, set_as_default=False) as client:
            wait_for(lambda: name in {str(n) for n in self._names(client)}, START_S)
        return process

    @staticmethod
    def _names(client: Client) -> list[object]:
        return [worker["name"] for worker in client.scheduler_info()["workers"].values()]

    def _start(self, what: str, *args: str, root: Path = ROOT) -> subprocess.Popen[bytes]:
        with (self._folder / f"{what}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.dask_{what}", *args, "--no-dashboard"],
                cwd=self._folder, env={**os.environ, "PYTHONPATH": str(root)},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    compile_all()
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.begin()
        cluster.worker("one")
        cluster.worker("two")
        yield cluster
    finally:
        cluster.end()


def test_a_cluster_that_cannot_do_it_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "takes").mkdir()
    sf.write(tmp_path / "takes/a.wav", noise(RATE, 1, 0.1), RATE)

    def refusal(address: str, takes: str = "takes") -> str:
        args = ("--preset", "hall", "--input", takes, "--output", "styled", "--cluster", address)
        done = afx_live_here(*args, cwd=tmp_path)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert not outputs(tmp_path / "styled")
        return done.stderr

    assert "is no address" in refusal("nowhere")
    # What is under this path depends on who looks.
    unseen = refusal(cluster.address, "/proc/self/cwd/takes")
    assert "does not see '/proc/self/cwd/takes/a.wav'" in unseen and "tcp://" in unseen
    other = tmp_path / "other"
    shutil.copytree(ROOT / "realtime", other / "realtime")
    with (other / "realtime" / "params.py").open("a") as file:
        file.write("# another version\n")
    worker = cluster.worker("three", other)
    try:
        said = refusal(cluster.address)
        (theirs, ours) = re.findall(r"\b[0-9a-f]{16}\b", said)
        assert ours == code_fingerprint() != theirs and "must be the same" in said
    finally:
        worker.terminate()
        worker.wait()
        cluster.processes.remove(worker)


def test_a_batch_outlives_a_worker_and_a_bad_file(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "takes").mkdir()
    names = {f"{index:02d}.wav" for index in range(12)}
    for index, name in enumerate(sorted(names)):
        sf.write(tmp_path / "takes" / name, noise(8 * RATE, 1, 0.1, index), RATE)
    (tmp_path / "takes/text.wav").write_text("not audio at all")
    styled = tmp_path / "styled"
    args = ("--preset", "hall", "--input", "takes", "--output", "styled", "--stats", "s.json")
    with started(*args, "--cluster", cluster.address, cwd=tmp_path) as batch:
        wait_for(lambda: outputs(styled))
        cluster.processes[1].kill()
        out, err = batch.communicate(timeout=120)
    assert batch.returncode == 1, err
    assert set(outputs(styled)) == names and "Traceback" not in err
    stats = json.loads((tmp_path / "s.json").read_text())
    assert (stats["done"], stats["failed"], stats["left"]) == (12, 1, 0)
    (failed,) = (row for row in stats["files"] if row["status"] == "failed")
    assert "text.wav" in failed["error"] and failed["error"] in out and failed["error"] in err
    assert [path.name for path in (styled / ".afx-live").iterdir()] == ["made.jsonl"]
    hall = load_preset("hall")
    for name in (min(names), max(names)):
        x, _ = sf.read(tmp_path / "takes" / name, dtype="float32")
        y, _ = sf.read(styled / name, dtype="float32")
        assert np.abs(y[: len(x)] - render(x, hall, RATE)).max() <= 2.0**-23
    (tmp_path / "takes/text.wav").unlink()
    here = afx_live_here(*args, cwd=tmp_path)  # goes on without the cluster
    assert here.returncode == 0
    assert json.loads((tmp_path / "s.json").read_text())["skipped"] == 12
