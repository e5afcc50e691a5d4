"""The MIDI systems of this machine, as python-rtmidi offers them: ALSA, JACK, Core MIDI, WinMM.

No callback is ever set: rtmidi calls one on JACK's process thread, where Python's lock would hold
up the whole graph. What arrives waits in rtmidi's own queue until it is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from realtime.midi.jack_graph import END_OF_SYSEX, OWN_PORT, JackGraph
from realtime.midi.port_names import is_copy, is_own
from realtime.quiet import quiet_stderr

_QUEUE = 4_096  # messages: 4 s of a thousand a second; each place keeps its memory once used
_TAKEN_AT_ONCE = 2_048


class Input:
    """An open input, and whatever it received since it was last asked.

    ours: JACK's name for our end of it, "" elsewhere.
    """

    def __init__(self, midi_in: Any, graph: JackGraph | None, ours: str) -> None:
        self.rtmidi = midi_in
        self.ours = ours
        self._graph = graph
        # Sysex is taken, to be counted; clock and active sensing would only wake us.
        midi_in.ignore_types(sysex=False, timing=True, active_sense=True)

    def take(self) -> bytes:
        """All messages that wait, one after the other; sysex of any length among them."""
        taken: list[bytes] = []
        while len(taken) < _TAKEN_AT_ONCE and (got := self.rtmidi.get_message()) is not None:
            message = bytes(got[0])
            if self._graph is not None and message.endswith(END_OF_SYSEX):
                self._graph.came_back()
                if message == END_OF_SYSEX:
                    continue
            taken.append(message)
        return b"".join(taken)


class Output:
    """An open output. ours: as of an `Input`."""

    def __init__(self, midi_out: Any, graph: JackGraph | None, ours: str) -> None:
        self.rtmidi = midi_out
        self.ours = ours
        self._graph = graph

    def send(self, message: bytes) -> None:
        """Send one message; to a server that stands still, nothing.

        Raises: RtMidiError if the device is gone.
        """
        if self._graph is None or self._graph.may_send():
            self.rtmidi.send_message(message)


class System:
    """One MIDI system that works here.

    api: rtmidi's number for it. client_name: begins the names of all ports of ours.
    copies: whether to list ports that only show again what ALSA has.
    virtual: whether to offer ports of our own, called `client_name`, where the system can.

    ours: those ports, once open. Raises: RtMidiError or OSError if the system does not work here.
    """

    def __init__(self, api: int, client_name: str, copies: bool, virtual: bool) -> None:
        import rtmidi

        self.name: str = rtmidi.get_api_name(api)
        self._rtmidi, self._api, self._copies = rtmidi, api, copies
        self._own = client_name
        self._client = f"{client_name}-midi"  # the sound's JACK client has the plain name
        self._in = rtmidi.MidiIn(api, self._client, _QUEUE)
        self._out = rtmidi.MidiOut(api, self._client)
        self._spare: dict[type, list[Any]] = {rtmidi.MidiIn: [], rtmidi.MidiOut: []}
        self._graph: JackGraph | None = None
        if api == rtmidi.API_UNIX_JACK:
            self._graph = JackGraph(self._client, self._out, self._in.get_ports)
        virtual = virtual and api != rtmidi.API_WINDOWS_MM
        # Something of ours has to hear JACK's ends of sysex, whatever else is open.
        self._ears = self._offer(client_name if virtual else OWN_PORT) if self._graph else None
        self.ours: tuple[Input, Output] | None = None
        if virtual:
            midi_out = self._client_for(rtmidi.MidiOut)
            told = self._opened(midi_out, lambda: midi_out.open_virtual_port(client_name))
            self.ours = (
                self._ears or self._offer(client_name),
                Output(midi_out, self._graph, told),
            )

    @property
    def runs(self) -> bool:
        """Whether it still works; if not, only `take` and `beat` are safe: rtmidi would hang."""
        return self._graph is None or self._graph.runs

    @property
    def heartbeats(self) -> int | None:
        """How often it has shown that it works; None for a system that cannot stand still."""
        return None if self._graph is None else self._graph.heartbeats

    def inputs(self) -> list[str]:
        """What sends MIDI, as the system calls it now; nothing of ours. Raises: RtMidiError"""
        return self._theirs(self._in)

    def outputs(self) -> list[str]:
        """What takes MIDI, as `inputs`. Raises: RtMidiError"""
        return self._theirs(self._out)

    def _theirs(self, lister: Any) -> list[str]:
        listed = [name for name in lister.get_ports() if not is_own(name, self._own)]
        return listed if self._copies else [name for name in listed if not is_copy(name)]

    def holds(self, port: Input | Output, address: str) -> bool:
        """Whether an open port still leads to what it was opened for.

        A device that went away and came back between two looks is listed, but connected no more.
        """
        return self._graph is None or address in self._graph.connections(port.ours)

    def self_connected(self) -> set[str]:
        """Inputs that somebody connected to our own port: opened too, they would come twice."""
        if self._graph is None or self.ours is None:
            return set()
        return self._graph.connections(self.ours[0].ours)

    def beat(self, now: float) -> None:
        """To be called at every look at the inputs. now: `time.monotonic()`, s"""
        if self._graph:
            if self._ears and not self.ours:
                self._ears.take()
            self._graph.beat(now)

    def open_input(self, address: str) -> Input:
        """Open what `inputs` listed. Raises: RtMidiError, OSError, or ValueError if it is gone."""
        client = self._client_for(self._rtmidi.MidiIn, _QUEUE)
        return Input(client, self._graph, self._connected(client, address))

    def open_output(self, address: str) -> Output:
        """Open what `outputs` listed. Raises: as `open_input`"""
        client = self._client_for(self._rtmidi.MidiOut)
        return Output(client, self._graph, self._connected(client, address))

    def _connected(self, client: Any, address: str) -> str:
        return self._opened(
            client, lambda: client.open_port(client.get_ports().index(address), address)
        )

    def _offer(self, name: str) -> Input:
        ours = self._opened(self._in, lambda: self._in.open_virtual_port(name))
        return Input(self._in, self._graph, ours)

    def _opened(self, client: Any, open_port: Callable[[], object]) -> str:
        """Open a port of a client; JACK's name for our end of it, "" elsewhere. Raises: OSError"""
        if self._graph is None:
            open_port()
            return ""
        takes = isinstance(client, self._rtmidi.MidiIn)
        lister = self._out if takes else self._in
        before = set(lister.get_ports())
        open_port()
        ours = [n for n in lister.get_ports() if n not in before and is_own(n, self._own)]
        if not ours:
            raise OSError("JACK made no port")
        if takes:
            self._graph.free(ours[0])
        return ours[0]

    def close_port(self, port: Input | Output) -> None:
        """Close what was opened; it must not be used any more.

        Its JACK client stays for the next port. JACK tells a process late which of its clients
        are gone, and tells it by numbers that a new client may have by then: that one crashes.
        """
        if port.rtmidi is self._in:
            self._in.close_port()
        elif self._graph is None:
            port.rtmidi.delete()
        else:
            port.rtmidi.close_port()
            self._spare[type(port.rtmidi)].append(port.rtmidi)

    def _client_for(self, kind: type, *queue: int) -> Any:
        if not self._spare[kind]:
            return kind(self._api, self._client, *queue)
        client = self._spare[kind].pop()
        while kind is self._rtmidi.MidiIn and client.get_message() is not None:
            pass  # what came for the port before
        return client

    def close(self) -> None:
        """Leave the system, once all that was opened is closed."""
        if self._graph:
            self._graph.close()
        for client in (self._in, self._out, *(c for kind in self._spare.values() for c in kind)):
            client.delete()


def systems(client_name: str, virtual: bool) -> list[System]:
    """The systems that work here, perhaps none; quietly."""
    import rtmidi

    found: list[System] = []
    with quiet_stderr():
        for api in rtmidi.get_compiled_api():
            if api == rtmidi.API_RTMIDI_DUMMY:
                continue
            try:
                # ALSA comes before JACK in rtmidi's list.
                found.append(System(api, client_name, not found, virtual))
            except (rtmidi.RtMidiError, OSError):
                continue
    return found


def list_ports() -> list[tuple[str, str]]:
    """("input" or "output", name) of all MIDI ports here; none of ours, perhaps none at all."""
    listed: list[tuple[str, str]] = []
    for system in systems("afx-live", virtual=False):
        listed += [("input", name) for name in system.inputs()]
        listed += [("output", name) for name in system.outputs()]
        system.close()
    return listed
