"""Collects what is played into the input: the input profile, a live reference, the last seconds.

Fed by the control thread with whatever the bridge's rings hold; any cut into blocks gives the
same result. Audio is float32 `(frames, channels)`, full scale +-1.0.
"""

from __future__ import annotations

import math

import numpy as np

from realtime.measure import Audio, without_faults

INPUT_SECONDS = 3.0
GATE_DBFS = -55.0  # over the hiss of a microphone input at rest, under quiet speech
_CELL_SECONDS = 0.02
_HANG_CELLS = 15  # a breath between words stays in; 0.3 s
_PAUSE_SECONDS = 1.0


class Collector:
    """Keeps signal above a gate until there are `seconds` of it.

    The level is the RMS of 20 ms of the loudest channel. A 20 ms lead and up to 0.3 s behind a
    sound are kept too, so that joins fall where it is quiet, and speech keeps its rhythm; only
    what is above the gate counts.

    gate_dbfs: RMS above which 20 ms count as signal. loudest_dbfs: of any 20 ms so far.
    after_pause: ignore everything until the input has been below the gate for a second.
    """

    def __init__(
        self,
        sample_rate: int,
        channels: int,
        seconds: float = INPUT_SECONDS,
        gate_dbfs: float = GATE_DBFS,
        *,
        after_pause: bool = False,
    ) -> None:
        self.seconds = seconds
        self.sample_rate = sample_rate
        self.loudest_dbfs = -math.inf
        self._gate_power = 10.0 ** (gate_dbfs / 10.0)
        self._cell = max(1, round(_CELL_SECONDS * sample_rate))
        self._cells_wanted = max(1, math.ceil(seconds * sample_rate / self._cell))
        self._cells_heard = 0
        self._pause_left = math.ceil(_PAUSE_SECONDS / _CELL_SECONDS) if after_pause else 0
        self._rest = np.zeros((0, channels), np.float32)
        self._lead: Audio | None = None
        self._hang = 0
        self._kept: list[Audio] = []

    @property
    def waiting_for_pause(self) -> bool:
        """Whether the second of quiet asked for has not been heard yet."""
        return self._pause_left > 0

    @property
    def heard_seconds(self) -> float:
        """Seconds above the gate so far, at most `seconds`."""
        return min(self.seconds, self._cells_heard * self._cell / self.sample_rate)

    @property
    def done(self) -> bool:
        """Whether all the signal asked for is there; further input is ignored."""
        return self._cells_heard >= self._cells_wanted

    def add(self, x: Audio) -> None:
        """Take the next `(frames, channels)` of input, any number of frames."""
        x = np.concatenate([self._rest, without_faults(x)])
        whole = len(x) - len(x) % self._cell
        for start in range(0, whole, self._cell):
            if self.done:
                return
            self._add_cell(x[start : start + self._cell])
        self._rest = x[whole:].copy()

    def audio(self) -> Audio:
        """What was kept, `(frames, channels)`."""
        return np.concatenate([self._rest[:0], *self._kept])

    def _add_cell(self, cell: Audio) -> None:
        power = float(np.mean(np.square(cell, dtype=np.float64), axis=0).max())
        if power > 0.0:
            self.loudest_dbfs = max(self.loudest_dbfs, 10.0 * math.log10(power))
        above = power > self._gate_power
        if self._pause_left:
            whole_pause = math.ceil(_PAUSE_SECONDS / _CELL_SECONDS)
            self._pause_left = whole_pause if above else self._pause_left - 1
            return
        if above:
            if self._lead is not None:
                self._kept.append(self._lead)
                self._lead = None
            self._kept.append(cell.copy())
            self._cells_heard += 1
            self._hang = _HANG_CELLS
        elif self._hang:
            self._kept.append(cell.copy())
            self._hang -= 1
        else:
            self._lead = cell.copy()


class Recent:
    """The last `seconds` of a signal, for measures at the end of a session.

    Allocated once; older audio is overwritten.
    """

    def __init__(self, sample_rate: int, channels: int, seconds: float) -> None:
        self._ring = np.zeros((max(1, round(seconds * sample_rate)), channels), np.float32)
        self._written = 0

    def add(self, x: Audio) -> None:
        """Append `(frames, channels)`, any number of frames."""
        size = len(self._ring)
        skipped = max(0, len(x) - size)
        self._written += skipped
        start = self._written % size
        first = min(size - start, len(x) - skipped)
        self._ring[start : start + first] = x[skipped : skipped + first]
        rest = x[skipped + first :]
        self._ring[: len(rest)] = rest
        self._written += len(x) - skipped

    def clear(self) -> None:
        """Forget everything."""
        self._written = 0

    def audio(self, frames: int | None = None) -> Audio:
        """A copy of what is held, or of its last `frames`, oldest first, `(frames, channels)`."""
        size = len(self._ring)
        held = min(self._written, size)
        count = held if frames is None else min(frames, held)
        start = (self._written - count) % size
        first = self._ring[start : start + count]
        return np.concatenate([first, self._ring[: count - len(first)]])
