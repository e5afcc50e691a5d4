"""What a busy Python does to the sound: our compiled callback beside an ordinary Python one.

    python -m benchmarks.gil [--seconds N] [--json FILE]

Both run the same chain on a real JACK server while, in their own process, three Python threads
spin, one makes and collects garbage, one runs the ONNX model in a loop, and a fifth moves all
parameters 1000 times a second. `served` are the blocks that the callback handled of those that
the server `offered`, which a second JACK client with a compiled callback counts. Beside them plays
pedalboard's AudioStream with its effects of the same kinds, where ALSA has its plugin for JACK
(Debian: libasound2-plugins); what it serves may lack effects. Needs the extra `dev`.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from benchmarks import audio_stream, command_line
from benchmarks.jack_server import PERIOD, SAMPLE_RATE, jack_server
from benchmarks.machine import ROOT, describe, write_json

SECONDS = 20.0
SPINNERS = 3
MOVES_PER_SECOND = 1_000
KINDS = ("compiled", "python", "pedalboard")


def load(stop: threading.Event, move: Callable[[int], None]) -> list[threading.Thread]:
    """Start everything that keeps Python busy; `move` sets the parameters for the nth time."""
    from realtime.features import SIZE
    from realtime.predictor import Predictor

    predictor = Predictor()
    features = np.zeros((1, SIZE), np.float32)

    def spin() -> None:
        while not stop.is_set():
            sum(range(1_000))

    def litter() -> None:
        while not stop.is_set():
            rings: list[list[Any]] = [[] for _ in range(10_000)]
            for ring in rings:
                ring.append(ring)
            del rings
            gc.collect()

    def predict() -> None:
        while not stop.is_set():
            predictor.units(features, features)

    def storm() -> None:
        count, began = 0, time.monotonic()
        while not stop.is_set():
            if count < MOVES_PER_SECOND * (time.monotonic() - began):
                move(count)
                count += 1
            else:
                time.sleep(0.2 / MOVES_PER_SECOND)

    threads = [threading.Thread(target=work, daemon=True) for work in (litter, predict, storm)]
    threads += [threading.Thread(target=spin, daemon=True) for _ in range(SPINNERS)]
    for thread in threads:
        thread.start()
    return threads


class ServerCycles:
    """Counts the cycles of the JACK server, without Python, while it is open."""

    def __init__(self) -> None:
        import jack
        from numba import carray, cfunc, types

        def count(frames, counter):  # type: ignore[no-untyped-def]
            carray(counter, 1, np.int64)[0] += 1
            return np.int32(0)

        self._counter = np.zeros(1, np.int64)
        self._callback = cfunc(types.int32(types.uint32, types.voidptr))(count)
        self._client = jack.Client("cycles", no_start_server=True)
        function = jack._ffi.cast("JackProcessCallback", self._callback.address)
        argument = jack._ffi.cast("void*", self._counter.ctypes.data)
        if jack._lib.jack_set_process_callback(self._client._ptr, function, argument):
            raise SystemExit("JACK refuses the counting client")
        self._client.activate()

    @property
    def count(self) -> int:
        """Cycles so far."""
        return int(self._counter[0])

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate()
        self._client.close()


def run_compiled(seconds: float) -> dict[str, Any]:
    """The player's own stream and callback under load."""
    from realtime.audio_io import list_devices, plan_stream
    from realtime.bridge import Bridge
    from realtime.callback import compile_all
    from realtime.live_stream import LiveStream

    compile_all()
    bridge = Bridge(SAMPLE_RATE)
    presets = _presets()
    stream = LiveStream(plan_stream(list_devices(), input_query="system"), bridge)
    stream.start()
    seen = _under_load(
        seconds,
        lambda n: bridge.set_preset(presets[n % len(presets)]),
        lambda: bridge.counters()["blocks"],
    )
    stream.close()
    flags = sum(bridge.counters()[name] for name in ("input_overflows", "output_underflows"))
    return {**seen, "dsp_us": bridge.dsp_percentiles(), "device_gaps": flags}


