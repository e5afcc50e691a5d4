"""Plays into and records from a JACK client without dropping a block.

The process callbacks are compiled: they run on JACK's own threads and need no GIL, so that what
a test compares is the program under test and not the tester.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jack
import numpy as np
from numba import carray, cfunc, types

_TAPE = np.dtype(
    [
        ("ports", np.uint64, (2,)),
        ("samples", np.uint64),  # address of float32 (frames, 2)
        ("frames", np.int64),
        ("at", np.int64),
        ("moving", np.int64),
    ]
)
_jack = ctypes.CDLL("libjack.so.0")
_get_buffer = _jack.jack_port_get_buffer
_get_buffer.restype = ctypes.c_void_p
_get_buffer.argtypes = [ctypes.c_void_p, ctypes.c_uint32]


def _callbacks() -> tuple[Any, Any]:
    signature = types.int32(types.uint32, types.voidptr)

    def play(frames, userdata):
        tape = carray(userdata, 1, _TAPE)[0]
        count = 0
        if tape.moving:
            count = min(np.int64(frames), tape.frames - tape.at)
        samples = carray(_pointer(tape.samples), (tape.frames, 2), np.float32)
        for channel in range(2):
            buffer = _pointer(_get_buffer(_pointer(tape.ports[channel]), frames))
            out = carray(buffer, frames, np.float32)
            for i in range(frames):
                out[i] = samples[tape.at + i, channel] if i < count else np.float32(0.0)
        tape.at += count
        return np.int32(0)

    def record(frames, userdata):
        tape = carray(userdata, 1, _TAPE)[0]
        count = min(np.int64(frames), tape.frames - tape.at)
        samples = carray(_pointer(tape.samples), (tape.frames, 2), np.float32)
        for channel in range(2):
            buffer = _pointer(_get_buffer(_pointer(tape.ports[channel]), frames))
            port = carray(buffer, frames, np.float32)
            for i in range(count):
                samples[tape.at + i, channel] = port[i]
        tape.at += count
        return np.int32(0)

    return cfunc(signature)(play), cfunc(signature)(record)


def _as_pointer() -> Any:
    from numba.extending import intrinsic

    @intrinsic
    def pointer(typingctx, address):
        def codegen(context, builder, sig, args):
            return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

        return types.voidptr(types.uint64), codegen

    return pointer


_pointer = _as_pointer()
_play, _record = _callbacks()


class _Tape:
    """One JACK client with two ports and a compiled callback over `audio` (frames, 2)."""

    def __init__(
        self, name: str, server: str, audio: np.ndarray, callback: Any, both: bool = False
    ) -> None:
        self.audio = audio
        self.client = jack.Client(name, no_start_server=True, servername=server)
        ins, outs = self.client.inports, self.client.outports
        kinds = (outs, ins) if both else (outs, outs) if callback is _play else (ins, ins)
        names = ("left", "right")
        self.ports = [ports.register(name) for ports, name in zip(kinds, names, strict=True)]
        self.memory = np.zeros(1, _TAPE)
        self.memory["ports"][0] = [self._address(port._ptr) for port in self.ports]
        self.memory["samples"] = audio.ctypes.data
        self.memory["frames"] = len(audio)
        lib, ffi = jack._lib, jack._ffi
        self._function = ffi.cast("JackProcessCallback", callback.address)
        argument = ffi.cast("void*", self.memory.ctypes.data)
        assert lib.jack_set_process_callback(self.client._ptr, self._function, argument) == 0
        self.client.activate()

    @staticmethod
    def _address(pointer: Any) -> int:
        return int(jack._ffi.cast("uintptr_t", pointer))

    @property
    def at(self) -> int:
        return int(self.memory["at"][0])

    def close(self) -> None:
        self.client.deactivate()
        self.client.close()


class Rig:
    """A player and a recorder around one other client's ports."""

    def __init__(self, server: str, audio: np.ndarray, target: str, spare_s: float = 0.3) -> None:
        audio = np.array(np.broadcast_to(audio, (len(audio), 2)), np.float32, order="C")
        self.player = _Tape("player", server, audio, _play)
        rate = self.player.client.samplerate
        room = np.zeros((len(audio) + round((spare_s + 20.0) * rate), 2), np.float32)
        self.recorder = _Tape("recorder", server, room, _record)
        self._spare = round(spare_s * rate)
        try:
            self._patch(target)
        except BaseException:
            self.close()  # JACK's threads must not outlive the memory that they play from
            raise

    def _patch(self, target: str) -> None:
        client = self.player.client
        inputs = client.get_ports(f"^{target}:", is_input=True)
        outputs = client.get_ports(f"^{target}:", is_output=True)
        assert inputs and outputs, [port.name for port in client.get_ports()]
        for port in (*inputs, *outputs):
            for other in client.get_all_connections(port):
                pair = (other, port) if port.is_input else (port, other)
                client.disconnect(*pair)
        for ours, theirs in zip(self.player.ports, inputs, strict=False):
            client.connect(ours.name, theirs.name)
        for theirs, ours in zip(outputs, self.recorder.ports, strict=False):
            client.connect(theirs.name, ours.name)

    def play(self) -> np.ndarray:
        """Play it all; what came back from just before the start on, (frames, 2)."""
        self.start()
        return self.wait()

    def start(self) -> int:
        """Begin to play; the recorder's frame that `wait` counts from."""
        time.sleep(0.1)
        self._began = self.recorder.at
        self.player.memory["moving"] = 1
        return self._began

    def wait(self) -> np.ndarray:
        """What came back since the start, (frames, 2), once all is played."""
        began = self._began
        frames = len(self.player.audio)
        deadline = time.monotonic() + 10.0 + 2.0 * frames / self.player.client.samplerate
        while self.player.at < frames or self.recorder.at < began + frames + self._spare:
            assert time.monotonic() < deadline, "the JACK graph stands still"
            time.sleep(0.02)
        return self.recorder.audio[began : self.recorder.at].copy()

    def close(self) -> None:
        self.player.close()
        self.recorder.close()


