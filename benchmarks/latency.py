"""Time of one block through the chain, and through pedalboard's chain of the same effects.

    python -m benchmarks.latency [--json FILE] [--blocks N] [--quick]

Then whether the time depends on the values, and how far each kernel is from what the machine could
do at best. Without --json the results go into latency.json, those of a soak into soak.json; a
picture of time over frames goes beside the JSON.

Both chains run in this one process, called from Python as their users call them, one block of
each in turn, so that whatever else the machine does hits both. Every block is counted: nothing
is trimmed, no warm-up is left out but the first call, which compiles. The same blocks pass five
times, from rest: what the code does it does each time, what the machine does it does now and then.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pedalboard
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import command_line
from benchmarks.limits import measure_limits
from benchmarks.machine import describe, write_json
from benchmarks.plots import plot_latency
from benchmarks.signals import PRESET, swelling_noise
from benchmarks.values import measure_values
from realtime.chain import Chain
from realtime.params import BY_ID
from realtime.preset import Preset

BLOCK_SIZES = (16, 32, 64, 128, 256, 512, 1024)
SAMPLE_RATES = (44_100, 48_000, 96_000, 192_000)
QUICK_BLOCK_SIZES = (16, 128, 1024)
QUICK_SAMPLE_RATES = (48_000,)
BLOCKS, QUICK_BLOCKS = 100_000, 300  # a hundred calls are beyond p99.9
PASSES = 5
# Linux stops a real-time thread that never sleeps for 50 ms of every second. As seldom as that
# allows: behind a pause the caches hold what others did meanwhile. A prime: behind other blocks
# in each pass.
PAUSE_EVERY, PAUSE_SHARE = 997, 0.15
_WIDTH = 150  # of a table that goes into a file
PERCENTILES = {"p50": 50.0, "p99": 99.0, "p999": 99.9, "max": 100.0}


def pedalboard_chain(preset: Preset) -> pedalboard.Pedalboard:
    """pedalboard's effects of the same kinds, set as close to `preset` as they can be."""
    kinds = {
        "low_shelf": pedalboard.LowShelfFilter,
        "peak": pedalboard.PeakFilter,
        "high_shelf": pedalboard.HighShelfFilter,
    }
    bands = [
        kinds[kind](preset[f"eq{n}.freq_hz"], preset[f"eq{n}.gain_db"], preset[f"eq{n}.q"])
        for n, kind in enumerate(preset.band_types, start=1)
    ]
    return pedalboard.Pedalboard(
        [
            *bands,
            pedalboard.Compressor(
                threshold_db=preset["comp.threshold_db"],
                ratio=preset["comp.ratio"],
                attack_ms=preset["comp.attack_ms"],
                release_ms=preset["comp.release_ms"],
            ),
            pedalboard.Distortion(drive_db=preset["dist.drive_db"]),
            pedalboard.Reverb(
                room_size=preset["reverb.room_size"],
                damping=preset["reverb.damping"],
                wet_level=preset["reverb.wet"],
                dry_level=preset["reverb.dry"],
            ),
        ]
    )


