"""The performer's controllers: what they send moves the controls, what changes shows on them.

`feed` and `pending_feedback` are the whole of it, on one thread; `start` puts real ports around.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from realtime.controls import Change, Controls
from realtime.midi.feedback import Feedback
from realtime.midi.learn import Learner, bind, in_words, unbind
from realtime.midi.mapping import MapControl, MidiMap, check_target
from realtime.midi.maps import save_map
from realtime.midi.messages import NoteOff, NoteOn, Parser
from realtime.midi.ports import MidiPorts
from realtime.midi.status import MidiStatus
from realtime.midi.takeover import Takeover
from realtime.midi.values import Decoder, Event, Moved, Program, Stepped, to_unit


class _Port:
    """What is known of one port: its unfinished messages, where its knobs stand."""

    def __init__(self, bits: Callable[[str, int, int], int]) -> None:
        self.parser = Parser()
        self.decoder = Decoder(bits)
        self.knobs: dict[MapControl, Takeover] = {}
        self.pressed: set[MapControl] = set()


class Midi:
    """Hands on `controls` by MIDI.

    ports: parts of the names of the inputs to open, None for all. virtual: whether to offer a
    port of our own. say: gets a line for a person. program: told (bank, number) of programs that
    no control of the map is. Nothing that arrives, and nothing that goes wrong behind it, ends
    what runs here: it is said once.
    """

    def __init__(
        self,
        controls: Controls,
        midi_map: MidiMap,
        *,
        ports: Sequence[str] | None,
        virtual: bool,
        client_name: str = "afx-live",
        say: Callable[[str], None],
        program: Callable[[int, int], None],
    ) -> None:
        self._controls, self._map = controls, midi_map.within(controls.targets)
        self._say, self._program = say, program
        self._heard: dict[str, _Port] = {}
        self._feedback = Feedback()
        self._lights = self._light_state()
        self._last = ""
        self._trouble = ""
        self._ignored = 0
        self._learner: Learner | None = None
        self._learning = threading.Lock()  # a map is changed by one at a time
        self._learned = threading.Event()
        self._moves: dict[str, float] = {}  # of the bytes at hand: target -> plain value
        self._ports = MidiPorts(
            ports,
            virtual=virtual,
            client_name=client_name,
            received=self.feed,
            feedback=self.pending_feedback,
            opened=self.opened,
            say=say,
        )
        controls.listen(self._changed)

    @property
    def map(self) -> MidiMap:
        """The map in use, with what has been learned."""
        return self._map

    def start(self) -> None:
        """Open what is there, and what comes later when it comes."""
        asleep = [c.target for c in self._map.controls if c not in self._map.awake]
        if asleep:
            unknown = f"{asleep[0]}{self._controls.targets.near(asleep[0])}"
            more = f" and {len(asleep) - 1} more" if asleep[1:] else ""
            self._say(f"MIDI: the map moves what is not in this session: {unknown}{more}")
        self._ports.start()

    def close(self) -> None:
        """Close the ports."""
        self._ports.close()

    def status(self) -> MidiStatus:
        """How things stand, for a display."""
        heard, learner = list(self._heard.values()), self._learner
        waiting, mapped = {}, self._map.controls
        for port in heard:
            for control, knob in [(c, k) for c, k in list(port.knobs.items()) if c in mapped]:
                at = knob.waiting(control.to_position(self._controls.state.value(control.target)))
                if at is not None:
                    waiting[control.target] = control.to_unit(at)
        return MidiStatus(
            ports=tuple(self._ports.open_ports),
            missing=tuple(self._ports.missing),
            messages=sum(port.parser.messages for port in heard),
            ignored=self._ignored + sum(port.parser.ignored for port in heard),
            last=self._last,
            waiting=waiting,
            learning=learner.target if learner else "",
        )

    # --- learning ----------------------------------------------------------------------------
    def learn(self, target: str) -> None:
        """Have the next control that clearly moves control `target`, and save that.

        Raises: MidiError on an unknown target.
        """
        check_target(target, self._controls.targets)
        self._learned.clear()
        self._learner = Learner(target, self._controls.targets.values.get(target))

    def cancel_learn(self) -> None:
        """Leave the map as it is after all."""
        self._learner = None

    def learn_by_hand(self, target: str, timeout_s: float) -> bool:
        """Wait for the control that is to move `target`; whether one was moved and is saved.

        Raises: MidiError on an unknown target.
        """
        self.learn(target)
        if self._learned.wait(timeout_s):
            return True
        self.cancel_learn()
        return False

    def unlearn(self, target: str) -> None:
        """Let nothing control `target`, and save that.

        Raises: MidiError on an unknown target, one without a control, or a map file that cannot
        be written.
        """
        if not self._map.of(target):
            check_target(target, self._controls.targets)
        with self._learning:
            self._map = save_map(unbind(self._map, target))
        self._say(f"MIDI: nothing moves {target} now ({self._map.path})")

    # --- bytes in ----------------------------------------------------------------------------
    def opened(self, port: str) -> None:
        """A port is there, or there again: nothing of before holds, and it has all to show."""
        known = self._heard.get(port)
        fresh = _Port(lambda *of: self._map.bits(*of))
        if known is not None:
            known.parser.reset()
            fresh.parser = known.parser
        self._heard[port] = fresh
        self._feedback.opened(port, self._map.awake)

    def feed(self, port: str, data: bytes, now: float) -> None:
        """What came from a port. Moves of one target within `data` become one.

        now: seconds of a steady clock.
        """
        if port not in self._heard:
            self.opened(port)
        heard = self._heard[port]
        for message in heard.parser.feed(data):
            events = heard.decoder.feed(message, now)
            if self._feedback.is_echo(port, message, now):
                continue
            if self._learner is not None:
                self._learner.hear(message, now)
                continue
            for event in events:
                self._guarded(self._handle, port, event, now)
        self._guarded(self._move, port)

    def pending_feedback(self, now: float) -> list[tuple[str, bytes]]:
        """What to send now, as (port, one message); also where time has its effect."""
        for port, heard in list(self._heard.items()):
            for event in heard.decoder.settle(now):
                self._guarded(self._handle, port, event, now)
            self._guarded(self._move, port)
        if self._learner is not None:
            self._guarded(self._learn, self._learner, now)
        state = self._controls.state
        messages: list[tuple[str, bytes]] = []
        for port, control, told in self._feedback.due(self._map, state, now):
            messages += [(port, data) for data in told]
            if control.feedback and control.is_knob and port in self._heard:
                at = control.to_position(state.value(control.target))
                self._knob(port, control).placed(at)
        return messages

    def _handle(self, port: str, event: Event, now: float) -> None:
        kind = event.kind if isinstance(event, Moved) else _KINDS[type(event)]
        control = self._map.find(kind, event.channel, event.number)
        if not isinstance(event, NoteOff):
            name = {"cc": "CC", "nrpn": "NRPN"}.get(kind, kind)
            self._last = f"{name} {event.number} -> {control.target if control else 'nothing'}"
        if isinstance(event, Program) and control is None:
            if self._map.channel in (None, event.channel):
                self._last = f"program {event.number}, bank {event.bank}"
                self._move(port)
                self._program(event.bank, event.number)
        elif control is None:
            self._ignored += not isinstance(event, NoteOff)
        elif isinstance(event, Stepped):
            if control.is_knob:
                at = control.to_position(self._value(control.target))
                step = event.steps * to_unit(1, 7)
                self._moves[control.target] = control.to_value(min(1.0, max(0.0, at + step)))
        elif isinstance(event, Moved) and control.is_knob:
            self._feedback.touched(port, control, event.channel, event.position, now)
            self._turn(port, control, event.position)
        else:
            down = (
                event.position >= 0.5
                if isinstance(event, Moved)
                else not isinstance(event, NoteOff)
            )
            self._switch(port, control, event.channel, down, now)

    def _turn(self, port: str, control: MapControl, position: float) -> None:
        at = control.to_position(self._value(control.target))
        value = self._knob(port, control).move(position, at)
        if value is not None:
            self._moves[control.target] = control.to_value(value)

    def _knob(self, port: str, control: MapControl) -> Takeover:
        knobs = self._heard[port].knobs
        if control not in knobs:
            knobs[control] = Takeover(control.takeover or self._map.takeover)
        return knobs[control]

    def _switch(self, port: str, control: MapControl, channel: int, down: bool, now: float) -> None:
        pressed = self._heard[port].pressed
        if not down:
            if control in pressed:
                pressed.discard(control)
                self._feedback.released(port, control, now)
            return
        if control in pressed and control.kind in ("cc", "nrpn"):
            return
        if control.kind != "program":
            pressed.add(control)
        self._feedback.touched(port, control, channel, 1.0, now)
        self._move(port)
        if control.is_button:
            self._controls.press(control.target, f"midi:{port}")
        else:
            self._controls.toggle(control.target, control.on, f"midi:{port}")

    def _value(self, target: str) -> float:
        value = self._moves.get(target)
        return self._controls.state.value(target) if value is None else value

    def _move(self, port: str) -> None:
        moves, self._moves = self._moves, {}
        for target, value in moves.items():
            self._controls.set(target, value, f"midi:{port}")

    def _learn(self, learner: Learner, now: float) -> None:
        new = learner.learned(now)
        if new is None or learner is not self._learner:
            return
        self._learner = None
        with self._learning:
            learned, taken = bind(self._map, new)
            self._map = learned
            self._map = save_map(learned)
        self._say(f"MIDI: {in_words(new, taken)} ({self._map.path})")
        self._learned.set()

    # --- what changes elsewhere --------------------------------------------------------------
    def _changed(self, change: Change) -> None:
        """Told by the controls, on any thread."""
        lights = self._light_state()
        relit = lights != self._lights
        self._lights = lights
        self._feedback.moved(
            control
            for control in self._map.awake
            if control.target in change.moved or (relit and control.is_button)
        )

    def _light_state(self) -> tuple[object, ...]:
        state = self._controls.state
        return state.bypassed, state.panicked, frozenset(state.overrides)

    def _guarded(self, call: Callable[..., None], *args: object) -> None:
        """Nothing on a stage ends because one message did."""
        try:
            call(*args)
        except Exception as error:
            line = f"MIDI: {error}"
            if line != self._trouble:
                self._trouble = line
                self._say(line)


_KINDS = {NoteOn: "note", NoteOff: "note", Program: "program", Stepped: "nrpn"}
