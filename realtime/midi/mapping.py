"""Which control of a controller moves what: what a map says, apart from the file it stands in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from realtime.midi import MidiError
from realtime.midi.values import NULL, NUMBERED
from realtime.params import Param
from realtime.targets import ACTIONS, BUILT_IN, REVERT, VALUES, Targets, may_be_plugins

DEFAULT = "default"
KINDS = ("cc", "note", "nrpn", "program")
TAKEOVERS = ("pickup", "scaled", "jump")


class MapError(MidiError):
    """A map that cannot be used; the message names the control and the reason.

    control: its place in the map, from 0, where one is to blame.
    """

    def __init__(self, message: str, control: int | None = None) -> None:
        super().__init__(message)
        self.control = control


@dataclass(frozen=True)
class MapControl:
    """One knob, fader, pad or switch, and what it reaches.

    kind, number: the message: "cc", "note" or "program" 0..127, "nrpn" 0..16382.
    channel: 1..16, or None for the map's. bits: 7, or 14 where a CC below 32 comes with the one
    32 above it; an NRPN has up to 14 in any case.
    takeover: how a knob gets hold of a value that stands elsewhere; None: as the map says.
    minimum, maximum: the plain values at a knob's ends, the target's range unless given;
    maximum below minimum turns it round. on: the value that a switch sets and takes back; it
    makes a CC or NRPN a switch, which a note or program is anyway. feedback: whether the
    controller is told of moves that it did not make: True, from when it is plugged in, and a
    knob then stands where it was told (a ring, a motor); False, never; None, once it has been
    heard, so that CC 7 is not sent to a synthesiser's volume.
    param: the target's row; of a plugin's parameter it is given by the session that has it.

    Raises: MapError where no such control can be.
    """

    target: str
    kind: str
    number: int
    channel: int | None = None
    bits: int = 7
    takeover: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    on: float | None = None
    feedback: bool | None = None
    param: Param | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.target, str) and may_be_plugins(self.target)):
            check_target(self.target)
        if self.target in VALUES:
            object.__setattr__(self, "param", VALUES[self.target])
        if self.kind not in KINDS:
            raise MapError(f"{self.kind!r} is none of {', '.join(KINDS)}")
        _whole(self.kind, self.number, 0, NULL - 1 if self.kind == "nrpn" else 127)
        if self.channel is not None:
            _whole("channel", self.channel, 1, 16)
        if self.bits not in (7, 14):
            raise MapError(f"bits is {shown(self.bits)}, not 7 or 14")
        if self.bits == 14 and (self.kind != "cc" or self.number > 31):
            raise MapError("bits = 14 is for a cc from 0 to 31")
        if not isinstance(self.feedback, bool | None):
            raise MapError(f"feedback is {shown(self.feedback)}, not true or false")
        if self.takeover is not None and self.takeover not in TAKEOVERS:
            raise MapError(f"takeover {shown(self.takeover)} is none of {', '.join(TAKEOVERS)}")
        if self.on is not None:
            self._check_value("on", self.on)
        for name in ("takeover", "minimum", "maximum"):
            if getattr(self, name) is not None and not self.is_knob:
                raise MapError(f"{name} is for knobs, and this one is pressed")
        for name in ("minimum", "maximum"):
            if getattr(self, name) is not None:
                self._check_value(name, getattr(self, name))
        if self.is_knob and self.param is not None and math.isclose(*self._ends(self.param)):
            raise MapError("minimum and maximum are one value")

    @property
    def is_button(self) -> bool:
        """Whether it presses a button, rather than setting a value."""
        return self.target.startswith(REVERT) or ("." not in self.target and self.param is None)

    @property
    def is_knob(self) -> bool:
        """Whether it has positions, rather than being pressed."""
        return not self.is_button and self.kind in ("cc", "nrpn") and self.on is None

    @property
    def message(self) -> str:
        """Its message for a person: "CC 14, channel 2"."""
        name = {"cc": "CC", "nrpn": "NRPN"}.get(self.kind, self.kind)
        fine = ", 14 bits" if self.bits == 14 else ""
        return f"{name} {self.number}{fine}" + (f", channel {self.channel}" if self.channel else "")

    def to_value(self, position: float) -> float:
        """A knob's position 0..1 to the target's plain value, through its taper."""
        param = self._known_param()
        start, end = self._ends(param)
        return param.from_unit(start + (end - start) * position)

    def to_position(self, value: float) -> float:
        """Where the knob would stand for a plain value; the nearer end if it does not reach it."""
        param = self._known_param()
        start, end = self._ends(param)
        return min(1.0, max(0.0, (param.to_unit(value) - start) / (end - start)))

    def to_unit(self, position: float) -> float:
        """A knob's position to the target's 0..1, as a display has it."""
        return self._known_param().to_unit(self.to_value(position))

    def _known_param(self) -> Param:
        assert self.param is not None, f"{self.target} is not in this session"
        return self.param

    def _ends(self, param: Param) -> tuple[float, float]:
        low = 0.0 if self.minimum is None else param.to_unit(self.minimum)
        return low, 1.0 if self.maximum is None else param.to_unit(self.maximum)

    def _check_value(self, name: str, value: object) -> None:
        if self.is_button:
            raise MapError(f"{name} is for values, and {self.target} is a button")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise MapError(f"{name} is {shown(value)}, not a number")
        param = self.param
        if param is None:  # of a plugin that is not here to ask
            return
        # Python compares integers of any size; float() of a huge one would overflow.
        if not param.minimum <= value <= param.maximum:
            span = f"{param.minimum:g}..{param.maximum:g} {param.unit}".rstrip()
            raise MapError(f"{name} is {shown(value)}, outside {span}")


@dataclass(frozen=True)
class MidiMap:
    """Controls by their messages. Immutable; `path` is the file it came from, if any.

    channel: 1..16, or None to listen to all: for programs and for controls that name none.
    targets: what there is to reach; controls of anything else are kept, and do nothing.

    Raises: MapError where two controls want one message.
    """

    name: str
    controls: tuple[MapControl, ...]
    description: str = ""
    channel: int | None = None
    takeover: str = TAKEOVERS[0]
    path: Path | None = None
    targets: Targets = field(default=BUILT_IN, repr=False, compare=False)
    _by_message: dict[tuple[str, int], list[MapControl]] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        if self.channel is not None:
            _whole("channel", self.channel, 1, 16)
        if self.takeover not in TAKEOVERS:
            raise MapError(f"takeover {shown(self.takeover)} is none of {', '.join(TAKEOVERS)}")
        for index, control in enumerate(self.controls):
            for other in self.clashes(control, self.controls[:index]):
                one = "needed by" if _address(other) != _address(control) else "that of"
                raise MapError(f"{control.message} is {one} {other.target} already", index)
        for control in self.awake:
            self._by_message.setdefault((control.kind, control.number), []).append(control)

    def within(self, targets: Targets) -> MidiMap:
        """The map in a session that has these targets.

        Raises: MapError where a control goes beyond its plugin's parameter.
        """
        controls = []
        for control in self.controls:
            try:
                controls.append(replace(control, param=targets.values.get(control.target)))
            except MapError as error:
                raise MapError(f"MIDI map {self.name!r}: {control.target}: {error}") from None
        return replace(self, controls=tuple(controls), targets=targets)

    @property
    def awake(self) -> tuple[MapControl, ...]:
        """The controls whose targets there are."""
        return tuple(control for control in self.controls if control.target in self.targets)

    def find(self, kind: str, channel: int, number: int) -> MapControl | None:
        """The control that this message belongs to."""
        for control in self._by_message.get((kind, number), ()):
            if self.heard(control) in (None, channel):
                return control
        return None

    def bits(self, kind: str, channel: int, number: int) -> int:
        """What the decoder has to know of a message: 7, 14, or 0 if no control is its."""
        control = self.find(kind, channel, number)
        if control is None:
            return 0
        return 14 if kind == "nrpn" else control.bits

    def of(self, target: str) -> list[MapControl]:
        """The controls that move or press `target`."""
        return [control for control in self.controls if control.target == target]

    def heard(self, control: MapControl) -> int | None:
        """The channel on which `control` is heard; None: all."""
        return control.channel or self.channel

    def clashes(self, new: MapControl, among: Iterable[MapControl]) -> list[MapControl]:
        """Those of `among` that a message of `new` could mean too."""
        return [
            other
            for other in among
            if None in (heard := {self.heard(new), self.heard(other)}) or len(heard) == 1
            if _clash(new, other)
        ]


def default_map() -> MidiMap:
    """The table's own numbers: each value by its CC and, in 14 bits, by the NRPN of that number."""
    values = [MapControl(p.id, kind, p.cc) for kind in ("cc", "nrpn") for p in VALUES.values()]
    buttons = [MapControl(action.id, "cc", action.cc) for action in ACTIONS]
    return MidiMap(DEFAULT, (*values, *buttons), "the parameter table's own CC numbers")


