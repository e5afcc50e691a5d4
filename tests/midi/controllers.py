"""MIDI controllers on a real JACK server, made with python-rtmidi, to plug in and pull out.

Each is a process of its own, as a device or another program is:

    python -m tests.midi.controllers NAME

It reads "plug", "plug into PORT" or messages in hexadecimal from stdin, a line each, and writes
what its rings and lights are told to stdout. End of stdin pulls it out.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rtmidi

from tests.conftest import ROOT

JACK = rtmidi.API_UNIX_JACK


def wait_until(true: Callable[[], object], seconds: float, what: str) -> float:
    """Wait for something to become true; the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}"
        time.sleep(0.002)
    return time.monotonic() - began


class Controller:
    """A box with knobs: JACK port "<name>:out", and "<name>-01:in" for its rings and lights.

    seen: what came to the rings and lights, one message an entry.
    """

    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.midi.controllers", name],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
        )  # fmt: skip
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        self.seen: list[bytes] = []
        self._reader = threading.Thread(target=self._read, daemon=True)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seen.append(bytes.fromhex(line))

    def _tell(self, *lines: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("".join(f"{line}\n" for line in lines))
        self._process.stdin.flush()

    def plug(self, into: str = "") -> None:
        """Offer the ports, or send to another program's input; they are there on return."""
        assert self._process.stdout is not None
        self._tell(f"plug into {into}" if into else "plug")
        assert self._process.stdout.readline() == "plugged\n"
        self._reader.start()

    def send(self, *messages: bytes) -> None:
        """Send these, whatever they are."""
        self._tell(*(message.hex() for message in messages))

    def unplug(self) -> None:
        """Be gone on return."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)


@contextmanager
def controller(name: str, into: str = "") -> Iterator[Controller]:
    """A controller, plugged in."""
    box = Controller(name)
    try:
        box.plug(into)
        yield box
    finally:
        box.unplug()


def main(name: str) -> None:
    """Be the controller."""
    midi_out: rtmidi.MidiOut | None = None
    midi_in: rtmidi.MidiIn | None = None

    def show() -> None:
        while True:
            while midi_in is not None and (got := midi_in.get_message()) is not None:
                print(bytes(got[0]).hex(), flush=True)
            time.sleep(0.001)

    print("ready", flush=True)
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "plug":
            midi_out = rtmidi.MidiOut(JACK, name)
            if argument:
                midi_out.open_port(midi_out.get_ports().index(argument[5:]), "out")
            else:
                midi_out.open_virtual_port("out")
            midi_in = rtmidi.MidiIn(JACK, name, 16_384)
            midi_in.ignore_types(sysex=False, timing=False, active_sense=False)
            midi_in.open_virtual_port("in")
            print("plugged", flush=True)
            threading.Thread(target=show, daemon=True).start()
        else:
            midi_out.send_message(bytes.fromhex(command))


if __name__ == "__main__":
    main(sys.argv[1])
