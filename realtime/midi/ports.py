"""Keeps MIDI ports open: finds them by name, opens them again when they return, moves the bytes.

One Python thread does it all. What the bytes mean is the controller's affair.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from realtime.midi.port_names import lasting, output_of, wanted
from realtime.midi.systems import Input, Output, System, systems

_BUSY_SECONDS = 0.0005  # between looks at the inputs while messages come
_IDLE_SECONDS = 0.001
_IDLE_AFTER_SECONDS = 1.0
_FEEDBACK_SECONDS = 0.01
_SCAN_SECONDS = 0.25
_STOP_SECONDS = 2.0


@dataclass
class _Port:
    """An open input and the way back to its device, where there is one.

    name: as a person knows it, the same after a replug. address, back: the system's names for
    input and output now; "" for the virtual port. doubted: the system's heartbeats when it first
    looked gone; None while it is there.
    """

    name: str
    system: System
    address: str
    input: Input
    back: str = ""
    output: Output | None = None
    doubted: int | None = None

    def is_lost(self) -> bool:
        """Whether what looks gone is; to be asked again at the next look.

        Closing it asks the server. One that has just stopped shows connections half made, and
        would keep us waiting for an answer: so it has to show that it lives.
        """
        beats = self.system.heartbeats
        if self.doubted is None:
            self.doubted = beats
        # The first may have been on its way back when it stopped.
        return beats is None or self.doubted is None or beats > self.doubted + 1

    def close(self) -> None:
        self.system.close_port(self.input)
        self.close_output()

    def close_output(self) -> None:
        if self.output is not None:
            self.system.close_port(self.output)
        self.output = None


class MidiPorts:
    """The open MIDI ports, kept so by a thread of their own.

    words: parts of the names of the inputs to open, any case; None for every real device.
    virtual: whether to offer a port of our own, called `client_name`, where the system can.
    received(port, bytes, now): messages that waited, joined; now: `time.monotonic()`, s.
    feedback(now): asked for (port, message) to send, after every receipt and every 10 ms.
    opened(port): a port opened or came back; before anything is received from it.
    say: gets a line for a person whenever a port comes or goes.
    The callables run on the thread, but for `opened` and `say` in `start`.
    """

    def __init__(
        self,
        words: Sequence[str] | None,
        *,
        virtual: bool,
        received: Callable[[str, bytes, float], None],
        feedback: Callable[[float], Iterable[tuple[str, bytes]]],
        opened: Callable[[str], None],
        say: Callable[[str], None],
        client_name: str = "afx-live",
    ) -> None:
        self._words, self._virtual, self._client_name = words, virtual, client_name
        self._received, self._feedback = received, feedback
        self._opened, self._say = opened, say
        self._systems: list[System] = []
        self._ports: dict[str, _Port] = {}
        self._gone: dict[str, str] = {}  # name: lasting name
        self._standing: set[System] = set()  # systems that do not run
        self._failures: set[str] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="midi", daemon=True)

    @property
    def open_ports(self) -> tuple[str, ...]:
        """Names of the inputs that are open."""
        return tuple(name for name, port in self._ports.copy().items() if port.system.runs)

    @property
    def missing(self) -> tuple[str, ...]:
        """Inputs that vanished, and words that fitted none so far."""
        ports, gone = self._ports.copy(), list(self._gone.copy())
        unmet = [w for w in self._words or () if not any(wanted(n, [w]) for n in (*ports, *gone))]
        return (*gone, *(name for name, p in ports.items() if not p.system.runs), *unmet)

    def start(self) -> None:
        """Open what is there, and keep watch. Without any MIDI system, only say so."""
        self._systems = systems(self._client_name, self._virtual)
        if not self._systems:
            self._say("MIDI: this machine offers none; the sound goes on without")
            return
        for system in self._systems:
            self._offer(system)
        self._scan()
        for word in self.missing:
            self._say(f"MIDI: no input is called {word!r}; it is opened when it comes")
        self._thread.start()

    def close(self) -> None:
        """Close all ports and end the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            return  # a driver hangs; closing would hang with it
        for system in self._systems:
            if system.runs:
                for port in self._of(system):
                    self._close(port)
                system.close()

    def _run(self) -> None:
        scan_due = feedback_due = time.monotonic() + _SCAN_SECONDS
        last_message = 0.0
        while not self._stop.is_set():
            now = time.monotonic()
            if now >= scan_due:
                self._scan()
                scan_due = now + _SCAN_SECONDS
            if self._receive(now):
                last_message, feedback_due = now, now
            if now >= feedback_due:
                self._guarded(self._answer, now)
                feedback_due = now + _FEEDBACK_SECONDS
            idle = now - last_message > _IDLE_AFTER_SECONDS
            time.sleep(_IDLE_SECONDS if idle else _BUSY_SECONDS)

    def _receive(self, now: float) -> bool:
        any_came = False
        for port in self._ports.values():
            if data := port.input.take():
                any_came = True
                self._guarded(self._received, port.name, data, now)
        for system in self._systems:
            self._guarded(system.beat, now)
        return any_came

    def _answer(self, now: float) -> None:
        for name, message in self._feedback(now):
            port = self._ports.get(name)
            if port is not None and port.output is not None:
                self._guarded(port.output.send, message)

    def _guarded(self, call: Callable[..., object], *arguments: object) -> None:
        """Nothing that fails here may end the thread; each failure is said once."""
        try:
            call(*arguments)
        except Exception as error:
            failure = f"MIDI: {' '.join(str(error).split()) or repr(error)}"
            if failure not in self._failures:
                self._failures.add(failure)
                self._say(failure)

    def _scan(self) -> None:
        for system in self._systems:
            if system.runs:
                self._guarded(self._scan_system, system)
        standing = {system for system in self._systems if not system.runs}
        if standing != self._standing:
            self._say(f"MIDI: the JACK server {'does not answer' if standing else 'answers again'}")
        self._standing = standing

    def _of(self, system: System) -> list[_Port]:
        return [port for port in self._ports.values() if port.system is system]

    def _scan_system(self, system: System) -> None:
        inputs, outputs, connected = system.inputs(), system.outputs(), system.self_connected()
        for port in self._of(system):
            if not port.address:
                continue
            if port.address in connected:
                self._close(port)
            elif port.address not in inputs or not system.holds(port.input, port.address):
                if port.is_lost():
                    self._lose(port)
            elif port.output and not (
                port.back in outputs and system.holds(port.output, port.back)
            ):
                if port.is_lost():
                    port.close_output()
            else:
                port.doubted = None
        for address in inputs:
            known = next((p for p in self._of(system) if p.address == address), None)
            back = output_of(address, inputs, outputs, system.name)
            if known is None and address not in connected and wanted(address, self._words):
                self._guarded(self._open, system, address, back)
            elif known is not None and known.output is None and back:
                self._guarded(self._answer_to, known, back)

    def _open(self, system: System, address: str, back: str | None) -> None:
        plain = lasting(address, system.name)
        port = _Port(self._name(plain), system, address, system.open_input(address))
        returned = self._gone.pop(port.name, None) is not None
        self._ports[port.name] = port
        self._say(f"MIDI: {port.name!r} is {'back' if returned else 'open'}")
        if back:
            self._guarded(self._answer_to, port, back)
        if port.output is None:
            self._opened(port.name)

    def _answer_to(self, port: _Port, back: str) -> None:
        port.back, port.output = back, port.system.open_output(back)
        self._opened(port.name)

    def _offer(self, system: System) -> None:
        if system.ours is not None:
            name = self._name(self._client_name)
            self._ports[name] = _Port(name, system, "", system.ours[0], "", system.ours[1])
            self._say(f"MIDI: {name!r} is there to be connected to")
            self._opened(name)

    def _lose(self, port: _Port) -> None:
        self._gone[port.name] = lasting(port.address, port.system.name)
        self._say(f"MIDI: {port.name!r} is gone, waiting for it")
        self._close(port)

    def _close(self, port: _Port) -> None:
        del self._ports[port.name]
        port.close()

    def _name(self, plain: str) -> str:
        """What to call a port: as one of that name that is gone, else as no other is called."""
        for name, was in self._gone.items():
            if was == plain:
                return name
        name, number = plain, 1
        while name in self._ports:
            number += 1
            name = f"{plain} ({number})"
        return name
