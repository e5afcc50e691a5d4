"""The live display: draws the screen and reads its keys, on a thread of its own."""

from __future__ import annotations

import atexit
import contextlib
import io
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from realtime.controls import Controls
from realtime.meters import Meters
from realtime.midi.status import MidiStatus
from realtime.screen.hands import Hands
from realtime.screen.levels import Level
from realtime.screen.terminal import Terminal
from realtime.voice import DUMB, Voice

if TYPE_CHECKING:
    from realtime.screen.painter import Painter
    from realtime.screen.scene import Scene

_FRAME_SECONDS = 0.05
_IDLE_SECONDS = 0.25  # how soon a new size, and the shell's fg, are seen when nothing else happens
_REPAINT_SECONDS = 2.0  # what a library prints on the terminal does not stay longer
_LAMP_SECONDS = 0.3
_KEPT_LINES = 200
_LAST_LINES = 20  # that stay readable once the screen is gone
_END_SECONDS = 2.0


class Screen:
    """A `meters.Display` on a terminal, with keys. Safe from any thread.

    midi, set_list: asked at each frame for what they show. learn, cancel_learn, unlearn: MIDI's,
    or None without it. stop: ends the session. output: a terminal.
    """

    def __init__(
        self,
        controls: Controls,
        *,
        midi: Callable[[], MidiStatus],
        set_list: Callable[[], str],
        stop: Callable[[], None],
        output: TextIO,
        learn: Callable[[str], None] | None = None,
        cancel_learn: Callable[[], None] | None = None,
        unlearn: Callable[[str], None] | None = None,
    ) -> None:
        self._controls = controls
        self._midi, self._set_list = midi, set_list
        self._hands = Hands(
            controls,
            midi=midi,
            learn=learn,
            cancel_learn=cancel_learn,
            unlearn=unlearn,
            stop=stop,
            say=self.say,
        )
        self._plain = Voice(output)
        self._output = output
        self._terminal = Terminal(output)
        self._size = (0, 0)
        self._lock = threading.Lock()  # over what other threads bring
        self._log: deque[str] = deque(maxlen=_KEPT_LINES)
        self._meters: Meters | None = None
        self._ins: tuple[Level, ...] = ()
        self._outs: tuple[Level, ...] = ()
        self._drawing = False
        self._messages = 0
        self._lit_until = self._whole_at = 0.0
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._exits = contextlib.ExitStack()

    def start(self) -> None:
        """Take the terminal and its keys. Call it from the main thread, for Ctrl-Z's sake.

        A terminal that cannot place text gets plain lines.
        """
        if os.environ.get("TERM") in DUMB:
            return
        self._drawing = True
        self._terminal.start()
        self._exits.callback(self._terminal.end)
        self._exits.enter_context(contextlib.redirect_stderr(_Said(self.say)))
        atexit.register(self.close)
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)
        self._thread.start()

    def say(self, line: str) -> None:
        """Something happened; it stays readable, after the screen is gone too."""
        with self._lock:
            if self._drawing:
                self._log.append(line)
            else:
                self._plain.say(line)
        self._terminal.keyboard.wake()

    def show(self, meters: Meters) -> None:
        """How things stand now."""
        with self._lock:
            self._meters = meters
            self._ins = _followed(self._ins, meters.in_dbfs, meters.seconds)
            self._outs = _followed(self._outs, meters.out_dbfs, meters.seconds)
            if not self._drawing:
                self._plain.show(meters)
        self._terminal.keyboard.wake()

    def close(self) -> None:
        """Give the terminal back as it was found, with the last lines that were said on it."""
        self._ended.set()
        self._terminal.keyboard.wake()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_END_SECONDS)
        atexit.unregister(self.close)
        self._exits.close()
        self._to_plain_lines()
        self._plain.close()

    def _run(self) -> None:
        try:
            self._live()
        except Exception as error:  # without keys, then; Ctrl-C is left
            self._terminal.leave()
            self._fail(error)

    def _live(self) -> None:
        painter: Painter | None = None
        drawn_at = wait = 0.0
        while not self._ended.is_set():
            for key in self._terminal.keyboard.read(wait):
                self._hands.press(key)
            wait = drawn_at + _FRAME_SECONDS - time.monotonic()
            if wait > 0.0:
                continue
            anew = self._terminal.follow()
            if self._drawing:
                try:
                    painter = painter or _painter(self._output)
                    self._draw(painter, anew)
                except Exception as error:  # of whatever kind: the sound and the keys go on
                    self._terminal.stop_drawing()
                    self._fail(error)
            drawn_at, wait = time.monotonic(), _IDLE_SECONDS

    def _fail(self, error: Exception) -> None:
        self._to_plain_lines()
        self.say(f"the screen failed, plain lines from here on: {error!r}")

    def _draw(self, painter: Painter, anew: bool) -> None:
        from realtime.screen.view import view

        size, now = self._terminal.size, time.monotonic()
        clear = "\x1b[2J" if size != self._size else ""
        if anew or clear or now > self._whole_at + _REPAINT_SECONDS:
            painter.forget()
            self._size, self._whole_at = size, now
        frame = view(self._scene(painter, now), *size)
        self._terminal.write(clear + painter.paint(frame))

    def _scene(self, painter: Painter, now: float) -> Scene:
        from realtime.screen.scene import Scene

        midi = self._midi()
        if midi.messages != self._messages:
            self._messages, self._lit_until = midi.messages, now + _LAMP_SECONDS
        with self._lock:
            log, meters, ins, outs = tuple(self._log), self._meters, self._ins, self._outs
        return Scene(
            state=self._controls.state,
            glyphs=painter.glyphs,
            chosen=self._hands.chosen,
            meters=meters,
            ins=ins,
            outs=outs,
            midi=midi,
            lit=now < self._lit_until,
            set_list=self._set_list(),
            log=log,
            helping=self._hands.helping,
            question=self._hands.question,
            has_keys=self._terminal.keyboard.present,
            targets=self._controls.targets,
        )

    def _to_plain_lines(self) -> None:
        with self._lock:
            was, self._drawing = self._drawing, False
            if was:
                for line in tuple(self._log)[-_LAST_LINES:]:
                    self._plain.say(line)


def _painter(output: TextIO) -> Painter:
    """Loads rich too, which audio need not wait for."""
    from realtime.screen.painter import Painter

    return Painter(output)


class _Said(io.TextIOBase):
    """Stands in for stderr: what a library writes there would be painted over; it is said."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._say(line)
        return len(text)


def _followed(
    levels: tuple[Level, ...], dbfs: tuple[float, ...], seconds: float
) -> tuple[Level, ...]:
    if len(levels) != len(dbfs):
        levels = (Level(),) * len(dbfs)
    return tuple(level.after(peak, seconds) for level, peak in zip(levels, dbfs, strict=True))
