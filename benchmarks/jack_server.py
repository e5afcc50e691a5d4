"""A real JACK server with the dummy driver, for benchmarks on machines without a sound card."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from benchmarks.machine import ROOT

PERIOD, SAMPLE_RATE = 128, 48_000
# Above whatever else asks for real time here; JACK gives its clients five less.
_PRIORITY = 70
_RESET_ON_FORK = 0x40000000  # Linux may add it to the policy
_READY_SECONDS = 10.0


class Server(NamedTuple):
    """A jackd. environment: what its clients need."""

    environment: dict[str, str]
    process: subprocess.Popen[bytes]

    @property
    def scheduling(self) -> str:
        """Whether the threads that make its blocks were given real time."""
        if not hasattr(os, "sched_getscheduler"):
            return "not visible"
        granted = 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            if os.sched_getscheduler(int(task.name)) & ~_RESET_ON_FORK == os.SCHED_FIFO:
                granted = max(granted, os.sched_getparam(int(task.name)).sched_priority)
        return f"real-time (SCHED_FIFO, priority {granted})" if granted else "ordinary"


@contextmanager
def jack_server(period: int = PERIOD) -> Iterator[Server]:
    """A jackd that belongs to this run, at real-time priority where the machine grants it.

    period: frames of its blocks.

    Raises: SystemExit with one line where jackd is missing or does not start.
    """
    if shutil.which("jackd") is None:
        raise SystemExit("jackd is not installed (Debian: apt-get install jackd2)")
    name = f"afx-live-bench-{uuid.uuid4().hex[:8]}"
    environment = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    driver = ["-d", "dummy", "-r", str(SAMPLE_RATE), "-p", str(period)]
    server = subprocess.Popen(
        ["jackd", "-R", "-P", str(_PRIORITY), "-n", name, "--no-mlock", *driver],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + _READY_SECONDS
        while "system" not in _devices(environment):
            if time.monotonic() > deadline or server.poll() is not None:
                raise SystemExit("jackd did not start")
            time.sleep(0.1)
        yield Server(environment, server)
    finally:
        server.terminate()
        server.wait()


def _devices(environment: dict[str, str]) -> str:
    listing = afx_live("--list-devices")
    return subprocess.run(listing, env=environment, cwd=ROOT, capture_output=True, text=True).stdout


def afx_live(*options: str) -> list[str]:
    """The command line of `afx-live` with these options."""
    return [sys.executable, "-m", "realtime.cli", *options]
