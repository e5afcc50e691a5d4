"""What the buttons do that needs ears, files or a list: capture, predict, next, previous, save.

They may be pressed on any thread and at any moment; the control loop does the work, at once.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from functools import partial
from pathlib import Path

from realtime.bridge import Bridge
from realtime.controls import Change, Controls
from realtime.measure import Audio
from realtime.monitor import Monitor
from realtime.plugins.setting import PluginError
from realtime.preset import Preset, PresetError
from realtime.programs import ProgramError, Programs
from realtime.session import predicted_ids
from realtime.set_list import Entry
from realtime.style import Style, origin_of
from realtime.user_files import save_beside, save_to_folder


class Stage:
    """Takes the buttons of `controls` and does what they mean. `work` is called by one thread.

    styled: called with every new prediction on. save_to: the file beside which `save` writes,
    None for the person's own folder. say: gets one line for each event.
    """

    def __init__(
        self,
        bridge: Bridge,
        controls: Controls,
        monitor: Monitor,
        style: Style,
        programs: Programs,
        *,
        say: Callable[[str], None],
        styled: Callable[[], None] = lambda: None,
        save_to: Path | None = None,
    ) -> None:
        self._bridge = bridge
        self._controls = controls
        self._monitor = monitor
        self._say = say
        self._styled = styled
        self._save_to = save_to
        self.style = style
        self.programs = programs
        self._bypassed = False
        self._tasks: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        actions: dict[str, Callable[[], None]] = {
            "capture": self.capture,
            "predict": style.predict,
            "next": partial(self._step, 1),
            "previous": partial(self._step, -1),
        }
        for action, work in actions.items():
            controls.on(action, partial(self._tasks.put, work))
        controls.on("save", self._ask_to_save)
        controls.listen(self._changed)
        bridge.prepare(programs.neighbours)

    def program(self, bank: int, number: int) -> None:
        """Go to a program, soon. Safe from any thread."""
        self._tasks.put(lambda: self._load(partial(self.programs.choose, bank, number)))

    def work(self, seconds: float) -> None:
        """Wait for something to do, at most so long, and do all that is waiting."""
        try:
            self._tasks.get(timeout=seconds)()
            while True:
                self._tasks.get_nowait()()
        except queue.Empty:
            pass

    def listen(self, heard: Audio, channel: Audio | None) -> None:
        """Take the newest input `(frames, channels)`, and `(frames, 1)` of the reference's."""
        presets = self.style.step(heard, channel)
        if presets:
            origin = origin_of(self.style.references)
            self._controls.restyle(presets, origin, predicted_ids(presets[0]))
            waits = self._controls.state.bypassed
            self._say(f"the style is {'ready when bypass ends' if waits else 'on'}, {origin}")
            self._styled()

    def capture(self) -> None:
        """Hear a new reference for the end that morph is nearer to: the second, or the first."""
        self.style.capture(round(self._controls.state.morph))

    def _changed(self, change: Change) -> None:
        self._monitor.changed(change)
        state, before = change.state, self._bypassed
        self._bypassed = state.bypassed
        if state.bypassed and not before and state.dry_gain_db is None:
            self._say("dry at 0 dB: too little was heard of this sound to match its loudness")

    def _step(self, by: int) -> None:
        self._load(partial(self.programs.step, by))

    def _load(self, choose: Callable[[], Entry]) -> None:
        try:
            entry = choose()
            preset = self._controls.hosted.complete(entry.preset)
        except (ProgramError, PresetError, PluginError) as error:
            self._say(f"the sound stays: {error}")
            return
        if self.style.busy:  # it would take the place of what a hand has chosen since
            self.style.drop()
            self._say("the style under way is dropped")
        self._controls.load(preset, entry.origin)
        self._bridge.prepare(self.programs.neighbours)
        self._say(entry.origin)

    def _ask_to_save(self) -> None:
        preset = self._controls.state.effective  # as it is when the button is pressed
        self._tasks.put(partial(self._save, preset))

    def _save(self, preset: Preset) -> None:
        try:
            beside = self._save_to
            preset = self._controls.hosted.kept(preset)
            path = save_to_folder(preset) if beside is None else save_beside(preset, beside)
        except PresetError as error:
            self._say(f"not saved: {error}")
        else:
            self._say(f"preset written to {str(path)!r}")
