"""The state of the sound and who set it: what was predicted or loaded, and what a hand changed.

MIDI, OSC, the keyboard and the engine all go through one `Controls`. A change is published to
the audio thread before the call returns, on the thread of whoever made it: there is no tick to
wait for. Nothing here waits for audio.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from realtime.hosted import Hosted
from realtime.interpolate import morph, with_amount
from realtime.params import BY_ID, Param
from realtime.preset import Preset
from realtime.targets import GLOBALS, REVERT, Targets

BYPASS_FADE_MS = 40.0
PANIC_FADE_MS = 10.0
CHANGE_FADE_MS = 25.0  # a whole preset: 50 ms are promised, and a block of 1024 takes 21 more
END_FADE_MS = 40.0  # to silence, at the end of a session

Publish = Callable[[Preset, float | None], None]


class ControlError(ValueError):
    """A target or a value that does not exist; the message names it in one line."""


@dataclass(frozen=True)
class State:
    """A snapshot of the sound.

    effective: what the hands and the prediction come to; what is heard unless bypassed.
    base: what was predicted or loaded, after morph and amount, before any hand.
    predicted: ids that a model chose. overrides: id -> plain value that a hand set.
    dry_gain_db: of the dry sound while bypassed; None, which is 0 dB, where no match was possible.
    origin: where the base comes from, for a person. number: grows with every change.
    """

    effective: Preset
    base: Preset
    predicted: frozenset[str]
    overrides: Mapping[str, float]
    amount: float
    morph: float
    bypassed: bool
    panicked: bool
    dry_gain_db: float | None
    origin: str
    number: int

    def value(self, target: str) -> float:
        """Plain value of a parameter, `amount` or `morph`."""
        if target == "amount":
            return self.amount
        return self.morph if target == "morph" else self.effective[target]


@dataclass(frozen=True)
class Change:
    """What listeners are told: the ids of values that moved, and who did it.

    source: what the caller gave; "" for the engine itself. loaded: whether a whole new sound came
    (a prediction or a preset), so that a knob's position means nothing any more.
    """

    state: State
    moved: frozenset[str]
    source: str = ""
    loaded: bool = False


@dataclass
class _Sound:
    """What stands behind a `State`; changed under the lock only."""

    styles: tuple[Preset, ...]
    origin: str
    predicted: frozenset[str]
    overrides: dict[str, float] = field(default_factory=dict)
    globals: dict[str, float] = field(default_factory=lambda: {p.id: p.default for p in GLOBALS})
    bypassed: bool = False
    panicked: bool = False
    dry_gain_db: float | None = 0.0


class Controls:
    """Owns the sound's parameters. Safe from any thread but the audio thread.

    preset: what the sound starts from. publish: takes every preset that is to be heard, with the
        fade in ms, or None for the table's smoothing; called under the lock, in order.
    amount, morph: what these two start from.
    matched_gain_db: asked on bypass for the gain that makes the dry sound as loud as the styled,
        None where that cannot be measured.
    hosted: the plugins of this session, whose parameters are reached as all others are.
    """

    def __init__(
        self,
        preset: Preset,
        publish: Publish,
        *,
        origin: str = "",
        amount: float = 1.0,
        morph: float = 0.0,
        matched_gain_db: Callable[[], float | None] = lambda: None,
        hosted: Hosted | None = None,
    ) -> None:
        self.hosted = hosted or Hosted()
        self.targets = Targets(self.hosted.params.values())
        self._publish = publish
        self._matched_gain_db = matched_gain_db
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Change], None]] = []
        self._handlers: dict[str, Callable[[], None]] = {}
        self._sound = _Sound((self.hosted.complete(preset),), origin, frozenset())
        self._sound.globals |= {"amount": amount, "morph": morph}
        self._state = self._snapshot(0)

    @property
    def state(self) -> State:
        """The newest snapshot."""
        return self._state

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` after every change, on the thread that made it; it must be quick."""
        self._listeners.append(listener)

    def on(self, action: str, handler: Callable[[], None]) -> None:
        """Have `handler` do what only the engine can: capture, predict, next, previous, save."""
        self._handlers[self._button(action)] = handler

    def set(self, target: str, value: float, source: str = "") -> None:
        """Move a parameter, `amount` or `morph` to a plain value, clamped to its range.

        Raises: ControlError on an unknown target or a value that is not finite.
        """
        param = self._param(target)
        if not math.isfinite(value):
            raise ControlError(f"{target} cannot be {value!r}")
        with self._lock:
            sound = self._sound
            owner = sound.globals if target in sound.globals else sound.overrides
            owner[target] = param.clamp(value)
            change = self._changed(source)
        self._tell(change)

    def set_unit(self, target: str, unit: float, source: str = "") -> None:
        """Move a value to where a knob at `unit` (0..1) has it, through the taper.

        Raises: ControlError as `set`.
        """
        if not math.isfinite(unit):
            raise ControlError(f"{target} cannot be {unit!r}")
        self.set(target, self._param(target).from_unit(unit), source)

    def unit(self, target: str) -> float:
        """Where a knob (0..1) stands for the present value. Raises: ControlError"""
        return self._param(target).to_unit(self._state.value(target))

    def toggle(self, target: str, on: float | None = None, source: str = "") -> None:
        """Between `on` (its neutral value unless given) and what was predicted or loaded.

        Raises: ControlError as `set`.
        """
        param = self._param(target)
        value = param.clamp(param.neutral if on is None else on)
        if not math.isclose(self._state.value(target), value, rel_tol=1e-9, abs_tol=1e-9):
            self.set(target, value, source)
        elif REVERT + target in self.targets:
            self.press(REVERT + target, source)
        else:
            self.set(target, param.default, source)

    def press(self, action: str, source: str = "") -> None:
        """Do what a button does. Raises: ControlError on an unknown action."""
        handler = self._handlers.get(self._button(action))
        if handler is not None:
            handler()
            return
        with self._lock:
            sound = self._sound
            fade_ms = None
            if action == "bypass":
                sound.bypassed, fade_ms = not sound.bypassed, BYPASS_FADE_MS
                sound.panicked = False
                if sound.bypassed:
                    sound.dry_gain_db = self._matched_gain_db()
            elif action == "panic":
                sound.bypassed = sound.panicked = True
                sound.dry_gain_db, fade_ms = 0.0, PANIC_FADE_MS
            elif action == "revert":
                sound.overrides.clear()
            elif action.startswith(REVERT):
                sound.overrides.pop(action.removeprefix(REVERT), None)
            change = self._changed(source, fade_ms)
        self._tell(change)

    def load(self, preset: Preset, origin: str, source: str = "") -> None:
        """A whole preset: overrides, amount, morph and bypass give way to it.

        Raises: PluginError if it needs a plugin that this session has not.
        """
        preset = self.hosted.complete(preset)
        with self._lock:
            self._sound = _Sound((preset,), origin, frozenset())
            change = self._changed(source, CHANGE_FADE_MS, loaded=True)
        self._tell(change)

    def restyle(
        self, styles: Sequence[Preset], origin: str, predicted: frozenset[str], source: str = ""
    ) -> None:
        """One or two predictions: what a hand has set stays, all else follows them.

        Bypass and panic outlast it, since nobody chose this moment.

        Raises: PresetError if there is nothing between the two.
        """
        styles = tuple(map(self.hosted.complete, styles))
        morph(styles[0], styles[-1], 0.5)
        with self._lock:
            self._sound.styles, self._sound.origin = styles, origin
            self._sound.predicted = predicted
            change = self._changed(source, CHANGE_FADE_MS, loaded=True)
        self._tell(change)

    def dump(self) -> object:
        """All that `resume` needs to go on from here in another process; picklable."""
        with self._lock:
            sound = self._sound
            return replace(sound, overrides=dict(sound.overrides), globals=dict(sound.globals))

    def resume(self, dump: object) -> None:
        """Go on from what another `Controls` gave as `dump`: hands, amount, bypass and all."""
        if not isinstance(dump, _Sound):
            raise TypeError(f"{type(dump).__name__} is no dump of Controls")
        with self._lock:
            self._sound = replace(dump, overrides=dict(dump.overrides), globals=dict(dump.globals))
            change = self._changed("", CHANGE_FADE_MS, loaded=True)
        self._tell(change)

    def finish(self) -> None:
        """Fade to silence, for good: whatever hands do from now on is not heard."""
        quiet = {gain: BY_ID[gain].minimum for gain in ("input.gain_db", "output.gain_db")}
        with self._lock:
            self._publish(self._heard().with_values(quiet), END_FADE_MS)
            self._publish = lambda preset, fade_ms: None

    def _heard(self) -> Preset:
        """What the audio thread is to play. Under the lock."""
        if not self._sound.bypassed:
            return self._state.effective
        gain_db = BY_ID["output.gain_db"].clamp(self._sound.dry_gain_db or 0.0)
        return self._state.effective.dry().with_values({"output.gain_db": gain_db})

    def _snapshot(self, number: int) -> State:
        sound = self._sound
        rows = self.hosted.params
        between = morph(sound.styles[0], sound.styles[-1], sound.globals["morph"], rows)
        base = with_amount(between, sound.globals["amount"])
        effective = base.with_values(sound.overrides)
        if driven := self.hosted.driven(effective):
            base = base.with_values(driven)
            effective = base.with_values(sound.overrides)
        return State(
            effective=effective,
            base=base,
            predicted=sound.predicted,
            overrides=dict(sound.overrides),
            amount=sound.globals["amount"],
            morph=sound.globals["morph"],
            bypassed=sound.bypassed,
            panicked=sound.panicked,
            dry_gain_db=sound.dry_gain_db,
            origin=sound.origin,
            number=number,
        )

    def _changed(self, source: str, fade_ms: float | None = None, loaded: bool = False) -> Change:
        """Take over what is in `_sound` and publish it, if it sounds different. Under the lock."""
        before, after = self._state, self._snapshot(self._state.number + 1)
        self._state = after
        dry = (before.bypassed, before.panicked)
        if not after.bypassed or (after.bypassed, after.panicked) != dry:
            self._publish(self._heard(), fade_ms)
        moved = frozenset(i for i in self.targets.values if before.value(i) != after.value(i))
        return Change(after, moved, source, loaded)

    def _tell(self, change: Change) -> None:
        for listener in self._listeners:
            listener(change)

    def _param(self, target: str) -> Param:
        if target not in self.targets.values:
            raise self._unknown(target, "parameter", self.targets.values)
        return self.targets.values[target]

    def _button(self, action: str) -> str:
        if action not in self.targets.buttons:
            raise self._unknown(action, "button", self.targets.buttons)
        return action

    def _unknown(self, target: str, kind: str, among: Iterable[str]) -> ControlError:
        if target in self.targets:
            return ControlError(f"unknown {kind} {target!r} ({target!r} exists, but is no {kind})")
        return ControlError(f"unknown {kind} {target!r}{self.targets.near(target, among)}")
