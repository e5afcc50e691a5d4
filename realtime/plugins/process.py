"""A plugin's process seen from the host: how it is started, asked, and killed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any

from realtime import same_python
from realtime.lifeline import Line
from realtime.plugins import sharing
from realtime.plugins.setting import PluginError, PluginParam
from realtime.plugins.worker import ASK, FAILED, GO, LOAD, LOADED, RESTORE, STATE, STATE_IS

_LOAD_SECONDS = 30.0  # some plugins ask a licence server first
_ASK_SECONDS = 1.0
_NOISE_LINES = 3  # of what it printed, for the message if it dies


@dataclass(frozen=True)
class Loaded:
    """What a plugin's process said of it.

    rows: of its parameters. positions: where these stand, normalised. latency: frames.
    """

    rows: tuple[PluginParam, ...]
    positions: tuple[float, ...]
    latency: int
    identifier: str
    version: str
    component: str


class PluginProcess:
    """One process with one plugin: started, then `load`ed, at work after `go`.

    name: for messages. memory: descriptor of the shared record. request: what to load, as
    `realtime.plugins.worker` takes it.
    """

    def __init__(self, name: str, memory: int, request: dict[str, Any], state: bytes) -> None:
        self._name = name
        self._noise: deque[str] = deque(maxlen=_NOISE_LINES)
        self._asking, self._ending = threading.Lock(), threading.Lock()
        self.wake, wake_name = sharing.create_semaphore()
        self.answered, answered_name = sharing.create_semaphore()
        ours, theirs = socket.socketpair()
        death, self._life = os.pipe()
        os.set_inheritable(self._life, False)
        descriptors = (theirs.fileno(), memory, death)
        arguments = [*map(str, descriptors), wake_name, answered_name]
        try:
            self._process = subprocess.Popen(
                same_python.command("realtime.plugins.worker", *arguments),
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C and Ctrl-Z are ours to hear
            )
        finally:
            theirs.close()
            os.close(death)
        threading.Thread(target=self._listen, name=f"noise of {name}", daemon=True).start()
        self._end = ours
        self._line = Line(ours)
        self._names = (wake_name, answered_name)
        self._line.send(STATE, state)
        self._line.send(LOAD, json.dumps(request).encode())

    def _listen(self) -> None:
        """Keep its chatter off the terminal, and its last words."""
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            for line in self._process.stdout:
                if words := line.decode(errors="replace").strip():
                    self._noise.append(words)

    def load(self) -> Loaded:
        """Wait until it has loaded the plugin. Raises: PluginError, one line, if it cannot."""
        payload = self._reply(LOADED, _LOAD_SECONDS)
        self._forget_names()
        if payload is None and self.alive:
            raise PluginError(f"{self._name} hangs: not loaded after {_LOAD_SECONDS:g} s")
        if payload is None:
            raise PluginError(f"{self._name} ends the process that loads it ({self.death()})")
        answer = json.loads(payload)
        rows = tuple(_row(fields) for fields in answer.pop("rows"))
        return Loaded(rows, tuple(answer.pop("positions")), **answer)

    def _forget_names(self) -> None:
        for name in self._names:
            sharing.forget_semaphore(name)

    def _reply(self, name: str, patience: float) -> bytes | None:
        """The next message of this name; None if none comes. Raises: PluginError if FAILED."""
        until = time.monotonic() + patience
        while (left := until - time.monotonic()) > 0.0:
            if not select.select([self._line], [], [], left)[0]:
                break
            try:
                messages = self._line.receive()
            except EOFError:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(_ASK_SECONDS)
                break
            for got, payload in messages:
                if got == FAILED:
                    raise PluginError(payload.decode())
                if got == name:
                    return payload
        return None

    def go(self, indexes: list[int], position: int) -> None:
        """Work from this position on, with these parameters where the shared record says."""
        self._line.send(GO, json.dumps({"indexes": indexes, "from": position}).encode())
        self._end.settimeout(_ASK_SECONDS)  # one that hangs shall not hold whoever asks

    def restore(self, state: bytes) -> None:
        """Give the plugin another state; then its parameters stand where the record says."""
        self._line.send(RESTORE, state)

    def ask_state(self) -> bytes | None:
        """What the plugin saves; None if it does not say within a second."""
        with self._asking:
            self._line.send(ASK)
            return self._reply(STATE_IS, _ASK_SECONDS)

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs, or hangs."""
        return self._process.poll() is None

    def death(self) -> str:
        """How it ended, and what it printed last."""
        code = self._process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return f"{how}: {self._noise[-1]}" if self._noise and code > 0 else how

    def end(self) -> None:
        """Kill it: what a plugin would do while it unloads is no matter of ours. Again: nothing."""
        self._process.kill()
        self._process.wait()
        self._forget_names()
        with self._ending:
            if self._life >= 0:
                self._line.close()
                os.close(self._life)
                self._life = -1


def _row(fields: dict[str, Any]) -> PluginParam:
    """A row as JSON has it."""
    plain: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()
    }
    return PluginParam(**plain)
