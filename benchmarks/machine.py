"""What a measurement was made on: without it a figure says nothing."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from realtime.output_files import write_text

ROOT = Path(__file__).resolve().parent.parent


def describe(packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """Machine, versions of `packages`, commit, command and date of a run, ready for JSON."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(["python", *sys.orig_argv[1:]]),
        "commit": _commit(),
        "machine": {
            "cpu": _cpu_name(),
            "logical_cpus": os.cpu_count(),
            "load_1min": os.getloadavg()[0],
            "system": platform.platform(),
            "governor": _governor(),
            "scheduler": _scheduler(),
        },
        "versions": {
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in packages},
        },
    }


def write_json(path: Path, record: dict[str, Any]) -> None:
    """Write `record` to `path` atomically, and say so.

    Raises: AudioFileError where it cannot be written.
    """
    write_text(path, json.dumps(record, indent=1) + "\n")
    print(f"wrote {path}")


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _governor() -> str:
    try:
        path = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return "not visible"


def _scheduler() -> str:
    names = {0: "SCHED_OTHER", 1: "SCHED_FIFO", 2: "SCHED_RR"}
    if not hasattr(os, "sched_getscheduler"):
        return "not visible"
    policy = os.sched_getscheduler(0)
    return f"{names.get(policy, policy)}, nice {os.getpriority(os.PRIO_PROCESS, 0)}"


def _commit() -> str:
    try:
        head = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "not a checkout"
