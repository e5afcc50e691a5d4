"""What a controller is told, so that its lights, rings and motor faders show the sound."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass

from realtime.controls import State
from realtime.midi.mapping import MapControl, MidiMap
from realtime.midi.messages import ControlChange, Message, NoteOff, NoteOn, control_change, note
from realtime.midi.values import DATA_ENTRY, DATA_ENTRY_LSB, NRPN, NRPN_LSB, from_unit
from realtime.targets import REVERT

HAND_S = 0.3  # what moved this lately is in a hand, and not fought
INTERVAL_S = 0.01  # between two messages to one control
ECHO_S = 0.5  # within this, what comes back as it was sent is an echo
PRESS_ECHO_S = 0.06  # for a switch, where a second press looks like one


@dataclass
class _Slot:
    """What is known of one control on one port.

    channel: where it was heard. heard: whether it ever was. device: the value that the
    controller shows, as far as known. not_before: when it may be told again.
    """

    channel: int = 1
    heard: bool = False
    device: int | None = None
    not_before: float = 0.0


class Feedback:
    """Which messages are due to which port. Told of moves from any thread, asked from one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots: dict[str, dict[MapControl, _Slot]] = {}
        self._due: set[tuple[str, MapControl]] = set()
        self._sent: dict[tuple[str, Message], list[float]] = {}

    def opened(self, port: str, controls: Iterable[MapControl]) -> None:
        """A controller is there, and knows nothing."""
        with self._lock:
            self._slots[port] = {}
            self._due |= {(port, control) for control in controls}

    def moved(self, controls: Iterable[MapControl]) -> None:
        """What these controls show has changed, whoever did it."""
        with self._lock:
            self._due |= {(port, control) for control in controls for port in self._slots}

    def touched(
        self, port: str, control: MapControl, channel: int, position: float, now: float
    ) -> None:
        """A hand moved it to `position`, 0..1; a switch is at 1 when pressed."""
        slot = self._slot(port, control)
        slot.heard, slot.channel, slot.not_before = True, channel, now + HAND_S
        # Many a switch has a light of its own while it is down.
        slot.device = from_unit(position, _bits(control)) if control.is_knob else None
        self._again(port, control)

    def released(self, port: str, control: MapControl, now: float) -> None:
        """A switch came up: its light may have gone out with it."""
        slot = self._slot(port, control)
        slot.device, slot.not_before = None, now
        self._again(port, control)

    def due(
        self, midi_map: MidiMap, state: State, now: float
    ) -> list[tuple[str, MapControl, list[bytes]]]:
        """What to tell which control now, its newest value only, as (port, control, messages)."""
        with self._lock:
            due, self._due = self._due, set()
        found: list[tuple[str, MapControl, list[bytes]]] = []
        for port, control in due:
            slot = self._slot(port, control)
            channel = midi_map.heard(control) or slot.channel
            if midi_map.find(control.kind, channel, control.number) != control:
                continue  # it has been learned away
            if not (slot.heard if control.feedback is None else control.feedback):
                continue
            if now < slot.not_before:
                self._again(port, control)
                continue
            value = shown_value(control, state)
            if value is None or value == slot.device:
                continue
            slot.device, slot.not_before = value, now + INTERVAL_S
            messages = _messages(control, channel, value)
            for data in messages:
                self._remember(port, control, data, now)
            found.append((port, control, messages))
        return found

    def is_echo(self, port: str, message: Message, now: float) -> bool:
        """Whether `message` is only what the port was sent a moment ago. Each counts once."""
        expiries = self._sent.get((port, message), [])
        while expiries:
            if expiries.pop(0) >= now:
                return True
        return False

    def _slot(self, port: str, control: MapControl) -> _Slot:
        slots = self._slots.get(port)
        if slots is None:
            with self._lock:
                slots = self._slots[port] = {}
        return slots.setdefault(control, _Slot())

    def _again(self, port: str, control: MapControl) -> None:
        with self._lock:
            self._due.add((port, control))

    def _remember(self, port: str, control: MapControl, data: bytes, now: float) -> None:
        channel = (data[0] & 0x0F) + 1
        message: Message
        if data[0] & 0xF0 == 0xB0:
            message = ControlChange(channel, data[1], data[2])
        else:
            message = NoteOn(channel, *data[1:]) if data[2] else NoteOff(channel, data[1])
        expiry = now + (ECHO_S if control.is_knob else PRESS_ECHO_S)
        others = [e for e in self._sent.get((port, message), ()) if e >= now]
        self._sent[port, message] = [*others, expiry]


def shown_value(control: MapControl, state: State) -> int | None:
    """What the control should show: 0..127, 0..16383 with 14 bits, None for nothing."""
    if control.is_knob:
        return from_unit(control.to_position(state.value(control.target)), _bits(control))
    lit = _lit(control, state)
    return None if lit is None else 127 * lit


def _bits(control: MapControl) -> int:
    return 14 if control.kind == "nrpn" else control.bits


def _lit(control: MapControl, state: State) -> bool | None:
    target = control.target
    if control.param is not None:
        on = control.param.neutral if control.on is None else control.on
        return math.isclose(state.value(target), on, rel_tol=1e-9, abs_tol=1e-9)
    if target.startswith(REVERT):
        return target.removeprefix(REVERT) in state.overrides
    return {
        "bypass": state.bypassed,
        "panic": state.panicked,
        "revert": bool(state.overrides),
    }.get(target)


def _messages(control: MapControl, channel: int, value: int) -> list[bytes]:
    if control.kind == "note":
        return [note(channel, control.number, value)]
    if control.kind == "cc":
        if control.bits == 7:
            return [control_change(channel, control.number, value)]
        coarse = control_change(channel, control.number, value >> 7)
        return [coarse, control_change(channel, control.number + 32, value & 127)]
    if control.kind == "nrpn":
        value = value if control.is_knob else value << 7 | value
        pairs = (
            (NRPN, control.number >> 7),
            (NRPN_LSB, control.number & 127),
            (DATA_ENTRY, value >> 7),
            (DATA_ENTRY_LSB, value & 127),
        )
        return [control_change(channel, *pair) for pair in pairs]
    return []
