"""MIDI against the clock: from a message to the sound, and what a storm of messages costs.

    python -m benchmarks.midi [--seconds N] [--moves N] [--json FILE]

All on a real JACK server, with `afx-live` as a performer starts it and a controller made with
python-rtmidi. Latency: one knob is turned at odd moments; the time until another JACK client
hears the sound change, from the controller's `send` and from the block in which the message
reached our port. Storm: two `afx-live` side by side, eight knobs each, one at 1000 messages a
second and one at 50, then the same two untouched. Needs the extra `dev` for the JACK client.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks import command_line
from benchmarks.jack_server import PERIOD, SAMPLE_RATE, afx_live, jack_server
from benchmarks.machine import ROOT, describe, write_json
from realtime.midi.mapping import default_map
from realtime.midi.maps import map_to_toml
from realtime.midi.values import to_unit
from realtime.params import BY_ID
from realtime.preset import Preset, save_preset

SECONDS, MOVES = 60.0, 500
STORM, HAND = 1_000, 50  # messages a second
KNOBS = (
    "input.gain_db", "eq2.gain_db", "eq3.freq_hz", "comp.threshold_db",
    "dist.drive_db", "dist.mix", "reverb.wet", "output.gain_db",
)  # fmt: skip
KNOB = "output.gain_db"  # whose latency is measured
# Moved all the time while one knob's latency is measured; none of them is heard here.
UNHEARD = ("comp.attack_ms", "comp.release_ms", "reverb.room_size", "reverb.damping")
EVERYTHING = Preset(
    {
        "eq2.gain_db": -4.0, "eq3.gain_db": 2.0, "eq5.gain_db": 4.0, "comp.threshold_db": -30.0,
        "comp.ratio": 4.0, "dist.mix": 0.5, "reverb.wet": 0.3,
    },
    name="everything",
)  # fmt: skip


class Controller:
    """Knobs on a JACK port of their own."""

    def __init__(self, name: str) -> None:
        import rtmidi

        self.port = f"{name}:out"
        self._out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, name)
        self._out.open_virtual_port("out")

    def turn(self, target: str, value: int) -> None:
        """Send a knob's position, 0..127."""
        cc = BY_ID[target].cc
        self._out.send_message((0xB0, cc, value))

    def close(self) -> None:
        """Be gone."""
        self._out.delete()


@contextmanager
def player(stats: Path, environment: dict[str, str], *options: str) -> Iterator[None]:
    """afx-live while its sound runs and its controllers are open; `stats` is there afterwards."""
    command = afx_live(*options, "--plain", "--device", "system", "--stats", str(stats))
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    try:
        awaited = ["audio running"] + (["is open"] if "--midi" in options else [])
        said = []
        while awaited:
            said.append(process.stderr.readline())
            if not said[-1]:
                raise SystemExit(f"afx-live did not start: {''.join(said)}")
            awaited = [words for words in awaited if words not in said[-1]]
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)


def storm(
    controllers: Mapping[Controller, tuple[Sequence[str], int]], seconds: float
) -> dict[Controller, int]:
    """Turn each controller's knobs in turn, so many messages a second; how many were sent."""
    sent = dict.fromkeys(controllers, 0)
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        for controller, (knobs, rate) in controllers.items():
            while sent[controller] < rate * passed:
                count = sent[controller]
                controller.turn(knobs[count % len(knobs)], (37 * count) % 128)
                sent[controller] += 1
        time.sleep(0.0005)
    return sent


def measure_latency(
    environment: dict[str, str], folder: Path, moves: int, beside: int
) -> dict[str, Any]:
    """Latencies of `moves` turns of a knob, with `beside` other messages a second.

    Other moves stretch a knob's way to where it goes, so that steadiness takes longer to come.
    """
    pauses = (0.18, 0.23) if beside else (0.04, 0.07)
    from benchmarks.listener import Listener

    save_preset(Preset.neutral(), folder / "flat.toml")
    odd = random.Random(0)
    sent_ns = []
    with ExitStack() as stack:
        knobs = Controller("knobs")
        stack.callback(knobs.close)
        options: tuple[str, ...] = ("--preset", str(folder / "flat.toml"), "--midi", "knobs")
        options += ("--map", str(folder / "map.toml"))
        stack.enter_context(player(folder / "stats.json", environment, *options))
        listener = Listener("afx-live", knobs.port, BY_ID[KNOB].cc)
        stack.callback(listener.close)
        storm({knobs: (UNHEARD, beside)}, 3.0)  # until all is loaded that comes after the start
        for move in range(moves):
            sent_ns.append(time.monotonic_ns())
            knobs.turn(KNOB, 40 + 11 * (move % 4))
            storm({knobs: (UNHEARD, beside)}, odd.uniform(*pauses))
        changes, arrivals = listener.changes_ns(), listener.arrivals_ns()
    return times_of(np.array(sent_ns), arrivals, changes)


