"""How a knob gets hold of a value that stands elsewhere, so that the sound does not leap.

Standard library only.
"""

from __future__ import annotations

STEP = 1.0 / 126.0  # the widest step of a 7-bit knob: nearer than that is there
RATE_MAX = 2.0


class Takeover:
    """One knob's way to its value. Both are positions 0..1; nothing but the knob's is kept.

    "jump": the value goes where the knob is. "pickup": nothing happens until the knob reaches or
    crosses the value. "scaled": the value moves at once, toward the end that the knob turns to,
    so much slower or faster than the hand that both get there together, and at most twice as
    fast; then they are one.
    """

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._position: float | None = None

    def move(self, position: float, value: float) -> float | None:
        """The knob now stands at `position`: the new value, or None to leave it at `value`."""
        was, self._position = self._position, position
        if self._mode == "jump" or abs(position - value) <= STEP:
            return position
        if was is None:
            return None
        if abs(was - value) <= STEP:
            return position
        if self._mode == "pickup":
            return position if (was - value) * (position - value) < 0.0 else None
        if position == was:
            return None
        rate = (1.0 - value) / (1.0 - was) if position > was else value / was
        return min(1.0, max(0.0, value + min(rate, RATE_MAX) * (position - was)))

    def placed(self, position: float) -> None:
        """The knob was put there, by its motor or as an encoder without ends."""
        self._position = position

    def waiting(self, value: float) -> float | None:
        """Where the knob stands, if the value has to be picked up first."""
        if self._mode != "pickup" or self._position is None:
            return None
        return self._position if abs(self._position - value) > STEP else None
