"""What the keys do: choose a parameter, move it, and everything a hand may do on stage.

No key destroys what another cannot bring back: what a revert or a new preset took from a hand
comes back with undo; leaving and unlearning ask for the key twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from realtime.controls import Change, Controls, State
from realtime.labels import stage_of
from realtime.midi.status import MidiStatus
from realtime.targets import BUTTONS, GLOBALS, REVERT

SOURCE = "keys"
COARSE, FINE = 0.02, 0.002  # of a knob's way
CONFIRM_SECONDS = 3.0
_UNDO_DEPTH = 20
_NO_MIDI = "there is no MIDI to learn from: --midi turns it on"


class Hands:
    """Turns keys into changes, on the thread that calls `press`.

    learn, cancel_learn, unlearn: MIDI's, or None without it. stop: ends the session.
    say: gets a line for a person.
    """

    def __init__(
        self,
        controls: Controls,
        *,
        midi: Callable[[], MidiStatus],
        learn: Callable[[str], None] | None,
        cancel_learn: Callable[[], None] | None,
        unlearn: Callable[[str], None] | None,
        stop: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self.controls = controls
        self.stop = stop
        self._order = tuple(controls.targets.values)
        self.chosen = self._order[0]
        self.helping = False
        self._midi = midi
        self._learn, self._cancel_learn, self._unlearn = learn, cancel_learn, unlearn
        self._say = say
        self._asked: Binding | None = None
        self._asked_until = 0.0
        self._lock = threading.Lock()
        self._before = controls.state
        self._dropped: list[Mapping[str, float]] = []
        controls.listen(self._changed)

    @property
    def question(self) -> str:
        """What the next press of the same key would do, if that is being asked."""
        asked = self._asked
        return asked.question if asked and time.monotonic() < self._asked_until else ""

    def press(self, key: str) -> None:
        """Do what `key` is for; nothing if it is for nothing. Never raises."""
        binding = _BY_KEY.get(key)
        confirmed = bool(self.question) and self._asked is binding
        self._asked = None
        if binding is None:
            return
        if binding.question and not confirmed:
            self._asked, self._asked_until = binding, time.monotonic() + CONFIRM_SECONDS
            return
        try:
            binding.do(self)
        except Exception as error:  # whatever a handler of others raises: the keys go on
            self._say(f"{binding.label} failed: {error}")

    def act(self, action: str) -> None:
        """Press one of the buttons that MIDI and OSC have too."""
        self.controls.press(action, SOURCE)

    def choose(self, steps: int) -> None:
        """Go on in the list of parameters."""
        order = self._order
        self.chosen = order[(order.index(self.chosen) + steps) % len(order)]

    def choose_stage(self, direction: int) -> None:
        """Go to the first parameter of the next stage, or of the one before."""
        stages = list(dict.fromkeys(map(stage_of, self._order)))
        stage = stages[(stages.index(stage_of(self.chosen)) + direction) % len(stages)]
        self.chosen = next(i for i in self._order if stage_of(i) == stage)

    def select(self, target: str) -> None:
        """Choose a parameter by its id."""
        self.chosen = target

    def move(self, way: float) -> None:
        """Turn the chosen parameter by a part of its knob's way."""
        self.controls.set_unit(self.chosen, self.controls.unit(self.chosen) + way, SOURCE)

    def revert(self) -> None:
        """The chosen parameter back to what was predicted or loaded."""
        params = {p.id: p for p in GLOBALS}
        if self.chosen in params:
            self.controls.set(self.chosen, params[self.chosen].default, SOURCE)
        else:
            self.act(REVERT + self.chosen)

    def undo(self) -> None:
        """Bring back what a hand had set before a revert or a new sound took it."""
        with self._lock:
            values = self._dropped.pop() if self._dropped else {}
        for target, value in values.items():
            self.controls.set(target, value, SOURCE)
        self._say(f"back by hand: {', '.join(values)}" if values else "nothing to undo")

    def learn(self) -> None:
        """Have the next knob that moves control the chosen parameter; or no longer wait for it."""
        if self._learn is None:
            self._say(_NO_MIDI)
        elif self._midi().learning == self.chosen:
            self.escape()
        else:
            self._learn(self.chosen)

    def unlearn(self) -> None:
        """Have no knob control the chosen parameter."""
        if self._unlearn is None:
            self._say(_NO_MIDI)
        else:
            self._unlearn(self.chosen)

    def escape(self) -> None:
        """Wait for no knob any longer, and close the help."""
        self.helping = False
        if self._cancel_learn is not None and self._midi().learning:
            self._cancel_learn()

    def toggle_help(self) -> None:
        """Show what every key does, or the parameters again."""
        self.helping = not self.helping

    def _changed(self, change: Change) -> None:
        with self._lock:
            before, after = self._before, change.state
            if after.number <= before.number:
                return
            self._before = after
            kept = _by_hand(after)
            dropped = {
                target: value
                for target, value in _by_hand(before).items()
                if target not in kept and (change.loaded or target in before.overrides)
            }
            if dropped:
                self._dropped = [*self._dropped[1 - _UNDO_DEPTH :], dropped]