@contextmanager
def patched(server: str, audio: np.ndarray, target: str = "afx-live") -> Iterator[Rig]:
    """A `Rig` that plays float32 (frames, 1..2) into `target` and records its two outputs."""
    rig = Rig(server, audio, target)
    try:
        yield rig
    finally:
        rig.close()


def echo(server: str, x: np.ndarray, target: str = "afx-live") -> np.ndarray:
    """Play `x` (frames,) into the first input of `target` and record its first output, in one
    client and thus on one clock: float32 (frames,)."""

    def both(frames, userdata):
        tape = carray(userdata, 1, _TAPE)[0]
        count = min(np.int64(frames), tape.frames - tape.at)
        samples = carray(_pointer(tape.samples), (tape.frames, 2), np.float32)
        out = carray(_pointer(_get_buffer(_pointer(tape.ports[0]), frames)), frames, np.float32)
        heard = carray(_pointer(_get_buffer(_pointer(tape.ports[1]), frames)), frames, np.float32)
        for i in range(frames):
            out[i] = samples[tape.at + i, 0] if i < count else np.float32(0.0)
        for i in range(count):
            samples[tape.at + i, 1] = heard[i]
        tape.at += count
        return np.int32(0)

    audio = np.zeros((len(x), 2), np.float32)
    tape = _Tape("echo", server, audio, cfunc(types.int32(types.uint32, types.voidptr))(both), True)
    try:
        client = tape.client
        audio[:, 0] = x  # only what is played once connected counts
        tape.memory["at"] = len(x)
        client.connect(tape.ports[0], client.get_ports(f"^{target}:", is_input=True)[0])
        client.connect(client.get_ports(f"^{target}:", is_output=True)[0], tape.ports[1])
        tape.memory["at"] = 0
        limit = time.monotonic() + 10.0 + 2.0 * len(x) / client.samplerate
        while tape.at < len(x):
            assert time.monotonic() < limit, "the JACK graph stands still"
            time.sleep(0.02)
    finally:
        tape.close()
    return audio[:, 1].copy()


def onset(x: np.ndarray) -> int:
    """Index of the first frame that is not zero."""
    sounding = np.flatnonzero(np.abs(x).max(axis=1))
    assert len(sounding), "nothing but silence"
    return int(sounding[0])
