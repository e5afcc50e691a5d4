"""How a hosted plugin is doing, for the screen and the report. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["running", "restarting", "bypassed"]


@dataclass(frozen=True)
class PluginStatus:
    """A snapshot.

    name: the plugin's in this chain. state: bypassed where it was given up and stays dry.
    dry_blocks: blocks that went by without it, for whatever reason, among them late_blocks, for
        which it was not ready in time, and nonfinite_blocks, in which it gave what is no number.
    restarts: of its process. latency_frames: by how much it delays the sound, constant.
    """

    name: str
    state: State = "running"
    dry_blocks: int = 0
    late_blocks: int = 0
    nonfinite_blocks: int = 0
    restarts: int = 0
    latency_frames: int = 0
