"""What a hand can reach: the table's parameters, those of plugins, what spans them all, buttons.

MIDI maps, OSC, the screen's keys and the report all name these ids; nothing else has names.
Standard library only.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from realtime.interpolate import AMOUNT_MAX
from realtime.params import TABLE, Param
from realtime.plugins.setting import TAKEN

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


class Targets:
    """All that can be reached in one session. Iterates over the ids.

    plugins: rows of the parameters of its plugins.
    values: id -> row of what can be set. buttons: id of what can be pressed -> what it does.
    """

    def __init__(self, plugins: Iterable[Param] = ()) -> None:
        params = (*TABLE, *plugins)
        self.values: Mapping[str, Param] = MappingProxyType({p.id: p for p in (*params, *GLOBALS)})
        self.buttons: Mapping[str, str] = MappingProxyType(
            {a.id: a.description for a in ACTIONS}
            | {REVERT + p.id: f"{p.id} back to what was predicted or loaded" for p in params}
        )

    def __contains__(self, target: object) -> bool:
        return target in self.values or target in self.buttons

    def __iter__(self) -> Iterator[str]:
        yield from self.values
        yield from self.buttons

    def near(self, target: str, among: Iterable[str] | None = None) -> str:
        """ ", did you mean ...?" where an id is much like `target`, else ""."""
        close = difflib.get_close_matches(target, list(self if among is None else among), n=1)
        return f", did you mean {close[0]!r}?" if close else ""


BUILT_IN = Targets()
VALUES, BUTTONS = BUILT_IN.values, BUILT_IN.buttons

_PLUGINS = re.compile(rf"(?:{re.escape(REVERT)})?([a-z0-9-]+)\.[a-z0-9_]+")


def may_be_plugins(target: str) -> bool:
    """Whether `target` may name a parameter of a plugin, or the button that reverts it."""
    found = _PLUGINS.fullmatch(target)
    return found is not None and found[1] not in TAKEN
