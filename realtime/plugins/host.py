"""One plugin in the chain: its process, the record between it and the audio thread, and what
becomes of both when the plugin fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from realtime.plugins import sharing
from realtime.plugins.process import Loaded, PluginProcess
from realtime.plugins.record import (
    BYPASSED,
    DELAY,
    DELAY_MAX,
    FED,
    LATENCY,
    MIX,
    MIX_FRAMES_SHIFT,
    MIX_ONE,
    NEVER,
    RESERVE,
    RETURNED,
    VALID_FROM,
)
from realtime.plugins.setting import PluginError, PluginParam, PluginSetting
from realtime.plugins.status import PluginStatus, State
from realtime.plugins.watch import Watch
from realtime.plugins.worker import QUANTUM
from realtime.priority import run_below

BLOCK_FRAMES = 1024  # where nobody knows how long the device's blocks will be
RESTARTS_MAX = 3
_WAIT_SECONDS = 10.0  # for a file
_LOOK_SECONDS = 0.5


class PluginHost:
    """A plugin that runs in a process of its own, loaded when the constructor returns.

    setting: what to load and how to set it. sample_rate: Hz; channels: 1 or 2, of the chain.
    block_frames: the longest block to be expected, 0 if nobody knows. say: takes lines for a
    person. offline: for files: the plugin hears fixed pieces, and `wait` waits for it.

    record_address: for `Bridge.insert`; what lies there stays as long as this object.
    parameters: rows of what can be moved. latency_frames: from the chain into the plugin and back
    out, constant while blocks are no longer than was expected.
    Raises: PluginError, one line, where it cannot be loaded or `setting` does not fit it.
    """

    def __init__(
        self,
        setting: PluginSetting,
        sample_rate: int,
        channels: int,
        block_frames: int,
        say: Callable[[str], None] = lambda line: None,
        offline: bool = False,
    ) -> None:
        self._say = say
        self._offline = offline
        self._block = block_frames or BLOCK_FRAMES
        self._descriptor = sharing.create_memory()
        self._memory = sharing.map_record(self._descriptor)
        record = self._memory[0]
        self._host, self._words = record["host"], record["plugin"]["words"]
        self._wishes = self._host["words"]
        self._moving = threading.Lock()
        self._request: dict[str, Any] = {
            "name": setting.name, "path": setting.path, "component": setting.component,
            "sample_rate": sample_rate, "channels": channels, "piece_frames": self._block,
            "offline": offline, "describe": True,
        }  # fmt: skip
        self._saved = setting.state
        self._doing: State = "running"
        self._restarts = 0
        self._restarter: threading.Thread | None = None
        self._processes: list[PluginProcess] = []  # the last one works
        self._start()
        try:
            self._settle(setting, self._processes[0].load())
        except PluginError:
            self.close()
            raise
        self._watch = Watch(record)
        self._go()

    def _settle(self, setting: PluginSetting, loaded: Loaded) -> None:
        """Take in what the plugin said of itself, and set it."""
        self._request["describe"] = False
        self.parameters = loaded.rows
        self._rows = {row.id.partition(".")[2]: row for row in loaded.rows}
        self.setting = replace(
            setting,
            identifier=loaded.identifier,
            version=loaded.version,
            component=loaded.component,
        )
        self.values: dict[str, float] = {}
        for (key, row), position in zip(self._rows.items(), loaded.positions, strict=True):
            self._host["targets"][row.index] = position
            self.values[key] = row.from_unit(position)
        self.move(dict(setting.values), 0)
        self._plugin_latency = loaded.latency
        self._tune()
        self._host["delay"] = self.latency_frames
        self._host["gain"] = 1.0
        self._words[VALID_FROM] = -NEVER
        self._words[LATENCY] = loaded.latency
        self._words[RETURNED] = -loaded.latency
        self.set_mix(setting.mix, 0)

    @property
    def name(self) -> str:
        """Its handle in this chain."""
        return self.setting.name

    @property
    def record_address(self) -> int:
        """Where the shared record lies."""
        return int(self._memory.ctypes.data)

    @property
    def pid(self) -> int:
        """Number of the process that works, or worked last."""
        return self._processes[-1].pid

    def move(self, values: Mapping[str, float], fade_frames: int) -> None:
        """Have parameters go to these plain values, by key. Safe from any thread.

        One that goes in steps goes at once. Raises: PluginError for a key that it does not have.
        """
        with self._moving:
            for key, value in values.items():
                row = self._row(key)
                self.values[key] = row.clamp(value)
                self._host["fades"][row.index] = fade_frames if row.smoothing_ms else 0
                sharing.fence()
                self._host["targets"][row.index] = row.to_unit(value)

    def set_mix(self, mix: float, fade_frames: int) -> None:
        """Blend dry (0) and plugin (1), both equally late."""
        self._wishes[MIX] = round(mix * MIX_ONE) | max(fade_frames, 0) << MIX_FRAMES_SHIFT

    def state(self) -> bytes:
        """What the plugin saves, or saved last if it cannot be asked. Takes milliseconds."""
        if self._doing == "running":
            self._saved = self._processes[-1].ask_state() or self._saved
        return self._saved

    def load(self, state: bytes, values: Mapping[str, float]) -> None:
        """Give the running plugin another state, and then these plain values, by key."""
        self._saved = state or self._saved
        self.move(values, 0)
        if state and self._doing == "running":
            self._processes[-1].restore(state)

    def status(self) -> PluginStatus:
        """How it is doing."""
        return PluginStatus(
            self.name,
            self._doing,
            int(self._host["dry_blocks"]),
            int(self._host["late_blocks"]),
            int(self._host["nonfinite_blocks"]),
            self._restarts,
            self.latency_frames,
        )

    def wait(self) -> None:
        """Until the plugin has answered all that was sent; with `offline` only.

        Raises: PluginError if it does not.
        """
        due = int(self._host["sent"][0]) // QUANTUM * QUANTUM
        until = time.monotonic() + _WAIT_SECONDS
        self._processes[-1].wake.release()
        while int(self._words[FED]) < due:
            if not self._processes[-1].alive:
                raise PluginError(f"{self.name} ended in mid-file ({self._processes[-1].death()})")
            if time.monotonic() > until:
                raise PluginError(f"{self.name} hangs in mid-file")
            self._processes[-1].answered.acquire(True, _LOOK_SECONDS)

    def tend(self) -> None:
        """Look after it: to be called some twenty times a second. Never waits."""
        if self._doing == "running":
            self._hurry()
            trouble = self._watch.trouble()
            if not self._processes[-1].alive:
                trouble = f"died ({self._processes[-1].death()})"
            if trouble:
                self._fail(trouble)
        elif self._doing == "restarting" and self._restarter and not self._restarter.is_alive():
            self._resume()
        self._follow()

    def close(self) -> None:
        """End its process. Only once no chain runs with its record any more."""
        self._wishes[BYPASSED] = 1
        self._doing = "bypassed"
        for process in self._processes:
            process.end()
        if self._restarter is not None:
            self._restarter.join()
        if self._descriptor >= 0:
            sharing.close_memory(self._descriptor)
        self._descriptor = -1

    def _row(self, key: str) -> PluginParam:
        if key not in self._rows:
            raise PluginError(f"{self.setting.name} has no parameter {key!r}")
        return self._rows[key]

    def _start(self) -> None:
        self._processes.append(
            PluginProcess(self._request["name"], self._descriptor, self._request, self._saved)
        )

    def _go(self) -> None:
        """Let the process that has loaded take part."""
        indexes = [row.index for row in self.parameters]
        self._processes[-1].go(indexes, int(self._host["sent"][0]))
        self._watch.begin()
        self._hurried = False

    def _hurry(self) -> None:
        """Once the audio thread has shown itself, run right behind it."""
        thread = int(self._host["thread"])
        if thread and not self._hurried:
            self._hurried = True
            run_below(self.pid, thread)

    def _tune(self) -> None:
        """Choose the delay for the longest block and the plugin's latency.

        Raises: PluginError if there is no room for so much.
        """
        delay = self._block + RESERVE + self._plugin_latency + (QUANTUM if self._offline else 0)
        if delay > DELAY_MAX:
            raise PluginError(f"{self.setting.name} delays by {delay} frames, over {DELAY_MAX}")
        self.latency_frames = delay
        self._wishes[DELAY] = delay

    def _follow(self) -> None:
        """Another delay if blocks have grown, or the plugin's latency has changed."""
        block = max(self._block, int(self._host["largest_block"]))
        latency = int(self._words[LATENCY])
        if (block, latency) == (self._block, self._plugin_latency) or self._doing == "bypassed":
            return
        self._block, self._plugin_latency = block, latency
        try:
            self._tune()
        except PluginError as error:
            self._bypass(str(error))
            return
        self._say(f"{self.name} is now {self.latency_frames} frames late (blocks of {block})")

    def _fail(self, trouble: str) -> None:
        if self._restarts == RESTARTS_MAX:
            self._bypass(f"{self.name} {trouble} again, after {RESTARTS_MAX} restarts")
            return
        self._restarts += 1
        self._doing = "restarting"
        self._say(f"{self.name} {trouble}: starting it again")
        self._restarter = threading.Thread(target=self._restart, name=f"restart {self.name}")
        self._restarter.start()

    def _restart(self) -> None:
        """In a thread of its own: a plugin may take seconds to load."""
        self._problem = ""
        self._processes[-1].end()
        if self._doing == "restarting":
            self._start()
            if self._doing != "restarting":  # closed meanwhile, by one who did not see this
                self._processes[-1].end()
                return
            try:
                self._processes[-1].load()
            except PluginError as error:
                self._problem = str(error)

    def _resume(self) -> None:
        if self._problem:
            self._fail(f"does not come back ({self._problem})")
            return
        self._doing = "running"
        self._go()

    def _bypass(self, why: str) -> None:
        self._wishes[BYPASSED] = 1
        self._doing = "bypassed"
        self._processes[-1].end()
        self._say(f"{why}: bypassed")
