"""Levels as the eye can follow them: bars that fall slowly, peaks and clipping that stay."""

from __future__ import annotations

import math
from dataclasses import dataclass

FLOOR_DBFS = -60.0
CLIP_DBFS = -0.01
FALL_DB_PER_SECOND = 26.0
HOLD_SECONDS = 1.5
CLIP_SECONDS = 3.0


@dataclass(frozen=True)
class Level:
    """One channel. bar_dbfs: where its bar ends; hold_dbfs: highest of late; clipped: of late."""

    bar_dbfs: float = -math.inf
    hold_dbfs: float = -math.inf
    held_until: float = 0.0
    clipped_until: float = 0.0
    at: float = -math.inf

    def after(self, dbfs: float, seconds: float) -> Level:
        """The level once a peak of `dbfs` was read at `seconds` of a clock that may restart."""
        if seconds < self.at:
            return Level().after(dbfs, seconds)
        bar_dbfs = max(dbfs, self.bar_dbfs - FALL_DB_PER_SECOND * (seconds - self.at))
        hold_dbfs, held_until = self.hold_dbfs, self.held_until
        if dbfs >= hold_dbfs or seconds >= held_until:
            hold_dbfs, held_until = bar_dbfs, seconds + HOLD_SECONDS
        clipped_until = seconds + CLIP_SECONDS if dbfs >= CLIP_DBFS else self.clipped_until
        return Level(bar_dbfs, hold_dbfs, held_until, clipped_until, seconds)

    @property
    def clipped(self) -> bool:
        """Whether full scale was reached in the last seconds."""
        return self.at < self.clipped_until


def fraction(dbfs: float) -> float:
    """Where a level stands on a bar that begins at FLOOR_DBFS: 0..1."""
    return min(1.0, max(0.0, 1.0 - dbfs / FLOOR_DBFS))
