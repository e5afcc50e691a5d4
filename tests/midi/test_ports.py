"""MIDI ports on a real JACK server, with controllers that come and go."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import rtmidi

from realtime.midi.ports import MidiPorts
from realtime.midi.systems import list_ports
from tests.conftest import JackServer
from tests.midi.controllers import JACK, Controller, controller, wait_until

REPLUG_S = 2.0
NOW_S = 10.0  # what is immediate, on a machine that is busy with other things


@pytest.fixture(autouse=True)
def only_jack(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the devices of whoever runs the tests alone."""
    monkeypatch.setattr(rtmidi, "get_compiled_api", lambda: [JACK])


class Heard:
    """What the other side of the ports was told, and what it has to send."""

    def __init__(self) -> None:
        self.data: dict[str, bytearray] = {}
        self.said: list[str] = []
        self.opened: list[str] = []
        self.to_send: list[tuple[str, bytes]] = []
        self.threads: set[int] = set()

    def received(self, port: str, data: bytes, now: float) -> None:
        self.threads.add(threading.get_ident())
        self.data.setdefault(port, bytearray()).extend(data)

    def feedback(self, now: float) -> list[tuple[str, bytes]]:
        self.threads.add(threading.get_ident())
        due, self.to_send = self.to_send, []
        return due

    def of(self, port: str) -> bytes:
        return bytes(self.data.get(port, b""))


@contextmanager
def open_ports(
    words: Sequence[str] | None = None,
    virtual: bool = False,
    received: Callable[[str, bytes, float], None] | None = None,
) -> Iterator[tuple[MidiPorts, Heard]]:
    heard = Heard()
    ports = MidiPorts(
        words,
        virtual=virtual,
        received=received or heard.received,
        feedback=heard.feedback,
        opened=heard.opened.append,
        say=heard.said.append,
    )
    ports.start()
    try:
        yield ports, heard
    finally:
        ports.close()


def test_what_a_controller_sends_arrives_as_it_was(jack_server: JackServer) -> None:
    sent = [
        b"\xb0\x07\x40", b"\x95\x3c\x7f", b"\xc3\x05",  # control change, note, program
        b"\xb0\x63\x01", b"\xb0\x62\x02", b"\xb0\x06\x03", b"\xb0\x26\x04",  # an NRPN's four
        b"\x07\x41", b"\xb0", b"\x00", b"\xff",  # running status, a torso, garbage, reset
        b"\xf0\x01\x02\xf7",
    ]  # fmt: skip
    with controller("nano") as nano, open_ports() as (ports, heard):
        assert ports.open_ports == ("nano:out",) and heard.opened == ["nano:out"]
        nano.send(*sent, b"\xf8", b"\xfe", b"\xe0\x01\x02")
        wait_until(lambda: heard.of("nano:out").endswith(b"\xe0\x01\x02"), NOW_S, "all of it")
        assert heard.of("nano:out") == b"".join(sent) + b"\xe0\x01\x02"  # no clock, no sensing
        assert len(heard.threads) == 1


def test_names_choose_and_auto_takes_every_controller(jack_server: JackServer) -> None:
    with controller("nano") as nano, controller("Fader Box") as fader:
        assert sorted(list_ports()) == [
            ("input", "Fader Box:out"),
            ("input", "nano:out"),
            ("output", "Fader Box-01:in"),
            ("output", "nano-01:in"),
        ]
        with open_ports(["fader b", "harp"]) as (ports, heard):
            assert ports.open_ports == ("Fader Box:out",)
            assert ports.missing == ("harp",)
            assert any("'harp'" in line for line in heard.said)
            nano.send(b"\xb0\x07\x01")
            fader.send(b"\xb0\x07\x02")
            wait_until(lambda: heard.data, NOW_S, "the one that was asked for")
            assert heard.data == {"Fader Box:out": b"\xb0\x07\x02"}
            with controller("a harpsichord"):
                wait_until(lambda: not ports.missing, REPLUG_S, "one that comes later")
        with open_ports(virtual=True) as (ports, _), open_ports(virtual=True) as (others, _):
            for each in (ports, others):  # neither hears itself or the other
                assert sorted(each.open_ports) == ["Fader Box:out", "afx-live", "nano:out"]


@pytest.mark.parametrize("out_for_s", [0.0, 0.6])
def test_a_controller_is_back_within_two_seconds_of_its_return(
    jack_server: JackServer, out_for_s: float
) -> None:
    again = Controller("nano")  # not yet plugged in
    with controller("other") as other, controller("nano") as nano, open_ports() as (ports, heard):
        nano.send(b"\xb0\x07\x01")
        wait_until(lambda: heard.of("nano:out"), NOW_S, "it is heard")
        nano.unplug()
        if out_for_s:
            wait_until(lambda: ports.missing == ("nano:out",), REPLUG_S, "it is missed")
            assert ports.open_ports == ("other:out",)
            time.sleep(out_for_s)
        other.send(b"\xb0\x01\x01")
        again.plug()
        deadline = time.monotonic() + REPLUG_S
        while b"\xb0\x07\x02" not in heard.of("nano:out"):
            again.send(b"\xb0\x07\x02")
            time.sleep(0.01)
            assert time.monotonic() < deadline, "it is not heard again"
        assert ports.missing == () and set(ports.open_ports) == {"nano:out", "other:out"}
        assert heard.opened.count("nano:out") >= 2
        heard.to_send.append(("nano:out", b"\xb0\x07\x03"))
        wait_until(lambda: b"\xb0\x07\x03" in again.seen, NOW_S, "its lights follow again")
        assert heard.of("other:out") == b"\xb0\x01\x01"  # which another one sent meanwhile
        gone = next(i for i, line in enumerate(heard.said) if "'nano:out' is gone" in line)
        assert any("'nano:out' is back" in line for line in heard.said[gone:])
        again.unplug()


