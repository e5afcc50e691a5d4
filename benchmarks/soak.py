"""A long session under a storm of hands: what `python -m benchmarks.latency --soak MINUTES` runs.

`afx-live`, as a performer starts it, on a real JACK server with blocks of 64 frames, noise at its
input. A controller made with python-rtmidi turns eight knobs, 1000 messages a second, changes the
preset four times a second and presses bypass now and then. Server and audio thread ask for
real-time priority above all else here. Memory is what the engine's process holds after the first
third, when all that it keeps is full, and at the end. A late block is the machine's where the
kernel or a hypervisor took the processor away meanwhile: that is counted beside them.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benchmarks import command_line
from benchmarks.jack_server import SAMPLE_RATE, afx_live, jack_server
from benchmarks.machine import ROOT, describe, write_json
from realtime.params import BY_ID
from realtime.preset import factory_presets
from realtime.targets import ACTIONS

PERIOD = 64
# Half a minute of sound takes as long to fill, and rtmidi's queue, a place at a time, 4096 / 10 s.
WARM_SHARE = 1.0 / 3.0
MOVES_PER_SECOND, PRESETS_PER_SECOND = 1_000, 4
BYPASS_SECONDS = 7.0
KNOBS = (
    "input.gain_db", "eq2.gain_db", "eq3.freq_hz", "comp.threshold_db",
    "dist.drive_db", "dist.mix", "reverb.wet", "reverb.room_size",
)  # fmt: skip
_LOOK_SECONDS = 1.0
_NOISE = np.dtype(
    [("ports", np.uint64, (2,)), ("at", np.int64), ("x", np.float32, (SAMPLE_RATE,))], align=True
)


class Noise:
    """A JACK client that plays a second of noise over and over into a program, without Python."""

    def __init__(self, program: str) -> None:
        import jack

        self._memory = np.zeros(1, _NOISE)
        rng = np.random.default_rng(0)
        self._memory["x"] = 0.1 * rng.standard_normal(SAMPLE_RATE)
        self._client = jack.Client("noise", no_start_server=True)
        ports = [self._client.outports.register(f"out_{n}") for n in (1, 2)]
        self._memory["ports"] = [int(jack._ffi.cast("uintptr_t", port._ptr)) for port in ports]
        self._callback = _noise_callback()
        function = jack._ffi.cast("JackProcessCallback", self._callback.address)
        argument = jack._ffi.cast("void*", self._memory.ctypes.data)
        if jack._lib.jack_set_process_callback(self._client._ptr, function, argument):
            raise SystemExit("JACK refuses the client that plays noise")
        self._client.activate()
        for port, into in zip(
            ports, self._client.get_ports(f"^{program}:", is_input=True), strict=True
        ):
            self._client.connect(port, into)

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate()
        self._client.close()


def _noise_callback() -> Any:
    import ctypes

    from numba import carray, cfunc, types

    from realtime.native import pointer_to

    get_buffer = ctypes.CDLL("libjack.so.0").jack_port_get_buffer
    get_buffer.restype, get_buffer.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_uint32]

    def process(frames, userdata):  # type: ignore[no-untyped-def]
        memory = carray(userdata, 1, _NOISE)[0]
        for channel in range(2):
            port = get_buffer(pointer_to(memory.ports[channel]), frames)
            out = carray(pointer_to(port), frames, np.float32)
            for i in range(frames):
                out[i] = memory.x[(memory.at + i + 1_000 * channel) % SAMPLE_RATE]
        memory.at = (memory.at + frames) % SAMPLE_RATE
        return np.int32(0)

    return cfunc(types.int32(types.uint32, types.voidptr))(process)


class Hands:
    """A controller in a storm. sent: messages so far."""

    def __init__(self) -> None:
        import rtmidi

        self._out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, "hands")
        self._out.open_virtual_port("out")
        self._ccs = [BY_ID[knob].cc for knob in KNOBS]
        self._bypass = next(action.cc for action in ACTIONS if action.id == "bypass")
        self._presets = len(factory_presets())
        self._moves = self._loads = self._presses = 0

    @property
    def sent(self) -> int:
        """Messages so far."""
        return self._moves + self._loads + self._presses

    def storm(self, passed: float) -> None:
        """Send what is due when so many seconds have passed since the first call."""
        while self._moves < MOVES_PER_SECOND * passed:
            cc = self._ccs[self._moves % len(self._ccs)]
            self._out.send_message((0xB0, cc, (37 * self._moves) % 128))
            self._moves += 1
        while self._loads < PRESETS_PER_SECOND * passed:
            self._out.send_message((0xC0, (5 * self._loads) % self._presets))
            self._loads += 1
        while self._presses < passed / BYPASS_SECONDS:
            self._out.send_message((0xB0, self._bypass, 127))
            self._presses += 1

    def close(self) -> None:
        """Be gone."""
        self._out.delete()


def soak(minutes: float) -> dict[str, Any]:
    """Run it; what came of it. Raises: SystemExit with one line where it cannot."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(jack_server(PERIOD))
        os.environ.update(server.environment)  # our clients are its too
        hands = Hands()
        stack.callback(hands.close)
        stats = folder / "stats.json"
        player = _start("--preset", "hall", "--midi", "hands", "--stats", str(stats))
        stack.callback(_end, player)
        noise = Noise("afx-live")
        stack.callback(noise.close)
        stolen = _stolen_seconds()
        memory = _hold_out(player, hands, 60.0 * minutes)
        taken = {
            "preempted": _preempted(_engine(player)),
            "stolen_s": round(_stolen_seconds() - stolen, 2),
        }
        scheduling = server.scheduling
        status = _end(player)
        if status:
            raise SystemExit(f"afx-live ended with status {status}")
        session = json.loads(stats.read_text())
    kept = ("blocks", "late_blocks", "underflows", "overflows", "nonfinite_resets", "priority")
    return {
        "minutes": minutes, "period": PERIOD, "sample_rate": SAMPLE_RATE, "messages": hands.sent,
        **{name: session[name] for name in kept}, "dsp_us": session["dsp_us"],
        "server": scheduling, "processor": taken, "memory": memory,
    }  # fmt: skip


