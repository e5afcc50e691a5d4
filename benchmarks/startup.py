"""Time from start to audio running, on a JACK server of its own with the dummy driver.

    python -m benchmarks.startup [--ref FILE] [--runs N] [--json FILE]

Starts `afx-live` N times with compiled kernels cached, with a factory preset and, with --ref,
with a reference too. `printed_s` is what afx-live prints, `wall_s` is from the start of the
process to that line, which includes starting Python.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from typing import Any

from benchmarks import command_line
from benchmarks.jack_server import afx_live, jack_server
from benchmarks.machine import ROOT, describe, write_json

RUNS = 10


def start(options: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """(seconds that afx-live prints, seconds since its process was started)."""
    began = time.perf_counter()
    process = subprocess.Popen(
        afx_live(*options, "--device", "system", "--duration", "0.2"),
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
    parser = command_line.parser("startup", __doc__)
    parser.add_argument("--ref", metavar="FILE", help="a reference to start with, too")
    parser.add_argument("--runs", type=int, default=RUNS, help=f"starts a way (default {RUNS})")
    args = parser.parse_args(argv)
    if args.runs < 1:
        parser.error(f"--runs is {args.runs}, must be 1 or more")
    ways = {"preset": ["--preset", "telephone"]}
    if args.ref:
        ways["reference"] = ["--ref", args.ref]
    record: dict[str, Any] = describe(("numpy", "numba", "sounddevice", "onnxruntime"))
    record["results"] = []
    with jack_server() as server:
        for name, options in ways.items():
            start(options, server.environment)  # compiles, where nothing is cached
            times = [start(options, server.environment) for _ in range(args.runs)]
            row: dict[str, Any] = {"way": name, "runs": args.runs}
            for index, key in enumerate(("printed_s", "wall_s")):
                values = [pair[index] for pair in times]
                median, worst = statistics.median(values), max(values)
                row[key] = {"median": median, "max": worst}
                print(f"{name:<10} {key:<10} median {median:.2f} max {worst:.2f}")
            record["results"].append(row)
    if args.json:
        write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
