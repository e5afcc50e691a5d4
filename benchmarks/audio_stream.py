"""pedalboard's AudioStream on a JACK server: ALSA's plugin for JACK passes for a card.

The stream has no counters. A compiled JACK client plays noise into it and hears what comes back: a
cycle in which all that comes back is zero was not served.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.jack_server import PERIOD, SAMPLE_RATE
from realtime.preset import Preset

_EARS = "ears"
_CARD = "JACK server"
_FOLDERS = ("/usr/lib/x86_64-linux-gnu/alsa-lib", "/usr/lib/aarch64-linux-gnu/alsa-lib")
_LOOP = np.dtype(
    [
        ("ports", np.uint64, (2,)),  # from us, to us
        ("at", np.int64),
        ("silent", np.int64),  # cycles
        ("x", np.float32, (SAMPLE_RATE,)),
    ],
    align=True,
)
_SETTLE_SECONDS = 1.0


def environment(folder: Path) -> dict[str, str] | None:
    """What makes a JACK server a card of ALSA's, for a process that has not loaded ALSA yet; None
    without ALSA's plugin for it. folder: where its configuration may be written."""
    named = os.environ.get("ALSA_PLUGIN_DIR")
    for modules in map(Path, [named] if named else _FOLDERS):
        if (modules / "libasound_module_pcm_jack.so").exists():
            break
    else:
        return None
    config = folder / "asound.conf"
    config.write_text(
        f'pcm.server {{ type plug slave.pcm "ports" hint {{ show on description "{_CARD}" }} }}\n'
        f"pcm.ports {{ type jack playback_ports {{ 0 {_EARS}:in 1 {_EARS}:in }} "
        f"capture_ports {{ 0 {_EARS}:out 1 {_EARS}:out }} }}\n"
    )
    return {"ALSA_CONFIG_PATH": str(config), "ALSA_PLUGIN_DIR": str(modules)}


def _loop_callback() -> Any:
    import ctypes

    from numba import carray, cfunc, types

    from realtime.native import pointer_to

    get_buffer = ctypes.CDLL("libjack.so.0").jack_port_get_buffer
    get_buffer.restype, get_buffer.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_uint32]

    def process(frames, userdata):  # type: ignore[no-untyped-def]
        memory = carray(userdata, 1, _LOOP)[0]
        out = carray(
            pointer_to(get_buffer(pointer_to(memory.ports[0]), frames)), frames, np.float32
        )
        back = carray(
            pointer_to(get_buffer(pointer_to(memory.ports[1]), frames)), frames, np.float32
        )
        heard = 0
        for i in range(frames):
            out[i] = memory.x[(memory.at + i) % SAMPLE_RATE]
            heard += back[i] != 0.0
        memory.at = (memory.at + frames) % SAMPLE_RATE
        memory.silent += heard == 0
        return np.int32(0)

    return cfunc(types.int32(types.uint32, types.voidptr))(process)


class Loop:
    """The JACK client around the stream, while it is open."""

    def __init__(self) -> None:
        import jack

        self._memory = np.zeros(1, _LOOP)
        self._memory["x"] = 0.1 * np.random.default_rng(0).standard_normal(SAMPLE_RATE)
        self._client = jack.Client(_EARS, no_start_server=True)
        ports = [self._client.outports.register("out"), self._client.inports.register("in")]
        self._memory["ports"] = [int(jack._ffi.cast("uintptr_t", port._ptr)) for port in ports]
        self._callback = _loop_callback()
        function = jack._ffi.cast("JackProcessCallback", self._callback.address)
        argument = jack._ffi.cast("void*", self._memory.ctypes.data)
        if jack._lib.jack_set_process_callback(self._client._ptr, function, argument):
            raise SystemExit("JACK refuses the client that listens")
        self._client.activate()

    @property
    def silent(self) -> int:
        """Cycles so far in which nothing came back."""
        return int(self._memory["silent"][0])

    def close(self) -> None:
        """Leave the server."""
        self._client.deactivate()
        self._client.close()


def run(presets: list[Preset], under_load: Callable[..., dict[str, Any]]) -> dict[str, Any]:
    """pedalboard's effects of the same kinds in its own stream, under load.

    under_load(move, silent): starts the load, and says what was offered and served meanwhile.
    """
    from pedalboard.io import AudioStream

    from benchmarks.latency import pedalboard_chain

    loop = Loop()
    board = pedalboard_chain(presets[0])
    boards = [pedalboard_chain(preset) for preset in presets]
    names = [
        [name for name in dir(effect) if isinstance(getattr(effect, name), float)]
        for effect in board
    ]

    def move(n: int) -> None:
        for effect, wanted, own in zip(board, boards[n % len(boards)], names, strict=True):
            if type(effect) is type(wanted):
                for name in own:
                    setattr(effect, name, getattr(wanted, name))

    stream = AudioStream(
        _CARD, _CARD, board, sample_rate=SAMPLE_RATE, buffer_size=PERIOD, allow_feedback=True
    )
    with stream:
        time.sleep(_SETTLE_SECONDS)
        seen = under_load(move, lambda: loop.silent)
    loop.close()
    return seen
