"""Time from start to audio running, on a JACK server of its own with the dummy driver.

    python -m benchmarks.startup [--ref FILE] [--runs N] [--json FILE]

Starts `afx-live` N times with compiled kernels cached, with a factory preset and, with --ref,
with a reference too. `printed_s` is what afx-live prints, `wall_s` is from the start of the
process to that line, which includes starting Python.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.machine import ROOT, describe, write_json

PERIOD, SAMPLE_RATE = 128, 48_000
RUNS = 10
_READY_SECONDS = 10.0


@contextmanager
def jack_server() -> Iterator[dict[str, str]]:
    """A jackd that belongs to this run; the environment its clients need."""
    name = f"afx-live-bench-{uuid.uuid4().hex[:8]}"
    environment = {**os.environ, "JACK_DEFAULT_SERVER": name, "JACK_NO_START_SERVER": "1"}
    driver = ["-d", "dummy", "-r", str(SAMPLE_RATE), "-p", str(PERIOD)]
    server = subprocess.Popen(
        ["jackd", "-n", name, "--no-mlock", *driver],
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
    listing = _command("--list-devices")
    return subprocess.run(listing, env=environment, cwd=ROOT, capture_output=True, text=True).stdout


def _command(*options: str) -> list[str]:
    return [sys.executable, "-m", "realtime.cli", *options]


def start(options: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """(seconds that afx-live prints, seconds since its process was started)."""
    began = time.perf_counter()
    process = subprocess.Popen(
        _command(*options, "--device", "system", "--duration", "0.2"),
        env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(r"audio running after ([0-9.]+) s", line)
        if found:
            wall = time.perf_counter() - began
            process.communicate()
            return float(found[1]), wall
    raise SystemExit(said.strip())


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write the JSON. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.startup", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--ref", metavar="FILE", help="a reference to start with, too")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"starts a way (default {RUNS})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    args = parser.parse_args(argv)
    if args.runs < 1:
        parser.error(f"--runs is {args.runs}, must be 1 or more")
    if shutil.which("jackd") is None:
        parser.error("jackd is not installed (Debian: apt-get install jackd2)")
    ways = {"preset": ["--preset", "telephone"]}
    if args.ref:
        ways["reference"] = ["--ref", args.ref]
    record: dict[str, Any] = describe(("numpy", "numba", "sounddevice", "onnxruntime"))
    record["results"] = []
    with jack_server() as environment:
        for name, options in ways.items():
            start(options, environment)  # compiles, where nothing is cached
            times = [start(options, environment) for _ in range(args.runs)]
            row: dict[str, Any] = {"way": name, "runs": args.runs}
            for index, key in enumerate(("printed_s", "wall_s")):
                values = [pair[index] for pair in times]
                median, worst = statistics.median(values), max(values)
                row[key] = {"median": median, "max": worst}
                print(f"{name:<10} {key:<10} median {median:.2f} max {worst:.2f}")
            record["results"].append(row)
    if args.json:
        write_json(args.json, record)
        print(f"wrote {args.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
