#!/usr/bin/env python3
"""The tables of README and docs, made from what they tell of, so that they stay true.

usage: scripts/readme_tables.py [--check]

Writes each table between its marks, on whichever page has them; with --check changes nothing and
exits 1 where one is out of date. Needs nothing but Python and the checkout.
"""

import re
import sys
import tomllib
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from result_tables import RESULT_TABLES, number  # noqa: E402

from realtime.params import TABLE, Param  # noqa: E402
from realtime.preset import factory_presets, load_preset  # noqa: E402
from realtime.targets import ACTIONS, BUTTONS, GLOBALS, REVERT, VALUES  # noqa: E402

PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
MIDI_MAPS = ROOT / "presets" / "midi"


def parameters() -> str:
    """The parameter table, the six bands of the equaliser folded into one."""
    lines = ["| id | range | default | CC | what it does |", "|---|---|---|---|---|"]
    order = [_folded(p)[0] for p in TABLE]
    rows = sorted(TABLE, key=lambda p: order.index(_folded(p)[0]))
    for (name, description), group in groupby(rows, _folded):
        params = list(group)
        p = params[0]
        unit = p.unit if p.unit.startswith(":") else f" {p.unit}"
        span = f"{number(p.minimum)} .. {number(p.maximum)}{unit}".rstrip()
        defaults = ", ".join(dict.fromkeys(number(q.default) for q in params))
        ccs = str(p.cc) if len(params) == 1 else f"{p.cc} .. {params[-1].cc}"
        lines.append(f"| `{name}` | {span} | {defaults} | {ccs} | {description} |")
    return "\n".join(lines)


def hands() -> str:
    """What a hand reaches beyond the parameters."""
    rows = [f"| `{p.id}` | {p.cc} | {p.description} |" for p in GLOBALS]
    rows += [f"| `{action.id}` | {action.cc} | {action.description} |" for action in ACTIONS]
    rows.append(f"| `{REVERT}ID` | | that one parameter back to what was predicted or loaded |")
    return "\n".join(["| id | CC | what it does |", "|---|---|---|", *rows])


def midi_maps() -> str:
    """The MIDI maps that come with the player."""
    rows = []
    for path in sorted(MIDI_MAPS.glob("*.toml")):
        head = tomllib.loads(path.read_text(encoding="utf-8"))
        rows.append(f"| `{path.stem}` | {head['description']} |")
    return "\n".join(["| map | for |", "|---|---|", *rows])


def presets() -> str:
    """The factory presets and what each is for."""
    rows = [f"| `{name}` | {load_preset(name).description} |" for name in factory_presets()]
    return "\n".join(["| preset | sound |", "|---|---|", *rows])


def osc() -> str:
    """Addresses: what OSC can reach, ids that stand for many by one of them."""
    ratio = VALUES["comp.ratio"]
    rows = [
        (f"/{ratio.id} 3.5", "any parameter, in its unit"),
        (f"/unit/{ratio.id} 0.5", "the same where a knob's 0 .. 1 has it, for faders"),
        *((f"/{p.id} {number(p.default)}", p.description) for p in GLOBALS),
        *((f"/{action.id}", action.description) for action in ACTIONS),
        (f"/{REVERT}{ratio.id}", BUTTONS[REVERT + ratio.id]),
        ("/program 3 0", "as a MIDI program change: number, and bank if wanted"),
    ]
    lines = ["| address | what it does |", "|---|---|"]
    return "\n".join([*lines, *(f"| `{address}` | {what} |" for address, what in rows)])


TABLES: dict[str, Callable[[], str]] = {
    "parameters": parameters,
    "hands": hands,
    "midi maps": midi_maps,
    "presets": presets,
    "osc": osc,
    **RESULT_TABLES,
}


def _folded(param: Param) -> tuple[str, str]:
    return re.sub(r"^eq\d", "eqN", param.id), re.sub(r"^band \d: ", "", param.description)


def main() -> int:
    """Write or check every table. Returns the exit status."""
    missing, stale = set(TABLES), []
    for page in PAGES:
        old = new = page.read_text(encoding="utf-8")
        for name, make in TABLES.items():
            begin, end = f"<!-- table: {name} -->\n", f"<!-- /table: {name} -->"
            head, begun, rest = new.partition(begin)
            _, ended, tail = rest.partition(end)
            if begun and ended:
                missing.discard(name)
                new = f"{head}{begin}\n{make()}\n\n{end}{tail}"
        if new != old:
            stale.append(str(page.relative_to(ROOT)))
            if "--check" not in sys.argv[1:]:
                page.write_text(new, encoding="utf-8")
    if missing:
        print(f"no page has marks for the table {min(missing)!r}", file=sys.stderr)
    if stale and "--check" in sys.argv[1:]:
        print(f"out of date, scripts/readme_tables.py: {', '.join(stale)}", file=sys.stderr)
        return 1
    return int(bool(missing))


if __name__ == "__main__":
    sys.exit(main())
