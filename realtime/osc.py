"""Open Sound Control over UDP: other programs and phones move what a hand can reach.

An address is a target's id: `/comp.threshold_db -18` in plain units, `/unit/comp.threshold_db 0.5`
where a knob's 0..1 has it. Slashes may stand for the dots. Without an argument a value's address
asks for it. A button's address presses it, `/program NUMBER [BANK]` chooses a preset, `/sync` asks
for everything. Address patterns are not matched.

What changes elsewhere is told to one client: to `reply`, or to whoever sent last. One thread
receives and tells; nobody who changes the sound waits for it.
"""

from __future__ import annotations

import difflib
import ipaddress
import math
import socket
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

from realtime.controls import Controls
from realtime.osc_client import UNIT, Address, OscClient
from realtime.osc_packets import DATAGRAM_MAX, Arguments, PacketError, read_packet

LOOPBACK = "127.0.0.1"
SOURCE = "osc"
# Addresses that are no target's.
TOLD: Mapping[str, str] = MappingProxyType(
    {
        "bypassed": "1 while bypassed, else 0",
        "panicked": "1 after panic, until bypass or a preset ends it, else 0",
        "origin": "where the sound comes from, as text",
    }
)
PROGRAM, SYNC = "program", "sync"

_TICK_SECONDS = 0.02  # how often the client is told
_BATCH = 1_000  # datagrams between two looks at the clock; all that fit a socket's buffer
_SAID_MAX = 8
_PRESSED = 0.5  # a button's argument from here on is a press, below its release
_PROGRAMS, _BANKS = 128, 16_384  # as in MIDI


class OscError(ValueError):
    """An address that cannot be used; the message names it in one line."""


class _UnknownAddressError(ValueError):
    """An address that nothing here answers to."""


def parse_address(text: str, host: str = LOOPBACK) -> tuple[str, int]:
    """`[HOST:]PORT` -> (host, port): a name, an IPv4 address, or an IPv6 address in brackets.

    Raises: OscError
    """
    place, colon, port = text.rpartition(":")
    if colon:
        host = place
    bracketed = host.startswith("[") and host.endswith("]")
    if bracketed:
        host = host[1:-1]
    if ":" in host and not bracketed:
        raise OscError(f"OSC address {text!r}: an IPv6 address goes in brackets, as [::1]:9000")
    if not host or any(c in "[]/" or c.isspace() or not c.isprintable() for c in host):
        raise OscError(f"OSC address {text!r}: not [HOST:]PORT, such as 9000 or 192.168.1.5:9000")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535):
        raise OscError(f"OSC address {text!r}: {port!r} is no port, which is 1 to 65535")
    return host, int(port)


