"""Messages to positions of knobs: 7 and 14 bits, parameter numbers, banks.

A position is 0..1, what `Param.from_unit` takes. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from realtime.midi.messages import ControlChange, Message, NoteOff, NoteOn, ProgramChange

BANK, BANK_LSB = 0, 32
DATA_ENTRY, DATA_ENTRY_LSB, INCREMENT, DECREMENT = 6, 38, 96, 97
NRPN_LSB, NRPN, RPN_LSB, RPN = 98, 99, 100, 101
NUMBERED = (DATA_ENTRY, DATA_ENTRY_LSB, INCREMENT, DECREMENT, NRPN_LSB, NRPN, RPN_LSB, RPN)
NULL = 127 << 7 | 127  # the parameter number that deselects

SETTLE_S = 0.03  # the halves of one value come in one go; later than this, there is no other half
BURST_S = 0.1  # a pause this long lies between moves, not within a value


@dataclass(frozen=True, slots=True)
class Moved:
    """A knob or fader stands at `position`, 0..1. kind: "cc" or "nrpn"."""

    kind: str
    channel: int
    number: int
    position: float


@dataclass(frozen=True, slots=True)
class Stepped:
    """An NRPN was counted up (1) or down (-1) by one step of 7 bits."""

    channel: int
    number: int
    steps: int


@dataclass(frozen=True, slots=True)
class Program:
    """A program was chosen. bank: 0..16383. number: 0..127, as on the wire."""

    channel: int
    bank: int
    number: int


Event = Moved | Stepped | Program | NoteOn | NoteOff


def to_unit(value: int, bits: int) -> float:
    """0..127 or 0..16383 to 0..1, the middle (64, 8192) to exactly 0.5.

    Two straight pieces, so that a knob's detent means 0 dB and both ends are reached.
    Source: MIDI 2.0's min-centre-max scaling (M2-115-U).
    """
    middle = 1 << (bits - 1)
    if value <= middle:
        return value / (2 * middle)
    return 0.5 + (value - middle) / (2 * (middle - 1))


def from_unit(unit: float, bits: int) -> int:
    """The value whose position is nearest to `unit` in 0..1; the inverse of `to_unit`."""
    middle = 1 << (bits - 1)
    if unit <= 0.5:
        return round(unit * 2 * middle)
    return round(middle + (unit - 0.5) * 2 * (middle - 1))


class Pair:
    """A value of 14 bits that comes as two halves of 7, in either order, or one half only.

    It moves as soon as the coarse half comes, to that end of the coarse step which lies nearest
    to where it was: so a sweep never goes back, whatever the fine half says then.
    """

    def __init__(self) -> None:
        self._msb: int | None = None
        self._lsb = 0
        self._fine = False  # whether a fine half ever came; without one, this is a 7-bit knob
        self._fine_first = False  # the order of this sender
        self._newest_fine = 0
        self._last = ""  # which half came last
        self._in_burst = 0  # halves since the last pause
        self._at = float("-inf")
        self._due: tuple[float, int] | None = None  # when to take which fine half after all

    @property
    def position(self) -> float:
        """Where the knob stands, 0..1."""
        msb = self._msb or 0
        return to_unit(msb << 7 | self._lsb, 14) if self._fine else to_unit(msb, 7)

    def coarse(self, msb: int, now: float) -> float:
        """The coarse half came: the new position."""
        pause = now - self._at > BURST_S
        completes = self._last == "fine" and (self._fine_first or self._in_burst == 1)
        self._came("coarse", now, pause and not completes)
        was, self._msb, self._due = self._msb, msb, None
        if completes:
            self._fine_first, self._lsb = True, self._newest_fine
            return self.position
        if pause:
            self._fine_first = False
        if was is None or msb > was:
            self._lsb = 0
        elif msb < was:
            self._lsb = 127
            # MIDI 1.0: a coarse half alone means that the fine one is 0.
            self._due = (now + SETTLE_S, 0)
        return self.position

    def fine(self, lsb: int, now: float) -> float | None:
        """The fine half came: the new position, or None while the coarse half is awaited."""
        completes = self._last == "coarse" and not self._fine_first
        if self._last == "fine":
            self._fine_first = False  # twice: this sender leaves out a coarse half that stays
        self._came("fine", now, now - self._at > BURST_S and not completes)
        self._fine, self._newest_fine, self._due = True, lsb, None
        if self._fine_first:
            self._due = (now + SETTLE_S, lsb)
            return None
        self._lsb = lsb
        return None if self._msb is None else self.position

    def settle(self, now: float) -> float | None:
        """The position, if a half that was waited for is not going to come."""
        if self._due is None or now < self._due[0]:
            return None
        before, self._lsb, self._due = self.position, self._due[1], None
        return self.position if self._msb is not None and self.position != before else None

    def _came(self, half: str, now: float, begins: bool) -> None:
        self._in_burst = 1 if begins else self._in_burst + 1
        self._last, self._at = half, now


class Decoder:
    """One port's messages to events.

    bits: asked with ("cc" or "nrpn", channel, number) what the map says of a control: 7, 14, or 0
    where it says nothing. What the map names as a plain control is one, even where its number
    otherwise means a bank or a parameter number.
    """

    def __init__(self, bits: Callable[[str, int, int], int]) -> None:
        self._bits = bits
        self._pairs: dict[tuple[str, int, int], Pair] = {}
        self._selected: dict[int, list[int | None]] = {}  # channel: NRPN [coarse, fine]
        self._bank: dict[int, list[int]] = {}

    def feed(self, message: Message, now: float) -> list[Event]:
        """What `message` says, `now` in seconds of any steady clock."""
        if isinstance(message, ControlChange):
            event = self._control_change(message, now)
            return [] if event is None else [event]
        if isinstance(message, ProgramChange):
            coarse, fine = self._bank.get(message.channel, (0, 0))
            return [Program(message.channel, coarse << 7 | fine, message.number)]
        return [message]

    def settle(self, now: float) -> list[Event]:
        """What is known by now because the other half of a value did not come."""
        events: list[Event] = []
        for (kind, channel, number), pair in self._pairs.items():
            position = pair.settle(now)
            if position is not None:
                events.append(Moved(kind, channel, number, position))
        return events

    def _control_change(self, message: ControlChange, now: float) -> Event | None:
        channel, number, value = message.channel, message.number, message.value
        bits = self._bits("cc", channel, number)
        if bits == 14:
            return self._half("cc", channel, number, False, value, now)
        if 32 <= number < 64 and self._bits("cc", channel, number - 32) == 14:
            return self._half("cc", channel, number - 32, True, value, now)
        if not bits:
            if number in NUMBERED:
                return self._numbered(channel, number, value, now)
            if number in (BANK, BANK_LSB):
                self._bank.setdefault(channel, [0, 0])[number == BANK_LSB] = value
                return None
        return Moved("cc", channel, number, to_unit(value, 7))

    def _numbered(self, channel: int, number: int, value: int, now: float) -> Event | None:
        if number in (RPN, RPN_LSB):
            self._selected.pop(channel, None)
            return None
        if number in (NRPN, NRPN_LSB):
            self._selected.setdefault(channel, [None, None])[number == NRPN_LSB] = value
            return None
        coarse, fine = self._selected.get(channel, (None, None))
        if coarse is None or fine is None or coarse << 7 | fine == NULL:
            return None
        nrpn = coarse << 7 | fine
        if number in (INCREMENT, DECREMENT):
            return Stepped(channel, nrpn, 1 if number == INCREMENT else -1)
        fine_half = number == DATA_ENTRY_LSB
        if self._bits("nrpn", channel, nrpn):
            return self._half("nrpn", channel, nrpn, fine_half, value, now)
        return None if fine_half else Moved("nrpn", channel, nrpn, to_unit(value, 7))

    def _half(
        self, kind: str, channel: int, number: int, fine: bool, value: int, now: float
    ) -> Moved | None:
        pair = self._pairs.setdefault((kind, channel, number), Pair())
        position = pair.fine(value, now) if fine else pair.coarse(value, now)
        return None if position is None else Moved(kind, channel, number, position)