def _by_hand(state: State) -> dict[str, float]:
    moved = {p.id: state.value(p.id) for p in GLOBALS if state.value(p.id) != p.default}
    return {**state.overrides, **moved}


@dataclass(frozen=True)
class Binding:
    """What a key is for.

    keys: names as `KeyParser` gives them. label: the key, for a person. word: what it does in
    one word, or "" where the bottom line leaves it out. description: for the page of help; "" if
    the one before it says it. question: asked before it is done; the key has to come twice.
    """

    keys: tuple[str, ...]
    label: str
    word: str
    description: str
    do: Callable[[Hands], None]
    question: str = ""


def _button(keys: tuple[str, ...], label: str, action: str, word: str) -> Binding:
    return Binding(keys, label, word, BUTTONS[action], lambda h: h.act(action))


# No letter of these ends an arrow's escape sequence (A to D, F, H, Z) and none is a digit: what
# a slow line tears apart does nothing.
BINDINGS: tuple[Binding, ...] = (
    _button((" ",), "SPACE", "panic", "PANIC"),
    _button(("b",), "b", "bypass", "bypass"),
    Binding(("?", "h"), "?", "help", "this page, and back", lambda h: h.toggle_help()),
    _button(("c",), "c", "capture", "capture"),
    _button(("p",), "p", "predict", "predict"),
    _button(("n", "page-down"), "n", "next", "next"),
    _button(("N", "page-up"), "N", "previous", "previous"),
    _button(("s",), "s", "save", "save"),
    Binding(("up",), "↑", "choose", "choose a parameter", lambda h: h.choose(-1)),
    Binding(("down",), "↓", "", "", lambda h: h.choose(1)),
    Binding(("tab",), "Tab", "", "the next stage, and the one before",
            lambda h: h.choose_stage(1)),
    Binding(("shift-tab",), "Shift-Tab", "", "", lambda h: h.choose_stage(-1)),
    Binding(("left",), "←", "move", "move it down or up", lambda h: h.move(-COARSE)),
    Binding(("right",), "→", "", "", lambda h: h.move(COARSE)),
    Binding((",", "shift-left"), ",", "", "a little; also Shift with an arrow",
            lambda h: h.move(-FINE)),
    Binding((".", "shift-right"), ".", "", "", lambda h: h.move(FINE)),
    Binding(("a",), "a", "amount", "choose how much of the style", lambda h: h.select("amount")),
    Binding(("m",), "m", "morph", "choose the morph from one style to the other",
            lambda h: h.select("morph")),
    Binding(("r",), "r", "revert", "this parameter back to what was predicted or loaded",
            lambda h: h.revert()),
    _button(("R",), "R", "revert", "all"),
    Binding(("u",), "u", "undo", "bring back what a revert or a new sound took from your hand",
            lambda h: h.undo()),
    Binding(("l",), "l", "learn", "the next MIDI knob that moves will control this parameter",
            lambda h: h.learn()),
    Binding(("L",), "L", "", "no MIDI knob controls it any longer (twice)",
            lambda h: h.unlearn(), "L again: no knob controls it any longer"),
    Binding(("escape",), "Esc", "", "learn no more; close this page", lambda h: h.escape()),
    Binding(("q",), "q", "quit", "end the session (twice); Ctrl-C does so at once",
            lambda h: h.stop(), "q again quits: the sound stops"),
)  # fmt: skip
_BY_KEY = {key: binding for binding in BINDINGS for key in binding.keys}
