"""What a hand can reach: the table's parameters, what spans them all, and what a button does.

MIDI maps, OSC, the screen's keys and the report all name these ids; nothing else has names.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from realtime.interpolate import AMOUNT_MAX
from realtime.params import BY_ID, TABLE, Param

# fmt: off
# Outside presets: neither is saved in one.
GLOBALS: tuple[Param, ...] = (
    Param("amount", "", 0.0, AMOUNT_MAX, 1.0, 0.0, "linear", 20.0, 1,
          "how much of the style: 0 is neutral, 1 as predicted, up to 1.5 beyond"),
    Param("morph", "", 0.0, 1.0, 0.0, 0.0, "linear", 20.0, 2,
          "from the first reference's style (0) to the second's (1)"),
)
# fmt: on


@dataclass(frozen=True)
class Action:
    """Something that happens once when its button is pressed.

    cc: the MIDI control change that does it by default, on a value of 64 or more.
    """

    id: str
    cc: int
    description: str


ACTIONS: tuple[Action, ...] = (
    Action("bypass", 80, "dry at the loudness of the styled sound, and back: A/B"),
    Action("capture", 81, "hear a new reference"),
    Action("predict", 82, "predict again, for what is played now"),
    Action("revert", 83, "every parameter back to what was predicted or loaded"),
    Action("next", 85, "the next preset of the set list"),
    Action("previous", 86, "the preset before it in the set list"),
    Action("save", 87, "write the sound as it is now to a preset"),
    Action("panic", 120, "dry at once, reverb gone; bypass or a preset ends it"),
)

REVERT = "revert."  # "revert.comp.ratio" returns that one parameter

VALUES: Mapping[str, Param] = MappingProxyType({p.id: p for p in (*TABLE, *GLOBALS)})
BUTTONS: Mapping[str, str] = MappingProxyType(
    {a.id: a.description for a in ACTIONS}
    | {REVERT + i: f"{i} back to what was predicted or loaded" for i in BY_ID}
)
TARGETS: tuple[str, ...] = (*VALUES, *BUTTONS)