def run_python(seconds: float) -> dict[str, Any]:
    """The same chain behind a callback as sounddevice's documentation shows it, under load."""
    import sounddevice

    from realtime.chain import Chain

    chain = Chain(SAMPLE_RATE)
    presets = _presets()
    wanted = presets[0]
    elapsed_ns: list[int] = []
    gaps = 0
    chain.process(np.zeros((PERIOD, 2), np.float32))

    def callback(source: Any, out: Any, frames: int, when: Any, status: Any) -> None:
        nonlocal gaps
        began = time.perf_counter_ns()
        if wanted is not chain.preset:
            chain.set_preset(wanted)
        out[:] = chain.process(source.copy())
        gaps += bool(status)
        elapsed_ns.append(time.perf_counter_ns() - began)

    def move(n: int) -> None:
        nonlocal wanted
        wanted = presets[n % len(presets)]

    with sounddevice.Stream(SAMPLE_RATE, 0, "system", 2, "float32", "low", callback=callback):
        seen = _under_load(seconds, move, lambda: len(elapsed_ns))
        times = np.array(elapsed_ns or [0]) / 1e3
    parts = {"p50": 50.0, "p99": 99.0, "p999": 99.9, "max": 100.0}
    dsp_us = {name: float(np.percentile(times, part)) for name, part in parts.items()}
    return {**seen, "dsp_us": dsp_us, "device_gaps": gaps}


def run_pedalboard(seconds: float) -> dict[str, Any]:
    """pedalboard's own stream under load. It does not say how long its blocks take."""

    def under_load(move: Callable[[int], None], silent: Callable[[], int]) -> dict[str, Any]:
        row = _under_load(seconds, move, silent)
        return {"offered": row["offered"], "served": row["offered"] - row["served"]}

    return audio_stream.run(_presets(), under_load)


def _presets() -> list[Any]:
    from realtime.preset import factory_presets, load_preset

    return [load_preset(name) for name in factory_presets()]


def _under_load(
    seconds: float, move: Callable[[int], None], blocks: Callable[[], int]
) -> dict[str, Any]:
    cycles = ServerCycles()
    stop = threading.Event()
    threads = load(stop, move)
    offered, served = cycles.count, blocks()
    time.sleep(seconds)
    offered, served = cycles.count - offered, blocks() - served
    stop.set()
    for thread in threads:
        thread.join()
    cycles.close()
    return {"offered": offered, "served": served}


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write the JSON. Returns the exit status."""
    parser = command_line.parser("gil", __doc__)
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"each (default {SECONDS:g})"
    )
    parser.add_argument("--kind", choices=KINDS, help=argparse.SUPPRESS)  # one of the children
    args = parser.parse_args(argv)
    command_line.check_seconds(parser, args.seconds)
    if importlib.util.find_spec("jack") is None:
        parser.error("JACK-Client is not installed: pip install 'afx-live[dev]'")
    if args.kind:
        runs = {"compiled": run_compiled, "python": run_python, "pedalboard": run_pedalboard}
        print(json.dumps(runs[args.kind](args.seconds)))
        return 0
    record: dict[str, Any] = describe(("numpy", "numba", "sounddevice", "onnxruntime"))
    record["results"] = {}
    table = Table(title=f"{PERIOD} frames at {SAMPLE_RATE} Hz, {args.seconds:g} s each")
    for heading in ("callback", "offered", "served", "share", "DSP p50", "p99", "p99.9", "max us"):
        table.add_column(heading, justify="right")
    with tempfile.TemporaryDirectory() as folder, jack_server() as server:
        alsa = audio_stream.environment(Path(folder))
        environment = {**server.environment, **(alsa or {})}
        for kind in KINDS if alsa else KINDS[:2]:
            child = [sys.executable, "-m", "benchmarks.gil", "--kind", kind]
            done = subprocess.run(
                [*child, "--seconds", str(args.seconds)],
                env=environment, cwd=ROOT, capture_output=True, text=True,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(done.stderr.strip())
            row = json.loads(done.stdout.splitlines()[-1])
            record["results"][kind] = row
            share = f"{100 * row['served'] / row['offered']:.1f} %"
            parts = ("p50", "p99", "p999", "max")
            times = [f"{row['dsp_us'][part]:.1f}" for part in parts if "dsp_us" in row]
            table.add_row(kind, str(row["offered"]), str(row["served"]), share, *times)
    if alsa is None:
        print("without pedalboard's AudioStream: Debian's libasound2-plugins is not installed")
    command_line.show(table)
    if args.json:
        write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