def times_of(sent: np.ndarray, arrivals: np.ndarray, changes: np.ndarray) -> dict[str, Any]:
    """From when moves were sent, messages arrived and the sound changed, all ns: latencies."""
    ends = np.append(sent[1:], np.iinfo(np.int64).max)
    change = np.searchsorted(changes, sent)
    heard = (change < len(changes)) & (changes[np.minimum(change, len(changes) - 1)] < ends)
    sent, heard_at = sent[heard], changes[change[heard]]
    arrived_at = arrivals[np.searchsorted(arrivals, sent)]
    return {
        "moves": len(ends),
        "unheard": int(np.sum(~heard)),
        "from_send_ms": _summary(heard_at - sent),
        "from_arrival_ms": _summary(heard_at - arrived_at),
    }


def _summary(nanoseconds: np.ndarray) -> dict[str, float]:
    parts = {"p50": 50.0, "p99": 99.0, "max": 100.0}
    ms = nanoseconds / 1e6
    return {n: round(float(np.percentile(ms, q, method="higher")), 3) for n, q in parts.items()}


def measure_storm(environment: dict[str, str], folder: Path, seconds: float) -> dict[str, Any]:
    """Two players side by side: in a storm and under a hand, then both untouched."""
    save_preset(EVERYTHING, folder / "everything.toml")
    preset, midi_map = str(folder / "everything.toml"), str(folder / "map.toml")
    rows = {}
    for rates in ({"storm": STORM, "hand": HAND}, {"midi idle": 0, "no midi": None}):
        with ExitStack() as stack:
            controllers, ends = {}, {}
            for name, rate in rates.items():
                options = ["--preset", preset]
                if rate is not None:
                    box = Controller(name.replace(" ", "-"))
                    stack.callback(box.close)
                    controllers[box] = (KNOBS, rate)
                    options += ["--midi", box.port, "--map", midi_map]
                ends[name] = folder / f"{name}.json"
                stack.enter_context(player(ends[name], environment, *options))
            sent = storm(controllers, seconds)
            last = dict.fromkeys(KNOBS, 0)
            for box, (knobs, rate) in controllers.items():
                for number, knob in enumerate(knobs if rate else ()):
                    last[knob] = 20 + 9 * number
                    box.turn(knob, last[knob])
            time.sleep(0.5)
            counts = dict(zip(ends, [*sent.values(), 0], strict=False))
        for name, stats in ends.items():
            rows[name] = _row(json.loads(stats.read_text()), counts[name], last, rates[name])
    return rows


def _row(
    stats: dict[str, Any], sent: int, last: dict[str, int], rate: int | None
) -> dict[str, Any]:
    wrong = [
        knob
        for knob, value in last.items()
        if rate and abs(BY_ID[knob].to_unit(stats["preset"][knob]) - to_unit(value, 7)) > 1e-6
    ]
    kept = ("blocks", "late_blocks", "underflows", "overflows", "dsp_us")
    return {"messages": sent, "stuck": wrong, **{name: stats[name] for name in kept}}


def _tables(record: dict[str, Any]) -> list[Table]:
    latency = Table(title="from a knob to the sound, ms")
    for heading in ("other messages/s", "moves", "unheard", "from", "p50", "p99", "max"):
        latency.add_column(heading, justify="right")
    for beside, row in record["latency"].items():
        for start in ("send", "arrival"):
            times = [f"{value:.2f}" for value in row[f"from_{start}_ms"].values()]
            latency.add_row(beside, str(row["moves"]), str(row["unheard"]), start, *times)
    storms = Table(title="one block, us, two players side by side")
    for heading in ("player", "messages", "stuck", "blocks", "late", "p50", "p99", "p99.9", "max"):
        storms.add_column(heading, justify="right")
    for name, row in record["storm"].items():
        times = [f"{row['dsp_us'][part]:.0f}" for part in ("p50", "p99", "p999", "max")]
        counts = (row["messages"], len(row["stuck"]), row["blocks"], row["late_blocks"])
        storms.add_row(name, *map(str, counts), *times)
    return [latency, storms]


def main(argv: list[str] | None = None) -> int:
    """Measure, print the tables, write the JSON. Returns the exit status."""
    parser = command_line.parser("midi", __doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each storm")
    parser.add_argument("--moves", type=int, default=MOVES, help="of the knob for its latency")
    args = parser.parse_args(argv)
    command_line.check_seconds(parser, args.seconds)
    if args.moves < 1:
        parser.error(f"--moves is {args.moves}, must be above 0")
    if importlib.util.find_spec("jack") is None:
        raise SystemExit("benchmarks.midi needs JACK-Client: pip install 'afx-live[dev]'")
    record = describe(("numpy", "numba", "python-rtmidi"))
    record |= {"sample_rate": SAMPLE_RATE, "period": PERIOD}
    with tempfile.TemporaryDirectory() as name, jack_server() as server:
        os.environ.update(server.environment)  # the controllers here are clients of that server too
        folder = Path(name)
        knobs = replace(default_map(), takeover="jump")
        (folder / "map.toml").write_text(map_to_toml(knobs), encoding="utf-8")
        record["latency"] = {
            str(beside): measure_latency(server.environment, folder, args.moves, beside)
            for beside in (0, STORM)
        }
        record["storm"] = measure_storm(server.environment, folder, args.seconds)
    command_line.show(*_tables(record))
    if args.json:
        write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
