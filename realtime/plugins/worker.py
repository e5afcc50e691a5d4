"""A plugin's own process: hears what the chain sends it, answers in time or not at all.

Started by `realtime.plugins.process`; arguments: descriptors of the line to the host, of the
shared memory and of the pipe that the host's death closes, then the names of two semaphores. Its
stdout and stderr are the host's to keep. It says what the plugin is, waits to hear where its
parameters are to stand, and works from then on: in the main thread, which plugins insist on.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import queue
import socket
import sys
import threading
import time
from dataclasses import asdict
from typing import Any

import numpy as np

from realtime.lifeline import Line
from realtime.plugins import sharing
from realtime.plugins.record import (
    FED,
    LATENCY,
    NEVER,
    PARAMETERS_MAX,
    RETURNED,
    RING_FRAMES,
    VALID_FROM,
)
from realtime.plugins.setting import PluginError

# Messages on the line. To the plugin's process: the state, then what to load; then go.
STATE, LOAD, GO, RESTORE, ASK = "state", "load", "go", "restore", "ask"
# From it: what was loaded, or why not; a state.
LOADED, FAILED, STATE_IS = "loaded", "failed", "state is"

_SLEEP = 0.7  # of a block, before the next one is looked for
_STEP = 1 / 16  # of a block, between two looks
_STEP_SECONDS_MIN, _STEP_SECONDS_MAX = 5e-5, 5e-4
_IDLE_BLOCKS = 16.0  # without a sound for so long, the stream stands
_IDLE_SECONDS = 1e-3

QUANTUM = 512  # frames of the pieces that the plugin hears of a file, however blocks are cut


def main() -> int:
    """Serve one plugin until the host goes."""
    ours, memory, death = (int(number) for number in sys.argv[1:4])
    sharing.end_with(death)
    wake, answered = (sharing.open_semaphore(name) for name in sys.argv[4:6])
    line = Line(socket.socket(fileno=ours))
    messages: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()

    def listen() -> None:
        with contextlib.suppress(EOFError):
            while True:
                for message in line.receive():
                    messages.put(message)
                    wake.release()
        os._exit(0)

    threading.Thread(target=listen, name="line", daemon=True).start()
    state = _next(messages, STATE)
    request = json.loads(_next(messages, LOAD))
    try:
        processor, rows = _load(request, state)
    except PluginError as error:
        line.send(FAILED, str(error).encode())
        return 1
    plugin = processor.plugins[0]
    reply = {
        "rows": [asdict(row) for row in rows],
        "positions": [processor.position(row.index) for row in rows],
        "latency": processor.latency,
        "identifier": plugin.identifier,
        "version": plugin.version,
        "component": plugin.name if request["component"] else "",
    }
    line.send(LOADED, json.dumps(reply).encode())
    work = json.loads(_next(messages, GO))
    server = Server(processor, *sharing.map_sides(memory), work, request)
    if not request["offline"]:
        _hurry()
    pace = None if request["offline"] else Pace(request["sample_rate"])
    while True:
        wake.acquire(True, None if pace is None else pace.seconds())
        while not messages.empty():
            name, payload = messages.get()
            if name == ASK:
                line.send(STATE_IS, processor.state)
            elif name == RESTORE:
                processor.restore(payload)
                server.stand()
        looked = time.monotonic()
        found = server.serve()
        if pace is None:
            answered.release()
        elif found:
            pace.found(found, looked)


def _next(messages: queue.SimpleQueue[tuple[str, bytes]], name: str) -> bytes:
    """The payload of the next message, which is of this name."""
    got, payload = messages.get()
    if got != name:
        raise ValueError(f"{got!r} came where {name!r} is due")
    return payload


def _load(request: dict[str, Any], state: bytes) -> tuple[Any, tuple[Any, ...]]:
    from realtime.plugins.loading import describe
    from realtime.plugins.processor import Processor

    processor = Processor(
        request["path"], request["component"], request["sample_rate"], request["channels"]
    )
    rows = describe(processor.plugins[0], request["name"]) if request["describe"] else ()
    processor.restore(state)
    if not request["offline"]:
        processor.warm_up(request["piece_frames"])
    return processor, tuple(row for row in rows if row.index < PARAMETERS_MAX)


def _hurry() -> None:
    """Have no garbage collection come in between."""
    gc.collect()
    gc.freeze()
    gc.disable()


class Pace:
    """When to look for the next block. The audio thread wakes nobody: that would cost it 15 us.

    A block lasts as long as its frames: after most of that time, and often from then on.
    """

    def __init__(self, sample_rate: int) -> None:
        self._sample_rate = sample_rate
        self._due = self._idle_from = 0.0
        self._step = _IDLE_SECONDS

    def found(self, frames: int, when: float) -> None:
        """A block of so many frames was there. when: `time.monotonic()`, s."""
        lasts = frames / self._sample_rate
        self._due = when + _SLEEP * lasts
        self._idle_from = when + _IDLE_BLOCKS * lasts
        self._step = min(max(lasts * _STEP, _STEP_SECONDS_MIN), _STEP_SECONDS_MAX)

    def seconds(self) -> float:
        """How long to sleep now."""
        now = time.monotonic()
        if now > self._idle_from:
            return _IDLE_SECONDS
        return max(self._due - now, self._step)


class Server:
    """Answers what was sent, in the order of the rings' positions.

    work: "indexes" of the parameters that the host may move, and "from" which position on to
    work. request: as on the line.
    """

    def __init__(
        self,
        processor: Any,
        host: np.ndarray,
        plugin: np.ndarray,
        work: dict[str, Any],
        request: dict[str, Any],
    ) -> None:
        self._processor = processor
        self._host, self._words = host[0], plugin[0]["words"]
        self._sent, self._fades = self._host["sent"], self._host["fades"]
        self._in, self._out = self._host["audio"], plugin[0]["audio"]
        self._channels = request["channels"]
        self._quantum = QUANTUM if request["offline"] else 0
        self._piece = QUANTUM if request["offline"] else request["piece_frames"]
        self._indexes = np.array(work["indexes"], np.int64)
        self._targets = np.zeros(PARAMETERS_MAX)
        self.stand()
        self._latency = processor.latency
        self._fed, self._seen = 0, work["from"]
        self._begin(work["from"])

    def stand(self) -> None:
        """Put every parameter where the host wants it, at once."""
        for index in self._indexes:
            self._targets[index] = target = self._host["targets"][index]
            if self._processor.position(index) != target:
                self._processor.move(int(index), float(target), 0)

    def serve(self) -> int:
        """All that was sent until now; how many frames that was, at most a block's."""
        sent = int(self._sent[0])
        new = min(sent - self._seen, int(self._host["largest_block"]))
        self._seen = sent
        delay = int(self._host["delay"]) - self._latency
        if sent - self._fed > 2 * delay and not self._quantum:
            self._begin(sent - delay)  # too late for it; what comes next can be in time
        while self._fed < sent:
            count = min(sent - self._fed, self._piece)
            if count < self._quantum:
                break
            self._follow()
            self._answer(count)
        return new

    def _begin(self, position: int) -> None:
        """Answer from this position on, and nothing before."""
        self._fed = position
        self._words[VALID_FROM] = position or -NEVER
        self._words[LATENCY] = self._latency
        sharing.fence()
        self._words[RETURNED] = position - self._latency
        self._words[FED] = position

    def _follow(self) -> None:
        """Begin the moves that were asked for."""
        now = self._host["targets"]
        for index in np.flatnonzero(now != self._targets):
            self._targets[index] = target = now[index]
            self._processor.move(int(index), float(target), int(self._fades[index]))

    def _answer(self, count: int) -> None:
        """The next `count` frames."""
        start = self._fed % RING_FRAMES
        audio = self._in[: self._channels, start : start + count]
        if audio.shape[1] < count:
            rest = self._in[: self._channels, : count - audio.shape[1]]
            audio = np.concatenate([audio, rest], axis=1)
        out = self._processor.run(audio)
        self._fed += count
        latency = self._processor.latency
        if latency != self._latency:
            self._latency = latency
            self._begin(self._fed)
            return
        at = self._fed - latency - out.shape[1]
        early = max(int(self._words[VALID_FROM]) - at, 0)
        out, at = out[:, early:], at + early
        first = at % RING_FRAMES
        head = RING_FRAMES - first
        self._out[: self._channels, first : first + out.shape[1]] = out[:, :head]
        if out.shape[1] > head:
            self._out[: self._channels, : out.shape[1] - head] = out[:, head:]
        sharing.fence()
        self._words[RETURNED] = self._fed - latency
        self._words[FED] = self._fed