def _start(*options: str) -> subprocess.Popen[str]:
    command = afx_live(*options, "--plain", "--device", "system")
    player = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert player.stderr is not None
    awaited, said = ["audio running", "is open"], []
    while awaited:
        said.append(player.stderr.readline())
        if not said[-1]:
            raise SystemExit(f"afx-live did not start: {''.join(said)}")
        awaited = [words for words in awaited if words not in said[-1]]
    return player


def _hold_out(player: subprocess.Popen[str], hands: Hands, seconds: float) -> dict[str, Any]:
    """The storm; kB that the engine's process holds: after warming up, at most since, at the end.

    Raises: SystemExit if the engine dies.
    """
    assert player.stderr is not None
    engine = _engine(player)
    os.set_blocking(player.stderr.fileno(), False)  # each preset is told of; nobody reads it
    samples: list[tuple[float, int]] = []
    began = time.monotonic()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("soaking", total=seconds)
        while (passed := time.monotonic() - began) < seconds:
            hands.storm(passed)
            if passed > _LOOK_SECONDS * len(samples):
                while player.stderr.read(1 << 16):
                    pass
                if player.poll() is not None or _engine(player) != engine:
                    raise SystemExit("the engine died")
                samples.append((passed, _resident_kb(engine)))
                progress.update(task, completed=passed)
            time.sleep(0.0005)
    warm = [kb for at, kb in samples if at >= WARM_SHARE * seconds]
    first = sorted(warm[:10])[len(warm[:10]) // 2]
    last = sorted(warm[-10:])[len(warm[-10:]) // 2]
    each_minute = [kb for at, kb in samples if at % 60.0 < _LOOK_SECONDS]
    return {
        "each_minute_kb": each_minute,
        "warm_kb": first,
        "max_kb": max(warm),
        "end_kb": last,
        "growth_kb": last - first,
    }


def _engine(player: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{player.pid}/task/{player.pid}/children").read_text().split()
    return int(children[0]) if children else 0


def _resident_kb(pid: int) -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


def _preempted(pid: int) -> int:
    """How often the kernel gave the audio thread's processor to another: of the threads at
    real-time priority the audio thread is the one that has run longest."""
    ran_and_lost = [(0, 0)]
    for task in Path(f"/proc/{pid}/task").iterdir():
        if os.sched_getscheduler(int(task.name)) == os.SCHED_FIFO:
            lost = re.search(r"nonvoluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text())
            assert lost
            ran_and_lost.append((int((task / "schedstat").read_text().split()[0]), int(lost[1])))
    return max(ran_and_lost)[1]


def _stolen_seconds() -> float:
    """What a hypervisor took of all processors so far, for other machines."""
    ticks = Path("/proc/stat").read_text().split("\n", 1)[0].split()[8]
    return int(ticks) / os.sysconf("SC_CLK_TCK")


def _end(player: subprocess.Popen[str]) -> int:
    player.terminate()
    player.communicate(timeout=30)
    return player.returncode


def run(minutes: float, json_file: Path) -> int:
    """Soak, print the table, write the JSON. Returns the exit status."""
    record = describe(("numpy", "numba", "sounddevice", "python-rtmidi"))
    record["results"] = row = soak(minutes)
    table = Table(title=f"{minutes:g} minutes at {PERIOD} frames, {row['messages']} MIDI messages")
    headings = ("blocks", "late", "preempted", "stolen", "device gaps", "DSP p50", "p99", "p99.9")
    for heading in (*headings, "max us", "memory"):
        table.add_column(heading, justify="right")
    times = [f"{row['dsp_us'][part]:.1f}" for part in ("p50", "p99", "p999", "max")]
    gaps = max(row["underflows"], row["overflows"])
    taken = row["processor"]
    counts = [str(row["blocks"]), str(row["late_blocks"]), str(taken["preempted"])]
    counts += [f"{taken['stolen_s']:.1f} s", str(gaps)]
    table.add_row(*counts, *times, f"{row['memory']['growth_kb']:+d} kB")
    command_line.show(table)
    write_json(json_file, record)
    return 0
