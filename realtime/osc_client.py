"""The one OSC client that is told of changes: who it is, and what it knows already.

A value that the client sent itself counts as known, so nothing goes back and forth; but where the
range cut it off, it does not stand as sent, and the client hears so.
"""

from __future__ import annotations

import math
import socket

from realtime.controls import Controls, State
from realtime.osc_packets import write_message
from realtime.targets import Targets

UNIT = "unit/"  # before an id: not plain, but 0..1 as a knob stands

Address = tuple  # what the socket takes: (host, port), or (host, port, flow, scope)


class OscClient:
    """Not for two threads at once.

    separator: what the client writes between the parts of an id, a dot or a slash.
    address: who it is; None before anyone sent.
    """

    def __init__(self, controls: Controls) -> None:
        self._controls = controls
        self._known: dict[str, float | str] = {}
        self._told = -1  # the state's number when the client was last told
        self._socket: socket.socket | None = None
        self.address: Address | None = None
        self.separator = "."

    def fix(self, family: socket.AddressFamily, address: Address) -> None:
        """Tell `address`, whoever sends. Raises: OSError"""
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self.address = address

    def meet(self, sender: Address) -> None:
        """From now on tell `sender`, unless another was fixed.

        It is told of changes; what it shows already is its own affair until it asks.
        """
        if self._socket is None and sender != self.address:
            self.address = sender
            self._known = _values(self._controls.state, self._controls.targets)

    def heard(self, key: str, value: float, sender: Address) -> None:
        """`sender`, perhaps the client, has set `key`: "comp.ratio" or "unit/comp.ratio"."""
        if self.address and sender[0].removeprefix("::ffff:") == self.address[0]:
            self._known[key] = value

    def forget(self, key: str | None = None) -> None:
        """Have `key`, or everything, told again."""
        self._known = {k: v for k, v in self._known.items() if key not in (None, k)}
        self._told = -1

    def tell(self, receiver: socket.socket) -> None:
        """Send what the client does not know, from `receiver` if it was met there.

        What finds no room in the system's buffer waits for the next call.

        Raises: OSError where nothing goes; it is tried again after the next change.
        """
        state = self._controls.state
        if self.address is None or state.number == self._told:
            return
        out = self._socket or receiver
        for key, value in _values(state, self._controls.targets).items():
            if key in self._known and _same(self._known[key], value):
                continue
            unit = UNIT if key.startswith(UNIT) else ""
            spelled = key.removeprefix(unit).replace(".", self.separator)
            try:
                out.sendto(write_message(f"/{unit}{spelled}", value), self.address)
            except BlockingIOError:
                return
            except OSError:
                self._told = state.number
                raise
            self._known[key] = value
        self._told = state.number

    def close(self) -> None:
        """Close what `fix` opened."""
        if self._socket is not None:
            self._socket.close()


def _values(state: State, targets: Targets) -> dict[str, float | str]:
    """Everything that is told: id, or id in 0..1, or a word of its own -> value."""
    plain = {target: state.value(target) for target in targets.values}
    unit = {UNIT + target: targets.values[target].to_unit(value) for target, value in plain.items()}
    flags = {"bypassed": float(state.bypassed), "panicked": float(state.panicked)}
    return {**plain, **unit, **flags, "origin": state.origin}


def _same(known: float | str, value: float | str) -> bool:
    if isinstance(known, str) or isinstance(value, str):
        return known == value
    return math.isclose(known, value, rel_tol=1e-6, abs_tol=1e-6)  # they cross as 32-bit floats