class Osc:
    """Receives at `host` and `port` (0: any that is free) between `start` and `close`.

    reply: who is told of changes; None for whoever sent last. say: gets a line for each thing of
        note. program: gets bank and number of a `/program`. say and program are called on the
        thread of this class.
    """

    def __init__(
        self,
        controls: Controls,
        *,
        host: str = LOOPBACK,
        port: int,
        reply: tuple[str, int] | None = None,
        say: Callable[[str], None],
        program: Callable[[int, int], None],
    ) -> None:
        self._controls = controls
        self._targets = controls.targets
        self._at = (host, port)
        self._reply = reply
        self._say = say
        self._program = program
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="osc", daemon=True)
        self._socket: socket.socket | None = None
        self._client = OscClient(controls)
        self._moves: dict[str, float] = {}  # received, not yet set
        self._said: set[str] = set()
        self.messages = 0
        self.ignored = 0

    @property
    def port(self) -> int:
        """Where it receives."""
        return int(self._socket.getsockname()[1]) if self._socket else self._at[1]

    def start(self) -> None:
        """Open the port. Raises: OscError where it cannot be had, or `reply` is nowhere."""
        reply = _resolve(*self._reply) if self._reply else None
        family, address = _resolve(*self._at)
        receiver = socket.socket(family, socket.SOCK_DGRAM)
        try:
            receiver.bind(address)
        except OSError as error:
            receiver.close()
            raise OscError(f"cannot receive OSC at {_shown(self._at)}: {error.strerror}") from None
        self._socket = receiver
        if reply:
            self._client.fix(*reply)
        self._thread.start()
        near = ipaddress.ip_address(address[0].partition("%")[0]).is_loopback
        whom = "" if near else ", for anyone in the network"
        self._say(f"OSC at {_shown((self._at[0], self.port))}{whom}")

    def close(self) -> None:
        """Give the port back. Harmless to repeat."""
        self._stop.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        self._client.close()
        if self._socket is not None:
            self._socket.close()

    # --- the thread ---------------------------------------------------------------------------
    def _run(self) -> None:
        assert self._socket is not None
        due = time.monotonic()
        while not self._stop.is_set():
            for datagram, sender in self._receive(self._socket, due - time.monotonic()):
                self._take(datagram, sender)
            try:
                self._set_moves()
            except Exception as error:  # of someone who listens; the sound has changed
                self._ignore(_one_line(error), self._at)
            if time.monotonic() >= due:
                self._tell(self._socket)
                due = time.monotonic() + _TICK_SECONDS

    def _receive(self, receiver: socket.socket, seconds: float) -> list[tuple[bytes, Address]]:
        """What waits at the socket, or comes within `seconds`."""
        found: list[tuple[bytes, Address]] = []
        receiver.settimeout(max(0.001, seconds))
        try:
            while len(found) < _BATCH:
                found.append(receiver.recvfrom(DATAGRAM_MAX))
                receiver.settimeout(0.0)
        except (TimeoutError, BlockingIOError):
            pass
        except OSError:  # Windows: nobody took what was sent
            self._stop.wait(0.001)
        return found

    def _take(self, datagram: bytes, sender: Address) -> None:
        try:
            messages = read_packet(datagram)
        except PacketError as error:
            self._ignore(str(error), sender)
            return
        self._client.meet(sender)
        for address, arguments in messages:
            self.messages += 1
            try:
                self._obey(address, arguments, sender)
            except _UnknownAddressError:
                self._ignore(f"unknown address {_short(address)}", sender, address)
            except Exception as error:  # whatever a button does may fail; the next one counts
                self._ignore(f"{_short(address)} {_one_line(error)}", sender)

    def _obey(self, address: str, arguments: Arguments, sender: Address) -> None:
        unit = address.startswith("/" + UNIT)
        name = address.removeprefix("/" + UNIT if unit else "/")
        target = name.replace("/", ".")
        if target in self._targets.values:
            if "." in target:
                self._client.separator = "/" if "/" in name else "."
            self._move(target, unit, arguments, sender)
        elif unit:
            raise _UnknownAddressError
        elif target in self._targets.buttons:
            if not arguments or _only(arguments) >= _PRESSED:
                self._set_moves()
                self._controls.press(target, SOURCE)
        elif target == PROGRAM:
            number, bank = _program_change(arguments)
            self._set_moves()
            self._program(bank, number)
        elif target == SYNC:
            self._client.forget()
        elif target in TOLD:
            if arguments:
                raise ValueError("is told, not set")
            self._client.forget(target)
        else:
            raise _UnknownAddressError

    def _move(self, target: str, unit: bool, arguments: Arguments, sender: Address) -> None:
        key = UNIT + target if unit else target
        if not arguments:
            self._client.forget(key)
            return
        value = _only(arguments)
        if isinstance(value, bool):
            raise ValueError("takes a number, not true or false")
        self._moves[target] = self._targets.values[target].from_unit(value) if unit else value
        self._client.heard(key, value, sender)

    def _set_moves(self) -> None:
        """Set what was received, of each value the last, in the order in which they came."""
        while self._moves:
            target = next(iter(self._moves))
            self._controls.set(target, self._moves.pop(target), SOURCE)

    def _tell(self, receiver: socket.socket) -> None:
        try:
            self._client.tell(receiver)
        except OSError as error:
            assert self._client.address
            self._ignore(f"no answer goes there: {error.strerror}", self._client.address)

    def _ignore(self, reason: str, sender: Address, address: str = "") -> None:
        """Count what came to nothing; say it once, unless there is too much of it."""
        self.ignored += 1
        if reason in self._said or len(self._said) >= _SAID_MAX:
            return
        self._said.add(reason)
        if address:
            known = (*self._targets, *TOLD, PROGRAM, SYNC)
            near = difflib.get_close_matches(address[1:].replace("/", "."), known, n=1)
            reason += f", did you mean /{near[0]}?" if near else ""
        more = "; from now on only counted" if len(self._said) == _SAID_MAX else ""
        self._say(f"OSC from {_shown(sender)} ignored: {reason}{more}")


def _only(arguments: Arguments) -> float | bool:
    if len(arguments) != 1:
        raise ValueError(f"takes one argument, not {len(arguments)}")
    if not math.isfinite(arguments[0]):
        raise ValueError(f"cannot be {arguments[0]}")
    return arguments[0]


def _program_change(arguments: Arguments) -> tuple[int, int]:
    """Number and bank, which phones may send as floats."""
    number, bank = (*arguments, 0) if len(arguments) == 1 else (*arguments, -1, -1)[:2]
    if len(arguments) > 2 or number not in range(_PROGRAMS) or bank not in range(_BANKS):
        raise ValueError(f"takes a number in 0..{_PROGRAMS - 1} and, if wanted, a bank")
    return int(number), int(bank)


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except (OSError, ValueError) as error:  # UnicodeError: a name that no name server takes
        reason = getattr(error, "strerror", None) or "no computer's name"
        raise OscError(f"no OSC address {_shown((host, port))}: {reason}") from None
    # A name such as localhost may mean both; what sends to it mostly means the former.
    family, _, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
    return family, address


def _shown(address: Address) -> str:
    host, port = address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _short(address: str) -> str:
    return ascii(address[:60])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
