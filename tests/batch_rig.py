"""Batches as processes of their own, and what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT

COMMAND = [sys.executable, "-m", "realtime.cli"]


def environment() -> dict[str, str]:
    """What a batch is started in."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@contextmanager
def started(*args: object, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """A batch under way; killed at the end if it still is."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, args)],
        cwd=cwd, env=environment(), text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_for(what: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def children(pid: int) -> set[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return {int(child) for child in listed.split()}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def outputs(folder: Path) -> dict[str, tuple[int, int]]:
    """Name -> size and time of what a person finds in the output folder."""
    there = (p for p in folder.rglob("*") if p.is_file() and ".afx-live" not in p.parts)
    return {str(p.relative_to(folder)): (p.stat().st_size, p.stat().st_mtime_ns) for p in there}
