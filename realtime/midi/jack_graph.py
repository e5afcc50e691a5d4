"""What rtmidi keeps to itself about JACK: ports that vanished, and whether the server lives.

Two faults of its JACK code (RtMidi 5 and 6) are mended here. It holds back everything behind a
sysex that never ended: an end of sysex now and then frees it. And sending to a server that
stands still spins for ever once 16 KiB wait, with Python's lock held: those ends of sysex come
back through the server, so what has not come back says how much may wait.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

END_OF_SYSEX = b"\xf7"
_BEAT_SECONDS = 0.1
_WAITING_MAX = 1_000  # messages of at most 8 bytes with their lengths, in a buffer of 16 KiB
_NO_START_SERVER = 1
_PORT = "end of sysex"

_Registered = ctypes.CFUNCTYPE(None, ctypes.c_uint32, ctypes.c_int, ctypes.c_void_p)
_Shutdown = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Print = ctypes.CFUNCTYPE(None, ctypes.c_char_p)
_silent = _Print(lambda _: None)


def library() -> Any:
    """The libjack that rtmidi itself is linked to, which need not be the system's; kept quiet."""
    import rtmidi

    jack = ctypes.CDLL(rtmidi._rtmidi.__file__)  # its symbols, and those of what it links to
    pointer, text = ctypes.c_void_p, ctypes.c_char_p
    for name, result, *arguments in (
        ("jack_set_error_function", None, _Print),
        ("jack_set_info_function", None, _Print),
        ("jack_client_open", pointer, text, ctypes.c_int, pointer),
        ("jack_client_close", ctypes.c_int, pointer),
        ("jack_activate", ctypes.c_int, pointer),
        ("jack_port_by_id", pointer, pointer, ctypes.c_uint32),
        ("jack_port_by_name", pointer, pointer, text),
        ("jack_port_name", text, pointer),
        ("jack_port_get_all_connections", ctypes.POINTER(text), pointer, pointer),
        ("jack_free", None, pointer),
        ("jack_connect", ctypes.c_int, pointer, text, text),
        ("jack_set_port_registration_callback", ctypes.c_int, pointer, _Registered, pointer),
        ("jack_on_shutdown", None, pointer, _Shutdown, pointer),
    ):
        function = getattr(jack, name)
        function.restype, function.argtypes = result, arguments
    jack.jack_set_error_function(_silent)
    jack.jack_set_info_function(_silent)
    return jack


class JackGraph:
    """A client that watches the server's ports, and sends ends of sysex to our own inputs.

    client_name: of the watching client. out: an `rtmidi.MidiOut` on JACK; it gets a port here.
    outputs: lists the names of all ports that give MIDI.

    Raises: OSError if the server takes no further client.
    """

    def __init__(self, client_name: str, out: Any, outputs: Callable[[], list[str]]) -> None:
        self._jack = library()
        self._client = self._jack.jack_client_open(client_name.encode(), _NO_START_SERVER, None)
        if not self._client:
            raise OSError("the JACK server takes no further client")
        self.alive = True
        self._vanished: set[str] = set()
        # JACK calls these on its thread for news, never on an audio thread.
        self._keep = (_Registered(self._registered), _Shutdown(self._shutdown))
        self._jack.jack_set_port_registration_callback(self._client, self._keep[0], None)
        self._jack.jack_on_shutdown(self._client, self._keep[1], None)
        self._jack.jack_activate(self._client)
        before = outputs()
        out.open_virtual_port(_PORT)
        self._out = out
        self._beats = [n for n in outputs() if n not in before and n.endswith(f":{_PORT}")]
        self._beat_due, self._beat_back, self._waiting = 0.0, True, 0

    def _registered(self, port: int, on: int, _: None) -> None:
        if not on:
            name = self._jack.jack_port_name(self._jack.jack_port_by_id(self._client, port))
            self._vanished.add(name.decode(errors="replace"))

    def _shutdown(self, _: None) -> None:
        self.alive = False

    def vanished(self) -> set[str]:
        """Names of ports that went away since the last call, though they may be back by now."""
        vanished, self._vanished = self._vanished, set()
        return vanished

    def sources(self, ours: str) -> set[str]:
        """Names of the ports that others connected to an input of ours; the beats among them."""
        port = self._jack.jack_port_by_name(self._client, ours.encode())
        listed = self._jack.jack_port_get_all_connections(self._client, port) if port else None
        found = set()
        for name in listed or ():
            if name is None:
                break
            found.add(name.decode(errors="replace"))
        self._jack.jack_free(listed)
        return found

    def free(self, ours: str) -> None:
        """Have an input port of ours get the ends of sysex too."""
        for beats in self._beats:
            self._jack.jack_connect(self._client, beats.encode(), ours.encode())
        self._beat_back = True

    def beat(self, now: float) -> None:
        """Send an end of sysex if one is due and the last one came back."""
        if self.alive and self._beat_back and now >= self._beat_due:
            self._beat_back, self._beat_due = False, now + _BEAT_SECONDS
            self._out.send_message(END_OF_SYSEX)

    def came_back(self) -> None:
        """An end of sysex arrived at one of our inputs."""
        self._beat_back, self._waiting = True, 0

    def may_send(self) -> bool:
        """Whether the server takes another message now; counts it as sent."""
        self._waiting += 1
        return self.alive and self._waiting <= _WAITING_MAX

    def close(self) -> None:
        """Leave the server, if it is still there."""
        if self.alive:
            self._jack.jack_client_close(self._client)
