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

from benchmarks.machine import ROOT

PERIOD, SAMPLE_RATE = 128, 48_000
# Above whatever else asks for real time here; JACK gives its clients five less.
_PRIORITY = 70
_READY_SECONDS = 10.0


@contextmanager
def jack_server(period: int = PERIOD) -> Iterator[dict[str, str]]:
    """A jackd that belongs to this run; the environment its clients need.

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
        yield environment
    finally:
        server.terminate()
        server.wait()


def _devices(environment: dict[str, str]) -> str:
    listing = afx_live("--list-devices")
    return subprocess.run(listing, env=environment, cwd=ROOT, capture_output=True, text=True).stdout


def afx_live(*options: str) -> list[str]:
    """The command line of `afx-live` with these options."""
    return [sys.executable, "-m", "realtime.cli", *options]