def measure(sample_rate: int, channels: int, block_size: int, blocks: int) -> dict[str, Any]:
    """Call both chains in turn, `blocks` times in PASSES over the same blocks.

    Returns a result row: the setting, and for "chain" and "pedalboard" each the percentiles of
    one call in us, ns per frame and how many times faster than real time (means over all calls).
    """
    signal = swelling_noise(sample_rate, channels)
    chain = Chain(sample_rate, channels, PRESET)
    board = pedalboard_chain(PRESET)
    block = np.zeros((block_size, channels), np.float32)
    planar = np.zeros((channels, block_size), np.float32)

    def run_chain() -> None:
        chain.process(block)

    def run_pedalboard() -> None:
        board.process(planar, sample_rate, reset=False)

    runs = (run_chain, run_pedalboard)
    for run in runs:
        run()
    starts = np.arange(-(-blocks // PASSES)) * block_size % (len(signal) - block_size)
    elapsed_ns = np.zeros((2, PASSES, len(starts)), np.int64)
    busy_since = time.perf_counter()
    for call, (number, index) in enumerate(np.ndindex(PASSES, len(starts))):
        if index == 0:
            chain.reset()
            board.reset()
        if call % PAUSE_EVERY == 0:
            time.sleep(PAUSE_SHARE * (time.perf_counter() - busy_since))
            busy_since = time.perf_counter()
        block[:] = signal[starts[index] : starts[index] + block_size]
        planar[:] = block.T
        first = call // PAUSE_EVERY % 2  # who comes first behind a pause
        for side in (first, 1 - first):
            elapsed_ns[side, number, index] = _timed(runs[side])
    return {
        "sample_rate": sample_rate,
        "channels": channels,
        "block_size": block_size,
        "blocks": elapsed_ns[0].size,
        "block_us": 1e6 * block_size / sample_rate,
        "chain": summary(elapsed_ns[0], block_size, sample_rate),
        "pedalboard": summary(elapsed_ns[1], block_size, sample_rate),
    }


def _timed(call: Callable[[], None]) -> int:
    start = time.perf_counter_ns()
    call()
    return time.perf_counter_ns() - start


def summary(elapsed_ns: np.ndarray, block_size: int, sample_rate: int) -> dict[str, float]:
    """Figures of int64 (passes, blocks): percentiles over all calls, the mean as ns a frame and
    speed, and `steady_p999_us`, the p99.9 over the blocks of each one's median over the passes."""

    def percentile(times: np.ndarray, q: float) -> float:
        return round(float(np.percentile(times, q, method="higher")) / 1e3, 3)

    ns_per_frame = float(elapsed_ns.mean()) / block_size
    return {
        **{f"{name}_us": percentile(elapsed_ns, q) for name, q in PERCENTILES.items()},
        "steady_p999_us": percentile(np.median(elapsed_ns, axis=0), PERCENTILES["p999"]),
        "ns_per_frame": round(ns_per_frame, 3),
        "x_real_time": round(1e9 / sample_rate / ns_per_frame, 1),
    }


def table_of(rows: list[dict[str, Any]]) -> Table:
    """The result rows for a terminal: the chain's figures, then pedalboard's."""
    title = "one block, us: chain | pedalboard, same effects, same run; steady: p99.9 of medians"
    table = Table(title=title)
    for heading in ("rate", "ch", "frames", "deadline"):
        table.add_column(heading, justify="right")
    for name in ("chain", "pedalboard"):
        for heading in ("p50", "p99", "p99.9", "max", "steady", "x rt"):
            table.add_column(heading, justify="right", style="bold" if name == "chain" else "dim")
    table.add_column("p50 ratio", justify="right")
    previous = None
    for row in rows:
        group = (row["sample_rate"], row["channels"])
        if previous not in (None, group):
            table.add_section()
        previous = group
        cells = [str(row["sample_rate"]), str(row["channels"]), str(row["block_size"])]
        cells.append(f"{row['block_us']:.0f}")
        for name in ("chain", "pedalboard"):
            cells += [f"{row[name][f'{p}_us']:.1f}" for p in (*PERCENTILES, "steady_p999")]
            cells.append(f"{row[name]['x_real_time']:.0f}")
        cells.append(f"{row['pedalboard']['p50_us'] / row['chain']['p50_us']:.1f}")
        table.add_row(*cells)
    return table


def values_table(rows: dict[str, Any]) -> Table:
    """What the chain takes for values of several kinds."""
    table = Table(title="one block of 128, us: plain and hostile values, in turn")
    table.add_column("values")
    for heading in ("p50", "p99", "p99.9", "max", "steady"):
        table.add_column(heading, justify="right")
    for heading in ("p50", "p99.9", "steady"):
        table.add_column(f"{heading} : plain", justify="right")
    for name, row in rows.items():
        figures = [f"{row[f'{p}_us']:.1f}" for p in (*PERCENTILES, "steady_p999")]
        ratios = [f"{row[f'{p}_of_plain']:.2f}" for p in ("p50", "p999", "steady_p999")]
        table.add_row(name, *figures, *ratios)
    return table


def limits_table(limits: dict[str, Any]) -> Table:
    """What each kernel takes, and what it could take at best here."""
    table = Table(title=f"ns a stereo frame; a multiply-add that waits {limits['wait_ns']:.2f} ns")
    table.add_column("kernel")
    for heading in ("measured", "its recursion waits", "its operations take", "times the limit"):
        table.add_column(heading, justify="right")
    for name, row in limits["kernels"].items():
        figures = [f"{row[key]:.2f}" for key in ("ns_per_frame", "waits_ns", "works_ns")]
        table.add_row(name, *figures, f"{row['times_limit']:.1f}")
    return table


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = command_line.parser("latency", __doc__)
    parser.add_argument(
        "--blocks", type=int, help=f"calls a setting, in {PASSES} passes (default {BLOCKS})"
    )
    parser.add_argument("--quick", action="store_true", help="few settings, few calls")
    parser.add_argument(
        "--soak", type=float, metavar="MINUTES",
        help="instead: afx-live on a JACK server in a storm of MIDI and presets, 1 or more",
    )  # fmt: skip
    args = parser.parse_args(argv)
    if args.blocks is None:
        args.blocks = QUICK_BLOCKS if args.quick else BLOCKS
    if args.soak is not None and not 1.0 <= args.soak <= 10_000.0:
        parser.error(f"--soak is {args.soak:g}, must be 1 or more")
    if args.blocks < 1:
        parser.error(f"--blocks is {args.blocks}, must be 1 or more")
    if args.json is None:
        args.json = Path("latency.json" if args.soak is None else "soak.json")
    return args


def main(argv: list[str] | None = None) -> int:
    """Measure every setting, print the table, write the JSON. Returns the exit status."""
    args = _parse(argv)
    if args.soak is not None:
        from benchmarks.soak import run

        return run(args.soak, args.json)
    rates = QUICK_SAMPLE_RATES if args.quick else SAMPLE_RATES
    sizes = QUICK_BLOCK_SIZES if args.quick else BLOCK_SIZES
    settings = [(rate, ch, size) for rate in rates for ch in (1, 2) for size in sizes]
    record = describe(("numpy", "numba", "llvmlite", "pedalboard"))
    rows = []
    # No thread that draws by itself: it would take Python's lock in the middle of a block.
    with Progress(console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("measuring", total=len(settings))
        for rate, channels, size in settings:
            rows.append(measure(rate, channels, size, args.blocks))
            progress.update(task, advance=1, refresh=True)
    record["preset"] = {key: value for key, value in PRESET.items() if value != BY_ID[key].neutral}
    record["results"] = rows
    command_line.show(table_of(rows), width=_WIDTH)
    if not args.quick:
        record["values"] = measure_values(args.blocks, PASSES, summary)
        record["limits"] = measure_limits()
        tables = values_table(record["values"]), limits_table(record["limits"])
        command_line.show(*tables, width=_WIDTH)
    write_json(args.json, record)
    picture = args.json.with_suffix(".png")
    try:
        plot_latency(picture, rows)
    except ImportError:
        print("no picture without matplotlib: pip install 'afx-live[demo]'", file=sys.stderr)
    else:
        print(f"wrote {picture}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
