"""What rtmidi keeps to itself about JACK: who is connected to whom, whether the server runs.

Two faults of its JACK code (RtMidi 5 and 6) are mended here as well. It holds back everything
behind a sysex that never ended: an end of sysex now and then frees it. And sending to a server that
stands still spins for ever once 16 KiB wait, with Python's lock held: those ends of sysex come
back through the server, so what has not come back says how much may wait.

Nothing here is called back by JACK: it cancels its threads, and one that waits for Python's lock
then takes the lock's mutex with it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

END_OF_SYSEX = b"\xf7"
OWN_PORT = "end of sysex"
_BEAT_SECONDS = 0.1
_STILL_SECONDS = 1.0
_WAITING_MAX = 900  # messages of at most 8 bytes with their lengths, in a buffer of 16 KiB
_NO_START_SERVER = 1


def library() -> Any:
    """The libjack that rtmidi itself is linked to, which need not be the system's; kept quiet."""
    import rtmidi

    jack = ctypes.CDLL(rtmidi._rtmidi.__file__)  # its symbols, and those of what it links to
    pointer, text, number = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int
    for name, result, *arguments in (
        ("jack_set_error_function", None, pointer),
        ("jack_set_info_function", None, pointer),
        ("jack_client_open", pointer, text, number, pointer),
        ("jack_client_close", number, pointer),
        ("jack_connect", number, pointer, text, text),
        ("jack_port_by_name", pointer, pointer, text),
        ("jack_port_get_all_connections", ctypes.POINTER(text), pointer, pointer),
        ("jack_free", None, pointer),
    ):
        function = getattr(jack, name)
        function.restype, function.argtypes = result, arguments
    # It tells its troubles to a function that takes a string; this one does nothing with it.
    silence = ctypes.cast(ctypes.CDLL(None).strlen, pointer)
    jack.jack_set_error_function(silence)
    jack.jack_set_info_function(silence)
    return jack


class JackGraph:
    """A client that asks about connections, and sends ends of sysex to our own inputs.

    client_name: of the asking client. out: an `rtmidi.MidiOut` on JACK; it gets a port here.
    outputs: lists the names of all ports that give MIDI.

    Raises: OSError if the server takes no further client.
    """

    def __init__(self, client_name: str, out: Any, outputs: Callable[[], list[str]]) -> None:
        self._jack = library()
        self._client = self._jack.jack_client_open(client_name.encode(), _NO_START_SERVER, None)
        if not self._client:
            raise OSError("the JACK server takes no further client")
        before = outputs()
        out.open_virtual_port(OWN_PORT)
        self._out = out
        self._beats = [n for n in outputs() if n not in before and n.endswith(f":{OWN_PORT}")]
        # The last end of sysex, and the first that did not come back.
        self._sent_at, self._missed_at, self._came_back = 0.0, 0.0, True
        self._waiting = 0
        self.runs = True  # whether the server does; where not, touch nothing of rtmidi's
        self.heartbeats = 0  # how many ends of sysex came back

    def connections(self, port: str) -> set[str]:
        """Full names of what is connected to a port, none if there is no such port."""
        known = self._jack.jack_port_by_name(self._client, port.encode())
        listed = self._jack.jack_port_get_all_connections(self._client, known) if known else None
        found = set()
        for name in listed or ():
            if name is None:
                break
            found.add(name.decode(errors="replace"))
        self._jack.jack_free(listed)
        return found

    def free(self, ours: str) -> None:
        """Have an input of ours get the ends of sysex."""
        for beats in self._beats:
            self._jack.jack_connect(self._client, beats.encode(), ours.encode())

    def beat(self, now: float) -> None:
        """Send an end of sysex if one is due; see whether the last one came back in time."""
        passed = now - self._sent_at
        if self._came_back:
            if passed < _BEAT_SECONDS:
                return
            self._missed_at = now
        else:
            missed = now - self._missed_at
            self.runs = missed < _STILL_SECONDS
            # A server that stops may lose one. Ever rarer, since a buffer has room for a hundred.
            if passed < max(_STILL_SECONDS, missed / 4.0):
                return
        self._sent_at, self._came_back = now, False
        self._out.send_message(END_OF_SYSEX)

    def came_back(self) -> None:
        """An end of sysex arrived at one of our inputs."""
        self.heartbeats += not self._came_back  # every input of ours gets it
        self._came_back = self.runs = True
        self._waiting = 0

    def may_send(self) -> bool:
        """Whether the server takes another message now; counts it as sent."""
        self._waiting += 1
        return self.runs and self._waiting <= _WAITING_MAX

    def close(self) -> None:
        """Leave the server."""
        self._jack.jack_client_close(self._client)
