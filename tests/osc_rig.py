"""A phone to try OSC with, its datagrams made by hand, and real controls on a real chain."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable

from realtime.bridge import Bridge
from realtime.controls import Controls
from realtime.hosted import Hosted
from realtime.osc import Osc
from realtime.preset import Preset
from realtime.targets import VALUES

RATE = 48_000
QUIET_S = 0.15  # several times as long as the next news take
TOLD = {*VALUES, *(f"unit/{target}" for target in VALUES), "bypassed", "panicked", "origin"}


def padded(data: bytes) -> bytes:
    return data + b"\0" * (4 - len(data) % 4)


def message(address: str, *arguments: object, tags: str | None = None) -> bytes:
    """An OSC message: floats as 32 bits, integers, true and false, text, bytes as a blob."""
    made, body = ",", b""
    for value in arguments:
        if isinstance(value, bool):
            made += "T" if value else "F"
        elif isinstance(value, int):
            made, body = made + "i", body + struct.pack(">i", value)
        elif isinstance(value, float):
            made, body = made + "f", body + struct.pack(">f", value)
        elif isinstance(value, str):
            made, body = made + "s", body + padded(value.encode())
        elif isinstance(value, bytes):
            made, body = made + "b", body + struct.pack(">i", len(value)) + padded(value)
    return padded(address.encode()) + padded((made if tags is None else tags).encode()) + body


def bundle(*elements: bytes, time_tag: int = 1) -> bytes:
    parts = b"".join(struct.pack(">i", len(each)) + each for each in elements)
    return b"#bundle\0" + struct.pack(">Q", time_tag) + parts


def meaning(datagram: bytes) -> tuple[str, float | str]:
    """Address without its slash, and the one argument."""
    address, _, rest = datagram.partition(b"\0")
    rest = datagram[len(padded(address)) :]
    assert rest[:4] in (b",f\0\0", b",s\0\0"), datagram
    value = struct.unpack(">f", rest[4:])[0] if rest[1:2] == b"f" else rest[4:].rstrip(b"\0")
    return address[1:].decode(), value if isinstance(value, float) else value.decode()


class Client:
    """A socket of its own, at `at`."""

    def __init__(self, port: int, host: str = "127.0.0.1") -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, 2)
        self.socket.bind((host, 0))
        self._to = (host, port)

    @property
    def at(self) -> tuple[str, int]:
        return self.socket.getsockname()[:2]

    def send(self, address: str, *arguments: object) -> None:
        self.socket.sendto(message(address, *arguments), self._to)

    def send_raw(self, datagram: bytes) -> None:
        self.socket.sendto(datagram, self._to)

    def told(self, patience_s: float = 5.0) -> list[tuple[str, float | str]]:
        """All that comes, the first of it within `patience_s`, until it has been quiet."""
        self.socket.settimeout(patience_s)
        found = []
        with contextlib.suppress(TimeoutError):
            while True:
                found.append(meaning(self.socket.recv(65_535)))
                self.socket.settimeout(QUIET_S)
        return found


class Rig:
    """Real controls on a real bridge, an Osc at a free port, and a client."""

    def __init__(
        self,
        reply: tuple[str, int] | None = None,
        host: str = "127.0.0.1",
        hosted: Hosted | None = None,
    ) -> None:
        self.bridge = Bridge(RATE, preset=Preset.neutral())
        self.controls = Controls(
            Preset.neutral(), self.bridge.set_preset, origin="neutral", hosted=hosted
        )
        self.said: list[str] = []
        self.programs: list[tuple[int, int]] = []
        self.osc = Osc(
            self.controls,
            host=host,
            port=0,
            reply=reply,
            say=self.said.append,
            program=lambda bank, number: self.programs.append((bank, number)),
        )
        self.osc.start()
        self.client = Client(self.osc.port, host)
        self.send = self.client.send

    def value(self, target: str) -> float:
        return self.controls.state.value(target)

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 5.0
        while not condition():
            assert time.monotonic() < deadline, "nothing happened"
            time.sleep(0.002)

    def settle(self) -> None:
        """Until all that was sent before has been dealt with."""
        mark = 1.0 if self.value("morph") != 1.0 else 0.0
        self.send("/morph", mark)
        self.until(lambda: self.value("morph") == mark)

    def close(self) -> None:
        self.osc.close()
        self.client.socket.close()
