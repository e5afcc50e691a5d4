"""What a hosted plugin costs the audio thread, how late it makes the sound, what it misses.

    python -m benchmarks.plugins PLUGIN [--seconds N] [--json FILE]

Blocks come at their time, as a sound card's do, in four turns: without the plugin, with it, with
it stopped (it hangs), with it killed. `dsp_us` is the time inside the callback. `missed` are
blocks for which the plugin's answer was not there in time: the dry sound was heard.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks import command_line
from benchmarks.machine import describe, write_json
from realtime.bridge import Bridge
from realtime.callback import compile_all, run_block
from realtime.plugins.found import Found
from realtime.plugins.host import PluginHost
from realtime.plugins.scan import find_plugin
from realtime.plugins.setting import PluginError, PluginSetting
from realtime.preset import load_preset

SAMPLE_RATE = 48_000
FRAMES = (64, 128, 512)
SECONDS = 10.0
PRESET = "hall"
_BEFORE_SECONDS = 0.1


def play(bridge: Bridge, frames: int, seconds: float) -> dict[str, float]:
    """Blocks of noise, each at its time; one that this thread was late for is not made up for."""
    rng = np.random.default_rng(0)
    source = (0.1 * rng.standard_normal((frames, 2))).astype(np.float32)
    out = np.empty_like(source)
    due = time.perf_counter()
    for _ in range(int(seconds * SAMPLE_RATE / frames)):
        run_block(bridge.record, source, out, 0)
        due = max(due + frames / SAMPLE_RATE, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
    return bridge.dsp_percentiles()


def measure(found: Found, frames: int, seconds: float) -> dict[str, Any]:
    """One row: the four turns at this block length."""
    setting = PluginSetting("it", found.path, component=found.component)
    host = PluginHost(setting, SAMPLE_RATE, 2, frames)
    row: dict[str, Any] = {"frames": frames, "latency_frames": host.latency_frames}
    turns: tuple[tuple[str, Callable[[], None]], ...] = (
        ("without", lambda: None),
        ("running", lambda: None),
        ("stopped", lambda: os.kill(host.pid, signal.SIGSTOP)),
        ("killed", lambda: os.kill(host.pid, signal.SIGKILL)),
    )
    try:
        bridge = Bridge(SAMPLE_RATE)
        bridge.insert([("before-reverb", host.record_address)])
        play(bridge, frames, _BEFORE_SECONDS)
        host.tend()  # it has seen the audio thread, and takes a priority behind it
        for turn, begin in turns:
            bridge = Bridge(SAMPLE_RATE, preset=load_preset(PRESET))
            if turn != "without":
                bridge.insert([("before-reverb", host.record_address)])
            begin()
            missed = host.status().late_blocks
            row[turn] = {"dsp_us": play(bridge, frames, seconds), **bridge.counters()}
            row[turn]["missed"] = host.status().late_blocks - missed
    finally:
        host.close()
    return row


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write the JSON. Returns the exit status."""
    parser = command_line.parser("plugins", __doc__)
    parser.add_argument("plugin", metavar="PLUGIN", help="its name or path")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"each turn (default {SECONDS:g})"
    )
    args = parser.parse_args(argv)
    command_line.check_seconds(parser, args.seconds)
    try:
        found = find_plugin(args.plugin)
    except PluginError as error:
        parser.error(str(error))
    compile_all()
    record: dict[str, Any] = describe(("numpy", "numba", "pedalboard"))
    record["plugin"] = found.name
    record["results"] = [measure(found, frames, args.seconds) for frames in FRAMES]
    table = Table(title=f"{found.name} at {SAMPLE_RATE} Hz, {args.seconds:g} s each, us a block")
    for heading in ("frames", "later by", "plugin", "p50", "p99", "p99.9", "max", "missed"):
        table.add_column(heading, justify="right")
    for row in record["results"]:
        later = f"{1e3 * row['latency_frames'] / SAMPLE_RATE:.2f} ms"
        for turn in ("without", "running", "stopped", "killed"):
            times = (f"{row[turn]['dsp_us'][key]:.1f}" for key in ("p50", "p99", "p999", "max"))
            missed = f"{row[turn]['missed']} of {row[turn]['blocks']}"
            table.add_row(str(row["frames"]), later, turn, *times, missed)
    command_line.show(table)
    if args.json:
        write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
