"""Many files at once: hours of audio a minute, by number of processes.

    python -m benchmarks.batch [--minutes M] [--rounds N] [--json FILE]

Makes episodes of stereo speech at 48 kHz and styles them after a reference by `afx-live` as a
person would, with one process and with one a core, in turn, each round into a folder of its own.
The kernels are compiled before. `start_s` is what a batch of one second of sound takes, `a_file_s`
what each further such file adds: the price of a file beside its sound. `cpu_s_an_hour` is the
processors' time for an hour of sound beyond such a start; other work hardly changes it.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command_line
from benchmarks.machine import ROOT, describe, write_json
from realtime import same_python
from realtime.batch.workers import cores
from realtime.output_files import write_audio
from realtime.synthesis import speech

MINUTES, ROUNDS = 10.0, 3
EPISODES_A_CORE = 2
SHORT_FILES = 40
_RATE = 48_000


class Run(NamedTuple):
    """What a batch took: seconds of the clock, of all processors; kB of its largest process."""

    wall_s: float
    cpu_s: float
    largest_kb: int


def make(folder: Path, files: int, seconds: float) -> None:
    """Stereo files of speech-like sound, each another stretch of the same half minute."""
    folder.mkdir()
    voice = speech(30.0, _RATE, 1)
    frames = round(seconds * _RATE)
    for index in range(files):
        loop = np.roll(np.tile(voice, frames // len(voice) + 1)[:frames], 997 * index)
        write_audio(folder / f"{index:03d}.wav", np.stack([loop, 0.7 * loop], axis=1), _RATE)


def run(takes: Path, out: Path, jobs: int) -> Run:
    """One batch from its command to its end."""
    ref = takes.parent / "ref.wav"
    options = ("--ref", str(ref), "--input", str(takes), "--output", str(out), "--jobs", str(jobs))
    began = time.perf_counter()
    process = subprocess.Popen(
        same_python.command("realtime.cli", *options),
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said.strip())
    shutil.rmtree(out)
    return Run(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write the JSON. Returns the exit status."""
    parser = command_line.parser("batch", __doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of an episode")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="of all ways in turn")
    args = parser.parse_args(argv)
    record: dict[str, Any] = describe(("numpy", "numba", "onnxruntime"))
    ways = sorted({1, cores()})
    episodes = EPISODES_A_CORE * cores()
    hours = episodes * args.minutes / 60.0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_audio(folder / "ref.wav", speech(10.0, _RATE, 2)[:, None], _RATE)
        make(folder / "one", 1, 1.0)
        make(folder / "short", 1 + SHORT_FILES, 1.0)
        make(folder / "long", episodes, 60.0 * args.minutes)
        run(folder / "one", folder / "out", 1)  # compiles, where nothing is cached
        taken: dict[int, list[Run]] = {jobs: [] for jobs in ways}
        starts: list[Run] = []
        files: list[float] = []
        for _ in range(args.rounds):
            for jobs in ways:
                taken[jobs].append(run(folder / "long", folder / "out", jobs))
            starts.append(run(folder / "one", folder / "out", 1))
            short = run(folder / "short", folder / "out", 1).wall_s
            files.append((short - starts[-1].wall_s) / SHORT_FILES)
    start_s, start_cpu_s, _ = map(statistics.median, zip(*starts, strict=True))
    results = []
    for jobs, runs in taken.items():
        pace = [60.0 * hours / r.wall_s for r in runs]
        cpu_s = (statistics.median(r.cpu_s for r in runs) - start_cpu_s) / hours
        largest_kb = max(r.largest_kb for r in runs)
        results.append(
            {
                "processes": jobs, "hours_a_minute": pace, "cpu_s_an_hour": cpu_s,
                "largest_kb": largest_kb,
            }
        )  # fmt: skip
        print(
            f"{jobs} processes: {statistics.median(pace):.2f} hours a minute ({min(pace):.2f} to "
            f"{max(pace):.2f}), {cpu_s:.0f} s of CPU an hour, {largest_kb // 1024} MB the largest"
        )
    print(f"start {start_s:.2f} s, a file {statistics.median(files):.3f} s")
    record |= {
        "episodes": episodes, "minutes": args.minutes, "sample_rate": _RATE, "results": results,
        "start_s": start_s, "start_cpu_s": start_cpu_s, "a_file_s": files,
    }  # fmt: skip
    if args.json:
        write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
