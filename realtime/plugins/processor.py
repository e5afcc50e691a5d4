"""A loaded plugin as the chain needs it: any number of channels, moves that are ramps, and what
comes out at the position of what went in."""

from __future__ import annotations

import contextlib

import numpy as np
import numpy.typing as npt

from realtime.plugins.loading import load, parameters_of, process, restore, state_of
from realtime.plugins.setting import PluginError

_RAMP_FRAMES = 64  # a ramp is a stair of so many frames a step, which plugins smooth
_TRIAL_FRAMES = 64

Audio = npt.NDArray[np.float32]


class Processor:
    """One plugin at work. Main thread only.

    channels: of the chain, 1 or 2. A plugin for one channel gets an instance for each; one for
    two channels hears a mono sound on both and gives the mean.
    block_frames: the longest piece that `run` is given.
    Raises: PluginError.
    """

    def __init__(self, path: str, component: str, sample_rate: float, channels: int) -> None:
        self._rate = sample_rate
        self._channels = channels
        first = load(path, component)
        width = self._width(first)
        self._wide = width > channels
        copies = channels // width if width else 0
        if not copies and not self._wide:
            raise PluginError(f"{path}: takes neither one channel nor two")
        self.plugins = [first, *(load(path, component) for _ in range(copies - 1))]
        self._parameters = [parameters_of(plugin) for plugin in self.plugins]
        self._ramps: dict[int, tuple[float, int]] = {}

    def _width(self, plugin: object) -> int:
        """How many channels it is to be given: the chain's own if it can, 0 if it takes none."""
        found = 0
        for width in (self._channels, 3 - self._channels):
            with contextlib.suppress(ValueError):
                process(plugin, np.zeros((width, _TRIAL_FRAMES), np.float32), self._rate)
                found = width
                break
        plugin.reset()  # type: ignore[attr-defined]
        return found

    @property
    def latency(self) -> int:
        """Frames, as the plugin reports them now."""
        return int(self.plugins[0].reported_latency_samples)

    @property
    def state(self) -> bytes:
        """What the plugin saves; instances are alike."""
        return state_of(self.plugins[0])

    def restore(self, state: bytes) -> None:
        """Give every instance what `state` gave."""
        for plugin in self.plugins:
            restore(plugin, state)

    def position(self, index: int) -> float:
        """Where a parameter stands, normalised."""
        return float(self._parameters[0][index].raw_value)

    def warm_up(self, frames: int) -> None:
        """Have it prepare for pieces of up to so many frames, which may allocate."""
        self.run(np.zeros((self._channels, frames), np.float32))

    def move(self, index: int, target: float, frames: int) -> None:
        """Go to a normalised value within so many frames; 0 is at once."""
        if frames > 0:
            self._ramps[index] = (target, frames)
        else:
            self._ramps.pop(index, None)
            self._set(index, target)

    def _set(self, index: int, value: float) -> None:
        for parameters in self._parameters:
            parameters[index].raw_value = value

    def run(self, audio: Audio) -> Audio:
        """The next frames, float32 (channels, frames), through the plugin.

        What comes out ends `latency` frames before what went in, and is as long, or shorter
        while the plugin's latency fills.
        """
        if not self._ramps:
            return self._through(audio)
        pieces = []
        for start in range(0, audio.shape[1], _RAMP_FRAMES):
            piece = audio[:, start : start + _RAMP_FRAMES]
            self._step(piece.shape[1])
            pieces.append(self._through(piece))
        return np.concatenate(pieces, axis=1)

    def _step(self, frames: int) -> None:
        """Take every ramp so many frames further."""
        for index, (target, left) in list(self._ramps.items()):
            if frames >= left:
                self.move(index, target, 0)
                continue
            now = self.position(index)
            self._set(index, now + (target - now) * frames / left)
            self._ramps[index] = (target, left - frames)

    def _through(self, audio: Audio) -> Audio:
        if len(self.plugins) == 1 and not self._wide:
            return process(self.plugins[0], np.ascontiguousarray(audio), self._rate)
        if self._wide:
            both = process(self.plugins[0], np.repeat(audio, 2, axis=0), self._rate)
            return both.mean(axis=0, keepdims=True, dtype=np.float32)
        single = [
            process(plugin, audio[i : i + 1], self._rate) for i, plugin in enumerate(self.plugins)
        ]
        return np.concatenate(single, axis=0)
