"""All that the screen shows, at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from realtime.controls import State
from realtime.meters import Meters
from realtime.midi.status import MidiStatus
from realtime.screen.levels import Level
from realtime.screen.look import Glyphs
from realtime.targets import BUILT_IN, Targets


@dataclass(frozen=True)
class Scene:
    """What a view is made of.

    chosen: the parameter that the arrows move. ins, outs: the channels' levels.
    lit: whether MIDI came just now. set_list: a line on where it stands, or "".
    log: what was said, newest last. helping: the keys are told of in place of the parameters.
    question: what is asked of the person, or "". has_keys: whether there is a keyboard.
    targets: what there is to be chosen.
    """

    state: State
    glyphs: Glyphs
    chosen: str
    meters: Meters | None = None
    ins: tuple[Level, ...] = ()
    outs: tuple[Level, ...] = ()
    midi: MidiStatus = field(default_factory=MidiStatus)
    lit: bool = False
    set_list: str = ""
    log: Sequence[str] = ()
    helping: bool = False
    question: str = ""
    has_keys: bool = True
    targets: Targets = BUILT_IN
