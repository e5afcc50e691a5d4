"""What a display shows twenty times a second: the engine fills it, a screen or a line draws it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from realtime.plugins.status import PluginStatus


@dataclass(frozen=True)
class Meters:
    """One look at a running engine.

    in_dbfs, out_dbfs: highest peak since the last look, one a channel; -inf for silence.
    gain_reduction_db: what the compressor takes away now, 0 or more.
    style: where the style stands, for a person: "heard 1.2 of 3 s of your sound", "styled".
    seconds: since audio runs. latency_ms: as the driver reports it.
    plugins: how the hosted ones are doing, in the order of the signal.
    dsp_load: part of a block's time that the slowest block since the last look took, 0..1 and up.
    """

    in_dbfs: tuple[float, ...]
    out_dbfs: tuple[float, ...]
    gain_reduction_db: float
    style: str
    seconds: float
    latency_ms: float
    sample_rate: int
    late_blocks: int
    underflows: int
    overflows: int
    dsp_load: float
    plugins: tuple[PluginStatus, ...] = ()


class Display(Protocol):
    """What a live session shows itself on: a screen, or plain lines."""

    def start(self) -> None:
        """Audio runs: begin to show. Called from the main thread."""

    def say(self, line: str) -> None:
        """Something happened; it stays readable."""

    def show(self, meters: Meters) -> None:
        """How things stand now."""

    def close(self) -> None:
        """Give the terminal back as it was found."""
