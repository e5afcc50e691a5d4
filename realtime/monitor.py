"""What came in and what went out: peaks for the meters, loudness for the A/B, both for the report.

Fed by the control loop, asked by it and by whoever presses bypass.
"""

from __future__ import annotations

import math
import threading

from realtime.audio_files import to_channels
from realtime.capture import Recent
from realtime.controls import Change
from realtime.dsp.units import gain_to_db
from realtime.measure import Audio, Sound, channel_peaks, measure
from realtime.running_loudness import RunningLoudness

MEASURE_SECONDS = 30.0  # the report's measures are over the last half minute
MATCH_SECONDS = 5.0  # an A/B compares what was just heard


class Monitor:
    """The last half minute of input and output, as the present sound made one from the other.

    Channels are 1 or 2. What is played while bypassed is not kept: it says nothing of the sound.
    """

    def __init__(self, sample_rate: int, in_channels: int, out_channels: int) -> None:
        self._rate = sample_rate
        self._out_channels = out_channels
        self._lock = threading.Lock()
        self._heard = Recent(sample_rate, in_channels, MEASURE_SECONDS)
        self._played = Recent(sample_rate, out_channels, MEASURE_SECONDS)
        # Since the sound last changed, both on the output's channels.
        self._dry = RunningLoudness(sample_rate, MATCH_SECONDS)
        self._styled = RunningLoudness(sample_rate, MATCH_SECONDS)
        self._in_peaks = (0.0,) * in_channels
        self._out_peaks = (0.0,) * out_channels

    def add(self, heard: Audio, played: Audio, bypassed: bool = False) -> None:
        """Take what came in and went out since the last call, `(frames, channels)` each."""
        with self._lock:
            if not bypassed:
                self._heard.add(heard)
                self._played.add(played)
                self._dry.add(to_channels(heard, self._out_channels))
                self._styled.add(played)
            self._in_peaks = tuple(map(max, self._in_peaks, channel_peaks(heard)))
            self._out_peaks = tuple(map(max, self._out_peaks, channel_peaks(played)))

    def changed(self, change: Change) -> None:
        """Hear of a change of the sound: what was measured before it belongs to another one."""
        with self._lock:
            if change.loaded:
                self._heard.clear()
                self._played.clear()
            if change.loaded or change.moved:
                self._dry.restart()
                self._styled.restart()

    def peaks_dbfs(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Highest peaks of input and output since the last call, one a channel."""
        with self._lock:
            inside, outside = self._in_peaks, self._out_peaks
            self._in_peaks, self._out_peaks = (0.0,) * len(inside), (0.0,) * len(outside)
        return tuple(map(_dbfs, inside)), tuple(map(_dbfs, outside))

    def matched_gain_db(self) -> float | None:
        """The gain that makes the input as loud as the output lately was; None: unmeasurable."""
        with self._lock:
            dry_lufs, styled_lufs = self._dry.lufs(), self._styled.lufs()
        gain_db = styled_lufs - dry_lufs
        return gain_db if math.isfinite(gain_db) else None

    def sounds(self) -> dict[str, Sound]:
        """Measures of "input" and "output", both on the output's channels so that they compare."""
        with self._lock:
            heard, played = self._heard.audio(), self._played.audio()
        return {
            "input": measure(to_channels(heard, self._out_channels), self._rate),
            "output": measure(played, self._rate),
        }


def _dbfs(peak: float) -> float:
    return float(gain_to_db(peak)) if peak > 0.0 else -math.inf
