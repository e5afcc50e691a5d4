"""Runs the live engine in a process of its own, and starts another when it is lost.

PortAudio hangs in its clean-up once a JACK server has died under it, and a crash in a driver ends
the process it is in. So the engine is a child that may be killed at any time: what it needs to go
on lies here, as bytes that only the next engine unpacks. Audio waits for what is imported here.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from realtime.child import EngineProcess, Terminal
from realtime.lifeline import SESSION

if TYPE_CHECKING:
    from realtime.session import Session

SUPPORTED = os.name == "posix"  # elsewhere a process inherits no end of a socket pair

_EXIT_SECONDS = 0.3
_REOPEN_SECONDS = 0.5
_LOOK_SECONDS = 0.1
_SUSPEND_SECONDS = 1.0
_DEATHS_MAX, _DEATHS_SECONDS = 4, 30.0


class _Fate(NamedTuple):
    """What became of an engine.

    status: the program's exit status if all is over, else None.
    what: for a person, if another engine is needed. died: whether the engine itself broke.
    """

    status: int | None = None
    what: str = ""
    died: bool = False


class _Outage:
    """A time without sound. began: `time.perf_counter()`. seconds: None while it lasts."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.began = time.perf_counter()
        self.clock = time.strftime("%H:%M:%S")
        self.seconds: float | None = None

    def note(self) -> str:
        back = "not back" if self.seconds is None else f"back after {self.seconds:.1f} s"
        return f"{self.clock} {self.what}, {back}"


class Supervisor:
    """Keeps an engine with these command-line arguments running until it is told to end.

    started: `time.perf_counter()` when the program began.
    """

    def __init__(self, argv: Sequence[str], started: float) -> None:
        self._argv = argv
        self._started = started
        self._kept: dict[str, bytes] = {}
        self._outages: list[_Outage] = []
        self._deaths: deque[float] = deque(maxlen=_DEATHS_MAX)
        self._ran = False
        self._down = True
        self._stopping = False
        self._woken, self._waker = socket.socketpair()
        self._terminal = Terminal()
        self._engine: EngineProcess | None = None

    def run(self) -> int:
        """Until the engine ends, or Ctrl-C or SIGTERM; the exit status.

        Raises: KeyboardInterrupt on a second signal, or on one before audio ever ran.
        """
        with self._signals():
            while True:
                since = self._outages[-1].began if self._outages else self._started
                fate = self._one_engine(since)
                if fate.status is not None:
                    return fate.status
                if not self._goes_on(fate):
                    return 1

    def session(self) -> Session | None:
        """What the engines kept for the report, and a note for each outage; None if nothing."""
        if SESSION not in self._kept:
            return None
        import pickle

        session: Session = pickle.loads(self._kept[SESSION])
        session.notes.extend(outage.note() for outage in self._outages)
        return session

    def _one_engine(self, since: float) -> _Fate:
        engine = self._engine = EngineProcess(self._argv, self._kept, since)
        patience = 0.0
        try:
            patience = self._watch(engine)
        finally:
            self._engine = None
            code = engine.end(patience)
            self._terminal.restore()
        if engine.status is not None:
            return _Fate(engine.status)
        if self._stopping:
            return self._stopped()
        if engine.lost:
            return _Fate(what=engine.lost)
        return self._death(code)

    def _watch(self, engine: EngineProcess) -> float:
        """Until it has gone, or is to go: the seconds to leave it for that."""
        ends: list[Any] = [engine.line, self._woken]
        told = False
        looked = time.perf_counter()
        while engine.status is None:
            ready = select.select(ends, [], [], _LOOK_SECONDS)[0]
            now = time.perf_counter()
            waited, looked = min(now - looked, 2.0 * _LOOK_SECONDS), now  # we may have been asleep
            if self._woken in ready:
                self._woken.recv(64)
            if self._stopping and not told:
                told = True
                engine.stop()
            if engine.line in ready:
                try:
                    engine.hear(self._kept)
                except EOFError:
                    break
                if engine.running and self._down:
                    self._up(now)
            elif engine.overdue(waited):
                return 0.0
        return _EXIT_SECONDS

    def _up(self, now: float) -> None:
        self._down = False
        if self._outages:
            self._outages[-1].seconds = now - self._outages[-1].began
        if not self._ran:  # so that the report is there at once when it is asked for
            threading.Thread(target=_preload, daemon=True).start()
        self._ran = True

    def _death(self, code: int) -> _Fate:
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        if not self._ran and code < 0:
            _say(f"the engine died while it started ({how})")
        if not self._ran or code == 2:  # what it was told is wrong, and it said so
            return _Fate(1 if self._ran or code < 0 else code)
        return _Fate(what=f"the engine died ({how})", died=True)

    def _stopped(self) -> _Fate:
        """It was told to end and did not."""
        if not self._ran:
            raise KeyboardInterrupt
        if not self._down:
            _say("the sound driver hung while stopping")
        return _Fate(1)

    def _goes_on(self, fate: _Fate) -> bool:
        """Say what happened; whether another engine may be started."""
        if not self._ran:
            _say(fate.what)
            return False
        first = not self._down
        if first:
            self._outages.append(_Outage(fate.what))
            self._down = True
        if fate.died:
            self._deaths.append(time.perf_counter())
            often = len(self._deaths) == _DEATHS_MAX
            if often and self._deaths[-1] - self._deaths[0] < _DEATHS_SECONDS:
                _say(f"{fate.what}, {_DEATHS_MAX} times in a row: giving up")
                return False
            _say(f"{fate.what}: starting it again")
        elif first:
            _say(f"{fate.what}: waiting for it, Ctrl-C ends")
        if not first:
            select.select([self._woken], [], [], _REOPEN_SECONDS)
        return not self._stopping

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask for the end, the second one ends at once; Ctrl-Z stops all, and
        Ctrl-\\ kills all."""

        def handle(number: int, frame: object) -> None:
            if self._stopping:
                raise KeyboardInterrupt
            self._stopping = True
            self._waker.send(b"!")

        def follow(number: int, frame: object) -> None:
            # The shell takes the terminal when we stop or die: the engine, which the terminal told
            # too, has to have left it by then.
            if self._engine is not None:
                self._engine.await_stop(_SUSPEND_SECONDS)
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)  # all stops here, until the shell lets us go on
            signal.signal(number, follow)

        handlers = {
            signal.SIGINT: handle,
            signal.SIGTERM: handle,
            signal.SIGTSTP: follow,
            signal.SIGQUIT: follow,
        }
        before: dict[int, Any] = {n: signal.signal(n, handler) for n, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it; the sound goes on
        print(f"afx-live: {line}", file=sys.stderr, flush=True)


def _preload() -> None:
    import realtime.report  # noqa: F401
