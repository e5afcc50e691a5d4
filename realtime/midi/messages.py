"""Bytes to messages, as a port delivers them: in any pieces, with anything in between.

Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ControlChange:
    """channel: 1..16. number, value: 0..127."""

    channel: int
    number: int
    value: int


@dataclass(frozen=True, slots=True)
class NoteOn:
    """channel: 1..16. number: 0..127. velocity: 1..127."""

    channel: int
    number: int
    velocity: int


@dataclass(frozen=True, slots=True)
class NoteOff:
    """channel: 1..16. number: 0..127. A note-on with velocity 0 is one too."""

    channel: int
    number: int


@dataclass(frozen=True, slots=True)
class ProgramChange:
    """channel: 1..16. number: 0..127."""

    channel: int
    number: int


Message = ControlChange | NoteOn | NoteOff | ProgramChange

_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_SYSTEM_COMMON = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0}
_SYSEX, _SYSEX_END, _REALTIME = 0xF0, 0xF7, 0xF8
_REALTIME_UNDEFINED = (0xF9, 0xFD)


class Parser:
    """One port's stream. Takes any bytes, keeps at most one unfinished message, never raises.

    messages: complete messages so far, those that nothing here listens to included.
    ignored: bytes that belong to no message: data without a status, undefined statuses, the rest
    of a message that another one cut off.
    """

    def __init__(self) -> None:
        self.messages = 0
        self.ignored = 0
        self._status = 0  # that the next data bytes belong to; 0: none. Stays: running status.
        self._data: list[int] = []

    def feed(self, data: bytes) -> list[Message]:
        """The messages that `data` completes and that can control something."""
        found: list[Message] = []
        for byte in data:
            if byte >= _REALTIME:
                # One byte, allowed in the middle of anything; it disturbs nothing.
                if byte in _REALTIME_UNDEFINED:
                    self.ignored += 1
                else:
                    self.messages += 1
            elif byte >= 0x80:
                self._begin(byte)
            elif self._status == _SYSEX:
                pass  # of any length: skipped as it comes
            elif not self._status:
                self.ignored += 1
            else:
                self._data.append(byte)
                if len(self._data) == self._wanted():
                    message = self._complete()
                    if message is not None:
                        found.append(message)
        return found

    def reset(self) -> None:
        """Forget the unfinished message and running status: the cable was pulled."""
        self.ignored += len(self._data)
        self._status, self._data = 0, []

    def _begin(self, status: int) -> None:
        if status == _SYSEX_END:
            if self._status == _SYSEX:
                self.messages += 1
                self._status = 0
            else:
                self.reset()
                self.ignored += 1
            return
        # What is unfinished was cut off; a sysex too, though it only ever counts as one thing.
        self.ignored += len(self._data) + (self._status == _SYSEX)
        self._data = []
        if status < _SYSEX or status == _SYSEX or _SYSTEM_COMMON.get(status):
            self._status = status
        else:
            self._status = 0
            if status in _SYSTEM_COMMON:
                self.messages += 1
            else:
                self.ignored += 1

    def _wanted(self) -> int:
        if self._status > _SYSEX:
            return _SYSTEM_COMMON[self._status]
        return _DATA_BYTES[self._status & 0xF0]

    def _complete(self) -> Message | None:
        status, data = self._status, self._data
        self._data = []
        self.messages += 1
        if status > _SYSEX:
            self._status = 0  # system common ends running status
            return None
        channel = (status & 0x0F) + 1
        match status & 0xF0:
            case 0xB0:
                return ControlChange(channel, data[0], data[1])
            case 0x90 if data[1]:
                return NoteOn(channel, data[0], data[1])
            case 0x80 | 0x90:
                return NoteOff(channel, data[0])
            case 0xC0:
                return ProgramChange(channel, data[0])
        return None


def control_change(channel: int, number: int, value: int) -> bytes:
    """Bytes of a control change; channel 1..16."""
    return bytes((0xB0 | channel - 1, number, value))


def note(channel: int, number: int, velocity: int) -> bytes:
    """Bytes of a note-on; velocity 0 is off. Channel 1..16."""
    return bytes((0x90 | channel - 1, number, velocity))
