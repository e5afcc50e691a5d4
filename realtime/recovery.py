"""The engine's side of being revived: what it keeps for the next one, and what it takes over.

All of it does nothing, or what a first engine does, where there is no supervisor.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from realtime.lifeline import SESSION, Lifeline

if TYPE_CHECKING:
    from realtime.audio_io import Device, StreamPlan
    from realtime.bridge import Bridge
    from realtime.controls import Controls
    from realtime.engine import LiveEngine
    from realtime.plugins.rack import Rack
    from realtime.session import Session
    from realtime.stage import Stage

_T = TypeVar("_T")

_LOOK_SECONDS = 0.3
_SOUND, _TALLY, _SECONDS, _DEVICES, _END = "sound", "tally", "seconds", "devices", "end"
_PLUGINS = "plugins"


class StoppedError(Exception):
    """The end was asked for while the device was not there."""


class Recovery:
    """Keeps the state of the sound and its counters outside this process.

    link: to the supervisor, or None without one. resumed: whether this engine follows another.
    """

    def __init__(self, link: Lifeline | None) -> None:
        self._link = link
        self._kept = link.kept if link is not None else {}
        self._place = ""
        self._references: object = ()
        self.resumed = link is not None and link.resumed

    def since(self, started: float) -> float:
        """`time.perf_counter()` of the program's start or, resumed, of when audio was lost.

        started: of this process.
        """
        return started if self._link is None else self._link.since

    def end(self, duration: float | None, now: float) -> float | None:
        """When (`time.monotonic()`) a session of `duration` seconds ends that runs since `now`,
        or since the first engine ran."""
        if duration is None or self._link is None:
            return None if duration is None else now + duration
        end = self._kept.get(_END, now + duration)
        self._link.keep(_END, end)
        return float(end)

    def kept(self, name: str, default: Any) -> Any:
        """What the engine before this one kept under `name`, or `default`."""
        return self._kept.get(name, default)

    def keep(self, name: str, value: object) -> None:
        """Have `kept(name)` give `value` in the next engine."""
        if self._link is not None:
            self._link.keep(name, value)

    def once(self, name: str, make: Callable[[], _T]) -> _T:
        """What an engine before this one made of the person's files, or what `make` does now."""
        if name not in self._kept:
            self._kept[name] = make()
            self.keep(name, self._kept[name])
        return self._kept[name]

    @property
    def seconds(self) -> float:
        """How long earlier engines played."""
        return float(self._kept.get(_SECONDS, 0.0))

    def find(
        self,
        look: Callable[[], list[Device]],
        plan: Callable[[list[Device], str | None, str | None], StreamPlan],
        queries: tuple[str | None, str | None],
        say: Callable[[str], None],
    ) -> StreamPlan:
        """The stream to open: at once, or the same devices as before as soon as they are back.

        look: lists the devices. plan: chooses among them by two queries, for input and output.

        Raises: AudioDeviceError if they are not there at first. StoppedError
        """
        if self._link is None or not self.resumed:
            return plan(look(), *queries)
        from realtime.audio_io import AudioDeviceError, look_again

        self._link.opening()
        told = ""
        while not self._link.stop.is_set():
            devices = []
            try:
                devices = look()
                return plan(devices, *self._same(devices, queries))
            except AudioDeviceError as error:
                if devices and str(error) != told:  # something is there, but not what we had
                    told = str(error)
                    say(f"still waiting: {told}")
            self._link.opening()
            self._link.stop.wait(_LOOK_SECONDS)
            look_again()
        raise StoppedError

    def _same(
        self, devices: Sequence[Device], queries: tuple[str | None, str | None]
    ) -> list[str | None]:
        """Queries that mean the devices of before; the user's own where names do not tell."""
        names = [device.full_name for device in devices]
        before = self._kept.get(_DEVICES, queries)
        return [q if names.count(n) > 1 else n for n, q in zip(before, queries, strict=True)]

    def take_over(self, controls: Controls, bridge: Bridge, rack: Rack) -> None:
        """Go on with the sound and the counts of the engine before this one."""
        if _SOUND in self._kept:
            controls.resume(self._kept[_SOUND])
        if _TALLY in self._kept:
            bridge.resume(self._kept[_TALLY])
        rack.resume(self._kept.get(_PLUGINS, ()))

    def opening(self) -> None:
        """The driver is about to be used."""
        if self._link is not None:
            self._link.opening()

    def running(self, plan: StreamPlan) -> None:
        """Audio runs."""
        if self._link is not None:
            self._link.keep(_DEVICES, (plan.input.full_name, plan.output.full_name))
            self._link.running()

    def beat(
        self, engine: LiveEngine, controls: Controls, bridge: Bridge, stage: Stage, rack: Rack
    ) -> None:
        """Keep how things stand; twice a second, or the engine is taken for dead."""
        if self._link is None:
            return
        self.keep(_SOUND, controls.dump())
        self.keep(_TALLY, bridge.tally())
        self.keep(_PLUGINS, rack.status())
        self.keep(_SECONDS, engine.seconds)
        self.keep("busy", stage.style.busy)
        self.keep(SESSION, engine.session(measured=False))
        if stage.programs.place != self._place:
            self._place = stage.programs.place
            self.keep("programs", stage.programs)
        if stage.style.references is not self._references:
            self._references = stage.style.references
            self.keep("references", self._references)

    def closing(self) -> None:
        """The end was asked for and is under way."""
        if self._link is not None:
            self._link.closing()

    def lost(self, reason: str, session: Callable[[], Session]) -> None:
        """Leave this process for another that waits for the device; does not return then."""
        if self._link is not None:
            self._link.lost(reason)
            self._link.keep(SESSION, session())
            leave(1)

    def stopped(self) -> int:
        """Hand in what there is after a `StoppedError`; the exit status."""
        if self._link is not None:
            self._link.ended(1)
        return 1

    def ended(self, session: Session, status: int) -> bool:
        """Hand in the report; False where there is nobody to take it."""
        if self._link is None:
            return False
        self._link.keep(SESSION, session)
        self._link.ended(status)
        return True


def leave(status: int) -> NoReturn:
    """End this process though its sound driver hangs, as every clean-up would do too."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
