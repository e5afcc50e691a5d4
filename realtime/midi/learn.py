"""Learning: name a target, move a knob, and the map knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from realtime.midi import MidiError
from realtime.midi.mapping import MapControl, MidiMap
from realtime.midi.messages import ControlChange, Message, NoteOn, ProgramChange
from realtime.midi.values import (
    DATA_ENTRY,
    DATA_ENTRY_LSB,
    DECREMENT,
    INCREMENT,
    NRPN,
    NRPN_LSB,
    NULL,
    RPN,
    RPN_LSB,
)
from realtime.params import Param

CLEAR = 8  # of 127: more than a loose knob trembles, less than anybody turns
TOGETHER_S = 0.15  # what comes this soon after belongs to the same control


@dataclass
class _Track:
    """Values of one number, as far as they were heard."""

    low: int
    high: int
    between: bool = False  # whether it ever stood off its ends: a knob, not a switch

    def add(self, value: int) -> None:
        self.low, self.high = min(self.low, value), max(self.high, value)
        self.between |= 0 < value < 127


class Learner:
    """Listens for the control that is to move `target`. Steady ones and tremble are not meant.

    param: the target's row, None for a button.
    """

    def __init__(self, target: str, param: Param | None) -> None:
        self.target = target
        self._param = param
        self._tracks: dict[tuple[str, int, int], _Track] = {}
        self._numbers: dict[int, dict[int, int]] = {}  # channel: NRPN's two halves
        self._chosen: tuple[str, int, int] | None = None
        self._decide_at = 0.0

    def hear(self, message: Message, now: float) -> None:
        """One message of any port, `now` in seconds of any steady clock."""
        if isinstance(message, ControlChange):
            self._control_change(message, now)
        elif isinstance(message, NoteOn):
            self._choose(("note", message.channel, message.number), now)
        elif isinstance(message, ProgramChange) and self._param is None:
            self._choose(("program", message.channel, message.number), now)

    def learned(self, now: float) -> MapControl | None:
        """The control, once it is clear which one is meant and how it speaks."""
        if self._chosen is None or now < self._decide_at:
            return None
        kind, channel, number = self._chosen
        bits, on = 7, None
        if kind == "cc" and self._param is not None:
            fine_of = ("cc", channel, number - 32)
            if 32 <= number < 64 and fine_of in self._tracks:
                number -= 32
            if number < 32 and ("cc", channel, number + 32) in self._tracks:
                bits = 14
            elif not self._tracks[self._chosen].between:
                on = self._param.neutral
        return MapControl(self.target, kind, number, channel, bits, on=on, param=self._param)

    def _control_change(self, message: ControlChange, now: float) -> None:
        channel, number, value = message.channel, message.number, message.value
        halves = self._numbers.setdefault(channel, {})
        if number in (RPN, RPN_LSB):
            halves.clear()
        elif number in (NRPN, NRPN_LSB):
            halves[number] = value
        elif len(halves) == 2 and number in (DATA_ENTRY, DATA_ENTRY_LSB, INCREMENT, DECREMENT):
            nrpn = halves[NRPN] << 7 | halves[NRPN_LSB]
            if nrpn != NULL and number == DATA_ENTRY:
                self._heard(("nrpn", channel, nrpn), value, now)
            elif nrpn != NULL and number in (INCREMENT, DECREMENT):
                self._choose(("nrpn", channel, nrpn), now)
        else:
            self._heard(("cc", channel, number), value, now)

    def _heard(self, of: tuple[str, int, int], value: int, now: float) -> None:
        track = self._tracks.setdefault(of, _Track(value, value))
        track.add(value)
        pressed = self._param is None and value == 127
        if pressed or track.high - track.low >= CLEAR:
            self._choose(of, now)

    def _choose(self, of: tuple[str, int, int], now: float) -> None:
        if self._chosen is None:
            self._chosen, self._decide_at = of, now + TOGETHER_S


def bind(midi_map: MidiMap, new: MapControl) -> tuple[MidiMap, list[MapControl]]:
    """The map with `new` in it, and the controls of other targets that gave way to it.

    What moved the target before is gone too, but a knob and a switch may share one target.
    """
    if new.channel == midi_map.channel:
        new = replace(new, channel=None)
    clashing = midi_map.clashes(new, midi_map.controls)
    stay = [
        control
        for control in midi_map.controls
        if control not in clashing
        and (control.target != new.target or control.is_knob != new.is_knob)
    ]
    taken = [control for control in clashing if control.target != new.target]
    return replace(midi_map, controls=(*stay, new)), taken


def unbind(midi_map: MidiMap, target: str) -> MidiMap:
    """The map without any control of `target`. Raises: MidiError if there was none."""
    stay = tuple(control for control in midi_map.controls if control.target != target)
    if len(stay) == len(midi_map.controls):
        raise MidiError(f"no MIDI control is {target}'s")
    return replace(midi_map, controls=stay)


def in_words(new: MapControl, taken: Sequence[MapControl]) -> str:
    """What was learned, for a person, with what had to give way."""
    gave_way = [control.target for control in taken]
    if len(gave_way) > 3:
        gave_way = [f"{len(gave_way)} other controls"]
    instead = f", taken from {' and '.join(gave_way)}" if gave_way else ""
    switch = "" if new.is_knob else ", as a switch" if not new.is_button else ""
    return f"{new.target} is moved by {new.message}{switch}{instead}"
