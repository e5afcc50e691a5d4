"""Hears when a sound changes: a JACK client plays a constant, another listens to what comes of it.

Two clients, because one that hears its own sound back gets it a block late. Their callbacks are
compiled, so that what is measured is the program between them and not who measures it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

LEVEL = 0.25  # of the constant, full scale 1
_TOLERANCE = 1e-3 * LEVEL
_ROOM = 1 << 16
_SETTLED_SECONDS = 0.005
_MEMORY = np.dtype(
    [
        ("audio", np.uint64), ("midi", np.uint64), ("cc", np.int64),
        ("event", np.uint64, (3,)), ("event_at", np.uint64),  # a jack_midi_event_t, and its address
        ("settled", np.int64), ("still", np.int64), ("near", np.float32),
        ("changes", np.int64), ("arrivals", np.int64),
        ("change_ns", np.int64, (_ROOM,)), ("arrival_ns", np.int64, (_ROOM,)),
    ]
)  # fmt: skip


class Listener:
    """Notes when the sound of `program` changes, and when `controller` sends control change `cc`.

    program: a JACK client's name. controller: the full name of a port.
    A change is the first sample off by 1/1000 after 5 ms of steadiness. Times are those of
    `time.monotonic_ns`, of the blocks in which the change or the message was there.
    """

    def __init__(self, program: str, controller: str, cc: int) -> None:
        import jack

        self._memory = np.zeros(1, _MEMORY)
        play, listen = _callbacks()
        self._constant = jack.Client("constant", no_start_server=True)
        self._ears = jack.Client("ears", no_start_server=True)
        self._held = (
            _attach(self._constant, play, self._constant.outports.register("out")._ptr),
            _attach(self._ears, listen, self._memory.ctypes.data),
        )
        audio = self._ears.inports.register("audio")
        midi = self._ears.midi_inports.register("midi")
        for name, port in (("audio", audio), ("midi", midi)):
            self._memory[name] = int(jack._ffi.cast("uintptr_t", port._ptr))
        self._memory["cc"] = cc
        self._memory["event_at"] = self._memory["event"].ctypes.data
        self._memory["settled"] = round(_SETTLED_SECONDS * self._ears.samplerate)
        for client in (self._constant, self._ears):
            client.activate()
        for port in self._ears.get_ports(f"^{program}:", is_audio=True, is_input=True):
            self._ears.connect("constant:out", port.name)
        heard = self._ears.get_ports(f"^{program}:", is_audio=True, is_output=True)[0]
        self._ears.connect(heard.name, "ears:audio")
        self._ears.connect(controller, "ears:midi")

    def changes_ns(self) -> np.ndarray:
        """When the sound changed so far, int64."""
        return self._memory["change_ns"][0, : int(self._memory["changes"][0])].copy()

    def arrivals_ns(self) -> np.ndarray:
        """When the control change came so far, int64."""
        return self._memory["arrival_ns"][0, : int(self._memory["arrivals"][0])].copy()

    def close(self) -> None:
        """Leave the server."""
        for client in (self._constant, self._ears):
            client.deactivate()
            client.close()


def _attach(client: Any, callback: Any, argument: Any) -> Any:
    """Give a JACK client a compiled callback; what must be kept as long as it runs."""
    import jack

    function = jack._ffi.cast("JackProcessCallback", callback.address)
    if jack._lib.jack_set_process_callback(
        client._ptr, function, jack._ffi.cast("void*", argument)
    ):
        raise SystemExit("JACK refuses a compiled callback")
    return callback, function


def _callbacks() -> tuple[Any, Any]:
    from numba import carray, cfunc, types
    from numba.extending import intrinsic

    from realtime.native import now_ns

    library = ctypes.CDLL("libjack.so.0")
    get_buffer, event_count = library.jack_port_get_buffer, library.jack_midi_get_event_count
    get_buffer.restype, get_buffer.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_uint32]
    event_count.restype, event_count.argtypes = ctypes.c_uint32, [ctypes.c_void_p]
    event_get = library.jack_midi_event_get
    event_get.restype = ctypes.c_int
    event_get.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32]

    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

        return types.voidptr(types.uint64), codegen

    def play(frames, port):  # type: ignore[no-untyped-def]
        out = carray(pointer(get_buffer(port, frames)), frames, np.float32)
        for i in range(frames):
            out[i] = np.float32(LEVEL)
        return np.int32(0)

    def listen(frames, userdata):  # type: ignore[no-untyped-def]
        now = now_ns()
        memory = carray(userdata, 1, _MEMORY)[0]
        audio = carray(pointer(get_buffer(pointer(memory.audio), frames)), frames, np.float32)
        for i in range(frames):
            if abs(audio[i] - memory.near) <= _TOLERANCE:
                memory.still += 1
                continue
            if memory.still >= memory.settled and memory.changes < _ROOM:
                memory.change_ns[memory.changes] = now
                memory.changes += 1
            memory.still, memory.near = 0, audio[i]
        midi = pointer(get_buffer(pointer(memory.midi), frames))
        for index in range(event_count(midi)):
            event_get(pointer(memory.event_at), midi, index)
            data = carray(pointer(memory.event[2]), 3, np.uint8)
            if memory.event[1] == 3 and data[1] == memory.cc and memory.arrivals < _ROOM:
                memory.arrival_ns[memory.arrivals] = now
                memory.arrivals += 1
        return np.int32(0)

    signature = types.int32(types.uint32, types.voidptr)
    return cfunc(signature)(play), cfunc(signature)(listen)
