"""What MIDI is doing, for a person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class MidiStatus:
    """A snapshot.

    ports: names of the inputs that are open now. missing: inputs asked for that are gone.
    messages: complete messages received. ignored: bytes and messages that meant nothing.
    last: the newest message and what it moved, for a person: "CC 14 -> comp.threshold_db".
    waiting: target -> where its knob stands (0..1) while pickup waits for it.
    learning: the target that the next moved knob will control, or "".
    """

    ports: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    messages: int = 0
    ignored: int = 0
    last: str = ""
    waiting: Mapping[str, float] = field(default_factory=dict)
    learning: str = ""
