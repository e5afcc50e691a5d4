#!/usr/bin/env python3
"""README's tables, made from what they tell of, so that they stay true.

usage: scripts/readme_tables.py [--check]

Writes each table between its marks in README.md; with --check changes nothing and exits 1 where
one is out of date. Needs nothing but Python and the checkout.
"""

import json
import re
import sys
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from realtime.params import TABLE, Param  # noqa: E402
from realtime.preset import factory_presets, load_preset  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
SHOWN_RATE, SHOWN_CHANNELS = 48_000, 2


def parameters() -> str:
    """The parameter table, the six bands of the equaliser folded into one."""
    lines = ["| id | range | default | what it does |", "|---|---|---|---|"]
    order = [_folded(p)[0] for p in TABLE]
    rows = sorted(TABLE, key=lambda p: order.index(_folded(p)[0]))
    for (name, description), group in groupby(rows, _folded):
        params = list(group)
        p = params[0]
        unit = p.unit if p.unit.startswith(":") else f" {p.unit}"
        span = f"{_number(p.minimum)} .. {_number(p.maximum)}{unit}".rstrip()
        defaults = ", ".join(dict.fromkeys(_number(q.default) for q in params))
        lines.append(f"| `{name}` | {span} | {defaults} | {description} |")
    return "\n".join(lines)


def presets() -> str:
    """The factory presets and what each is for."""
    rows = [f"| `{name}` | {load_preset(name).description} |" for name in factory_presets()]
    return "\n".join(["| preset | sound |", "|---|---|", *rows])


def latency() -> str:
    """The latency benchmark's figures for stereo at 48 kHz."""
    record = _result("latency")
    both, shown = ("chain", "pedalboard"), ("p50", "p99", "p99.9", "max")
    heads = [
        "frames",
        "deadline",
        *(f"{who} {p}" for who in ("chain", "pedalboard") for p in shown),
    ]
    lines = [f"| {' | '.join(heads)} |", "|---:" * len(heads) + "|"]
    for row in record["results"]:
        if (row["sample_rate"], row["channels"]) == (SHOWN_RATE, SHOWN_CHANNELS):
            cells = [str(row["block_size"]), f"{row['block_us']:.0f}"]
            for name in both:
                figures = row[name]
                cells += [f"{figures[f'{p}_us']:.1f}" for p in ("p50", "p99", "p999", "max")]
            lines.append(f"| {' | '.join(cells)} |")
    machine, versions = record["machine"], record["versions"]
    blocks = _number(record["results"][0]["blocks"])
    lines += [
        "",
        f"Microseconds a block, stereo at 48 kHz, {blocks} blocks a row, nothing trimmed;",
        f"{machine['cpu']} with {machine['logical_cpus']} logical CPUs, {machine['scheduler']},",
        f"load {machine['load_1min']:.1f}; numba {versions['numba']},",
        f"pedalboard {versions['pedalboard']}; {record['date'][:10]}.",
    ]
    return "\n".join(lines)


def gil() -> str:
    """What a busy Python leaves of a compiled and of a Python callback."""
    record = _result("gil")
    lines = ["| callback | blocks served | DSP p50 | p99 | p99.9 |", "|---|---:|---:|---:|---:|"]
    for name, row in record["results"].items():
        share = f"{row['served']} of {row['offered']}, {100 * row['served'] / row['offered']:.1f} %"
        times = " | ".join(f"{row['dsp_us'][p]:.0f}" for p in ("p50", "p99", "p999"))
        lines.append(f"| {name} | {share} | {times} |")
    machine = record["machine"]
    lines += [
        "",
        "Microseconds; blocks of 128 frames at 48 kHz;",
        f"{machine['cpu']} with {machine['logical_cpus']} logical CPUs; {record['date'][:10]}.",
    ]
    return "\n".join(lines)


TABLES: dict[str, Callable[[], str]] = {
    "parameters": parameters,
    "presets": presets,
    "latency": latency,
    "gil": gil,
}


def _result(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def _folded(param: Param) -> tuple[str, str]:
    return re.sub(r"^eq\d", "eqN", param.id), re.sub(r"^band \d: ", "", param.description)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}".replace(",", " ")


def main() -> int:
    """Write or check every table. Returns the exit status."""
    readme = ROOT / "README.md"
    old = new = readme.read_text(encoding="utf-8")
    for name, make in TABLES.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- /table: {name} -->"
        head, _, rest = new.partition(begin)
        _, found, tail = rest.partition(end)
        if not found:
            print(f"README.md has no marks for the table {name!r}", file=sys.stderr)
            return 1
        new = f"{head}{begin}\n{make()}\n\n{end}{tail}"
    if "--check" in sys.argv[1:]:
        if new != old:
            print("README.md's tables are out of date: scripts/readme_tables.py", file=sys.stderr)
        return int(new != old)
    readme.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