def test_an_unfinished_sysex_does_not_hold_up_the_knobs(jack_server: JackServer) -> None:
    with controller("nano") as nano, open_ports() as (_, heard):
        nano.send(b"\xf0\x01\x02", b"\xb0\x07\x40")
        wait_until(lambda: b"\xb0\x07\x40" in heard.of("nano:out"), NOW_S, "the knob")
        flood = [b"\xf0" + bytes(1_000) + b"\xf7"] * 40
        for number, message in enumerate(flood):
            nano.send(message)
            nano.send(bytes([0xB0, 0x08, number]))
            time.sleep(0.005)
        wait_until(lambda: heard.of("nano:out").endswith(b"\xb0\x08\x27"), NOW_S, "the last")
        assert heard.of("nano:out").count(bytes(1_000)) == len(flood)


def test_feedback_reaches_the_controller_it_is_for(jack_server: JackServer) -> None:
    with controller("nano") as nano, controller("fader") as fader, open_ports() as (_, heard):
        sent = {"else": b"\xb0\x07\x03", "nano:out": b"\xb0\x07\x01", "fader:out": b"\xb0\x07\x02"}
        heard.to_send = list(sent.items())
        wait_until(lambda: nano.seen and fader.seen, NOW_S, "both")
        assert (nano.seen, fader.seen) == ([sent["nano:out"]], [sent["fader:out"]])


def test_who_connects_to_our_port_is_heard_once(jack_server: JackServer) -> None:
    with (
        open_ports(virtual=True) as (ports, heard),
        controller("nano", into="afx-live-midi:afx-live") as nano,
    ):
        time.sleep(0.6)  # it is seen, and left to itself
        assert ports.open_ports == ("afx-live",)
        nano.send(b"\xb0\x07\x09")
        wait_until(lambda: heard.data, NOW_S, "it")
        time.sleep(0.1)
        assert heard.data == {"afx-live": b"\xb0\x07\x09"}


def test_a_thousand_messages_a_second_lose_nothing(jack_server: JackServer) -> None:
    with controller("nano") as nano, open_ports() as (_, heard):
        began, sent = time.monotonic(), 0
        while sent < 2_000:
            while sent < 1_000 * (time.monotonic() - began):
                nano.send(bytes([0xB0, sent >> 7 & 0x7F, sent & 0x7F]))
                sent += 1
            time.sleep(0.001)
        wait_until(lambda: len(heard.of("nano:out")) == 3 * sent, NOW_S, "every one")
        data = heard.of("nano:out")
        assert [(c << 7) + v for c, v in zip(data[1::3], data[2::3], strict=True)] == list(
            range(sent)
        )


def test_what_fails_in_a_handler_is_said_once_and_goes_on(jack_server: JackServer) -> None:
    calls: list[bytes] = []

    def broken(port: str, data: bytes, now: float) -> None:
        calls.append(data)
        raise KeyError("no such knob")

    with controller("nano") as nano, open_ports(received=broken) as (_, heard):
        for number in range(3):
            nano.send(bytes([0xB0, 0x07, number]))
            wait_until(lambda n=number: len(calls) > n, NOW_S, "the next one")
        wait_until(lambda: any("no such knob" in line for line in heard.said), NOW_S, "a word")
        assert sum("no such knob" in line for line in heard.said) == 1


def send_to_a_server_that_stands_still(server: int) -> None:
    with controller("nano") as nano, open_ports() as (ports, heard):
        os.kill(server, signal.SIGSTOP)
        heard.to_send = [("nano:out", b"\xb0\x07\x01")] * 10_000  # 70 KB, where 16 KiB fit
        wait_until(lambda: not heard.to_send, NOW_S, "they are asked for")
        heard.threads.clear()
        wait_until(lambda: heard.threads, NOW_S, "the thread goes on")
        wait_until(lambda: ports.missing == ("nano:out",), NOW_S, "the port is missing")
        os.kill(server, signal.SIGCONT)
        wait_until(lambda: ports.open_ports == ("nano:out",), NOW_S, "it is there again")
        nano.send(b"\xb0\x07\x05")
        wait_until(lambda: heard.of("nano:out") == b"\xb0\x07\x05", NOW_S, "and heard")


def test_a_server_that_stands_still_holds_up_nothing(jack_server: JackServer) -> None:
    # In a process of its own: what would hang, hangs with Python's lock in its hand.
    process = multiprocessing.get_context("spawn").Process(
        target=send_to_a_server_that_stands_still, args=[jack_server.process.pid]
    )
    process.start()
    process.join(60.0)
    if process.exitcode != 0:
        process.kill()
        jack_server.process.send_signal(signal.SIGCONT)
    assert process.exitcode == 0


def test_a_server_that_dies_is_missed_and_left_alone(jack_server: JackServer) -> None:
    with controller("nano"), open_ports(virtual=True) as (ports, heard):
        jack_server.process.terminate()
        lost = "the JACK server does not answer"
        wait_until(lambda: any(lost in line for line in heard.said), REPLUG_S, "a word")
        assert ports.open_ports == () and set(ports.missing) == {"afx-live", "nano:out"}
        began = time.monotonic()
        ports.close()
        assert time.monotonic() - began < 1.0
    assert sum(lost in line for line in heard.said) == 1


def test_without_any_midi_one_line_and_no_more(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"afx-live-none-{os.getpid()}")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    with open_ports(["nano"], virtual=True) as (ports, heard):
        assert ports.open_ports == () and ports.missing == ("nano",)
    assert len(heard.said) == 1 and heard.said[0].startswith("MIDI: ")
    assert list_ports() == []
    assert capfd.readouterr() == ("", "")
