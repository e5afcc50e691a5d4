"""Hears when a sound changes: a JACK client that plays a constant into a program under test.

Its callback is compiled, so that what is measured is the program and not who measures it.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

LEVEL = 0.25  # of the constant, full scale 1
_ROOM = 1 << 16
_SETTLED_SECONDS = 0.005
_MEMORY = np.dtype(
    [
        ("out", np.uint64), ("heard", np.uint64), ("midi", np.uint64),
        ("settled", np.int64), ("still", np.int64), ("last", np.float32),
        ("changes", np.int64), ("arrivals", np.int64),
        ("change_ns", np.int64, (_ROOM,)), ("arrival_ns", np.int64, (_ROOM,)),
    ]
)  # fmt: skip


class Listener:
    """Plays `LEVEL` from port "out"; notes when "heard" changes and when "midi" gets a message.

    A change is the first sample that differs after 5 ms of equal ones. Times are those of
    `time.monotonic_ns` when the block was heard.
    """

    def __init__(self) -> None:
        import jack

        self._memory = np.zeros(1, _MEMORY)
        self._client = jack.Client("listener", no_start_server=True)
        ports = (
            self._client.outports.register("out"),
            self._client.inports.register("heard"),
            self._client.midi_inports.register("midi"),
        )
        for name, port in zip(("out", "heard", "midi"), ports, strict=True):
            self._memory[name] = int(jack._ffi.cast("uintptr_t", port._ptr))
        self._memory["settled"] = round(_SETTLED_SECONDS * self._client.samplerate)
        self._callback = _callback()
        function = jack._ffi.cast("JackProcessCallback", self._callback.address)
        argument = jack._ffi.cast("void*", self._memory.ctypes.data)
        if jack._lib.jack_set_process_callback(self._client._ptr, function, argument):
            raise SystemExit("JACK refuses the listening client")
        self._client.activate()

    def patch(self, program: str, controller: str) -> None:
        """Connect it around a program's sound and to what a controller sends."""
        client = self._client
        for port in client.get_ports(f"^{program}:", is_audio=True, is_input=True):
            client.connect("listener:out", port.name)
        heard = client.get_ports(f"^{program}:", is_audio=True, is_output=True)[0]
        client.connect(heard.name, "listener:heard")
        client.connect(controller, "listener:midi")

    def changes_ns(self) -> np.ndarray:
        """When the sound changed so far, int64."""
        return self._memory["change_ns"][0, : int(self._memory["changes"][0])].copy()

    def arrivals_ns(self) -> np.ndarray:
        """When blocks came that had a message in them so far, int64."""
        return self._memory["arrival_ns"][0, : int(self._memory["arrivals"][0])].copy()

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate()
        self._client.close()


def _callback() -> Any:
    from numba import carray, cfunc, types
    from numba.extending import intrinsic

    from realtime.native import now_ns

    library = ctypes.CDLL("libjack.so.0")
    get_buffer, event_count = library.jack_port_get_buffer, library.jack_midi_get_event_count
    get_buffer.restype, get_buffer.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_uint32]
    event_count.restype, event_count.argtypes = ctypes.c_uint32, [ctypes.c_void_p]

    @intrinsic
    def pointer(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

        return types.voidptr(types.uint64), codegen

    def process(frames, userdata):  # type: ignore[no-untyped-def]
        now = now_ns()
        memory = carray(userdata, 1, _MEMORY)[0]
        out = carray(pointer(get_buffer(pointer(memory.out), frames)), frames, np.float32)
        heard = carray(pointer(get_buffer(pointer(memory.heard), frames)), frames, np.float32)
        for i in range(frames):
            out[i] = np.float32(LEVEL)
            if heard[i] == memory.last:
                memory.still += 1
                continue
            if memory.still >= memory.settled and memory.changes < _ROOM:
                memory.change_ns[memory.changes] = now
                memory.changes += 1
            memory.still, memory.last = 0, heard[i]
        messages = event_count(pointer(get_buffer(pointer(memory.midi), frames)))
        if messages > 0 and memory.arrivals < _ROOM:
            memory.arrival_ns[memory.arrivals] = now
            memory.arrivals += 1
        return np.int32(0)

    return cfunc(types.int32(types.uint32, types.voidptr))(process)
