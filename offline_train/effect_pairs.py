"""Pairs whose target went through distortion and reverb as well: the whole chain's examples.

`pairs` makes input and target by equaliser and compressor. Here the target goes on through the
distortion and the reverb of the live chain, as its compiled kernels render them, each present in
about half of the examples, and is brought back to -12 dBFS peak. The drive meets a signal of
-12 dBFS peak. A clip is rendered as one: a half begins in the tail of what was before it, and the
first half in the tail of the clip's end, for recordings begin so, too.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np

from offline_train.pairs import Audio, Pair, normalise
from realtime.preset import Preset
from realtime.transfer import render

PRESENT = 0.5  # of the examples have a distortion, and so many a reverb
LEAD_IN_SECONDS = 2.0
DRIVE_DB = (6.0, 36.0)
TONE_HZ = (1_500.0, 20_000.0)
MIX = (0.3, 1.0)
ROOM_SIZE = (0.15, 0.8)  # T60 of 0.2 to 4 s
DAMPING = (0.0, 0.8)
PREDELAY_MS = (0.0, 60.0)
WET_DB = (-20.0, -2.0)  # against a dry sound of 1


@dataclass(frozen=True)
class Effects:
    """What stands behind the compressor, in the parameter table's units; a mix or wet of 0 is an
    effect that is off."""

    drive_db: float = 0.0
    tone_hz: float = 20_000.0
    mix: float = 0.0
    room_size: float = 0.0
    damping: float = 0.0
    predelay_ms: float = 0.0
    wet: float = 0.0

    def values(self) -> dict[str, float]:
        """By the ids of the parameter table."""
        effects = {"drive_db": "dist", "tone_hz": "dist", "mix": "dist"}
        return {f"{effects.get(key, 'reverb')}.{key}": v for key, v in asdict(self).items()}

    def apply(self, x: Audio, sample_rate: int) -> Audio:
        """x (frames,) through both."""
        if self.mix == 0.0 and self.wet == 0.0:
            return x
        lead_in = x[len(x) - min(len(x), round(LEAD_IN_SECONDS * sample_rate)) :]
        made = render(np.concatenate([lead_in, x]), Preset(self.values()), sample_rate)
        return made[len(lead_in) :]


def random_effects(rng: np.random.Generator, present: float = PRESENT) -> Effects:
    """Each effect there with probability `present`; amounts in dB, frequencies in octaves."""
    has_distortion, has_reverb = rng.random(2) < present
    drawn = Effects(
        drive_db=rng.uniform(*DRIVE_DB),
        tone_hz=float(np.exp(rng.uniform(*np.log(TONE_HZ)))),
        mix=rng.uniform(*MIX),
        room_size=rng.uniform(*ROOM_SIZE),
        damping=rng.uniform(*DAMPING),
        predelay_ms=rng.uniform(*PREDELAY_MS),
        wet=float(10.0 ** (rng.uniform(*WET_DB) / 20.0)),
    )
    if not has_distortion:
        drawn = replace(drawn, drive_db=0.0, tone_hz=20_000.0, mix=0.0)
    if not has_reverb:
        drawn = replace(drawn, room_size=0.0, damping=0.0, predelay_ms=0.0, wet=0.0)
    return drawn


def with_effects(pair: Pair, effects: Effects) -> tuple[Pair, float]:
    """The pair with its target behind `effects`, and the gain in dB that brought that to the
    protocol's peak."""
    target, gain_db = normalise(effects.apply(pair.target, pair.sample_rate))
    return replace(pair, target=target), gain_db