def shown(value: object) -> str:
    """What a file has in a wrong place, in a few characters of one line."""
    try:
        text = repr(value)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_target(target: object, targets: Targets = BUILT_IN) -> None:
    """Raises: MapError if a hand cannot reach `target`."""
    if not isinstance(target, str):
        raise MapError(f"unknown target {shown(target)}")
    if target not in targets:
        raise MapError(f"unknown target {shown(target)}{targets.near(target[:60])}")


def _address(control: MapControl) -> tuple[str, int]:
    return control.kind, control.number


def _clash(one: MapControl, other: MapControl) -> bool:
    """Whether a message says something to both, channels apart."""
    if _address(one) == _address(other):
        return True
    if not _ccs(one).isdisjoint(_ccs(other)):
        return True
    kinds = {one.kind, other.kind}
    return kinds == {"cc", "nrpn"} and not (_ccs(one) | _ccs(other)).isdisjoint(NUMBERED)


def _ccs(control: MapControl) -> set[int]:
    if control.kind != "cc":
        return set()
    return {control.number, control.number + 32 * (control.bits == 14)}


def _whole(name: str, value: object, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int):
        raise MapError(f"{name} is {shown(value)}, not a whole number")
    if not low <= value <= high:
        raise MapError(f"{name} is {shown(value)}, outside {low}..{high}")
