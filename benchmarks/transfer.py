"""How near each way comes to the target on held-out pairs, and what it takes.

    python -m benchmarks.transfer --data DIR [--examples N] [--json FILE]

The pairs and metrics of `python -m offline_train.main evaluate`: speech at 24 kHz and music at
44.1 kHz. Untouched input; the rule-based way; the model's answer alone; that heard once and set
right, as every prediction is; the answer refined for 10 s, at most 400 renders; and the plugins
ZamEQ2 and ZamCompX2 alone in the chain, set from their defaults in 30 s. Pairs done are kept in the
JSON: a run that was stopped goes on. ST-ITO (Steinmetz et al. 2024) renders 4,224 times for a pair.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks import command_line
from benchmarks.machine import describe, write_json
from offline_train import baseline
from offline_train.data import DataError, scan
from offline_train.examples import Example, examples, select
from offline_train.metrics import METRICS, distances, ratio_interval
from realtime.features import AudioError
from realtime.plugins.setting import PluginSetting
from realtime.preset import Preset
from realtime.refine import at_once, refine
from realtime.search import Refined
from realtime.transfer import answer, render

SETS = (("speech", 24_000), ("music", 44_100))
REFINE_SECONDS, PLUGIN_SECONDS = 10.0, 30.0
PLUGINS = ("ZamEQ2", "ZamCompX2")
VST3 = Path("/usr/lib/vst3")
UNTOUCHED = "untouched"
Row = dict[str, Any]


def measure(example: Example, sample_rate: int, plugins: bool) -> dict[str, Row]:
    """Every way on one pair: its METRICS, seconds and renders. Raises: AudioError"""
    x, reference = example.input, example.reference
    rows: dict[str, Row] = {}

    def add(name: str, seconds: float, renders: int, y: np.ndarray) -> None:
        scores = distances(y, example.target, sample_rate)
        rows[name] = {"scores": scores, "seconds": round(seconds, 3), "renders": renders}

    def timed(name: str, renders: int, make: Callable[[], Any], sound: Callable[[Any], Any]) -> Any:
        began = time.perf_counter()
        made = make()
        seconds = time.perf_counter() - began
        add(name, seconds, made.renders if isinstance(made, Refined) else renders, sound(made))
        return made

    def sound(made: Refined) -> np.ndarray:
        return render(x, made.preset, sample_rate)

    add(UNTOUCHED, 0.0, 0, x)
    timed("rule-based", 0, lambda: baseline.transfer(x, reference, sample_rate), lambda y: y)
    first = timed(
        "answered",
        0,
        lambda: answer(x, reference, sample_rate),
        lambda preset: render(x, preset, sample_rate),
    )
    timed("predicted", 0, lambda: at_once(first, x, reference, sample_rate), sound)
    timed("refined", 0, lambda: refine(first, x, reference, sample_rate, REFINE_SECONDS), sound)
    if plugins:
        begin = Preset.neutral().with_plugins(
            PluginSetting(name.lower(), str(VST3 / f"{name}.vst3")) for name in PLUGINS
        )
        search = partial(refine, first, x, reference, sample_rate, PLUGIN_SECONDS, begin=begin)
        timed("refined plugins", 0, search, sound)
    return rows


def summary(pairs: list[dict[str, Row]]) -> dict[str, Row]:
    """Each way's ratio to the untouched input with its 95 % interval, median seconds, renders."""
    made: dict[str, Row] = {}
    for name in dict.fromkeys(name for pair in pairs for name in pair):
        having = [pair for pair in pairs if name in pair]
        scores = [pair[name]["scores"] for pair in having]
        ratio, low, high = ratio_interval(scores, [pair[UNTOUCHED]["scores"] for pair in having])
        made[name] = {
            "pairs": len(having),
            "mean": np.mean(scores, axis=0).tolist(),
            "ratio": ratio.tolist(),
            "low": low.tolist(),
            "high": high.tolist(),
            "seconds": float(np.median([pair[name]["seconds"] for pair in having])),
            "renders": float(np.median([pair[name]["renders"] for pair in having])),
        }
    return made


def table_of(name: str, rows: dict[str, Row]) -> Table:
    """A set's rows for a terminal."""
    table = Table(title=f"{name}: what is left of the distance, of 1 for the untouched input")
    for heading in ("", "pairs", *METRICS, "seconds", "renders"):
        table.add_column(heading, justify="left" if not heading else "right")
    for way, row in rows.items():
        cells = zip(row["ratio"], row["low"], row["high"], strict=True)
        shown = [f"{r:.3f} ({a:.3f}-{b:.3f})" for r, a, b in cells]
        table.add_row(
            way, str(row["pairs"]), *shown, f"{row['seconds']:.2f}", f"{row['renders']:.0f}"
        )
    return table


def main(argv: list[str] | None = None) -> int:
    """Measure, print the tables, write the JSON. Returns the exit status."""
    parser = command_line.parser("transfer", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="recordings, as for evaluate")
    parser.add_argument("--examples", type=int, default=40, help="pairs a set (default 40)")
    parser.add_argument(
        "--plugin-examples", type=int, default=5, help="of them also by plugins (default 5)"
    )
    parser.set_defaults(json=Path("transfer.json"))
    args = parser.parse_args(argv)
    if args.examples < 1 or args.plugin_examples < 0:
        parser.error("--examples must be 1 or more, --plugin-examples 0 or more")
    torch.set_num_threads(1)
    record = json.loads(args.json.read_text()) if args.json.is_file() else {}
    done = record.get("pairs", {})
    record = {**describe(("numpy", "numba", "cma", "pedalboard")), "pairs": done}
    try:
        held_out = scan(args.data)[1]
        for kind, rate in SETS:
            chosen = examples(select(held_out, kind, rate), rate, args.examples)
            rows = done.setdefault(kind, {})
            for number, example in enumerate(chosen):
                if str(number) in rows:
                    continue
                try:
                    rows[str(number)] = measure(example, rate, number < args.plugin_examples)
                except AudioError as error:
                    print(f"{kind} {number} failed: {error}", file=sys.stderr)
                    continue
                scores = {way: row["scores"][0] for way, row in rows[str(number)].items()}
                shown = ", ".join(f"{way} {score:.3f}" for way, score in scores.items())
                print(f"{kind} {number}: {shown}", flush=True)
                write_json(args.json, record)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    record["results"] = {}
    for kind, _ in SETS:
        if done[kind]:
            record["results"][kind] = summary(list(done[kind].values()))
            command_line.show(table_of(kind, record["results"][kind]), width=150)
    write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
