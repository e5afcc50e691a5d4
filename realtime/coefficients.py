"""Preset -> coefficients: the one vector that crosses from the control side to the audio thread.

Designed off the audio thread; `chain` ramps them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from realtime.dsp.biquad import design_peq
from realtime.dsp.compressor import design_compressor
from realtime.dsp.distortion import design_distortion
from realtime.dsp.limiter import design_limiter
from realtime.dsp.room import REVERB_COEFS, design_reverb
from realtime.dsp.units import db_to_gain
from realtime.params import EQ_BANDS, TABLE
from realtime.preset import Preset

# Where each effect's coefficients lie in the vector.
INPUT_GAIN = 0
PEQ = 1
COMPRESSOR = PEQ + 5 * EQ_BANDS
DISTORTION = COMPRESSOR + 6
REVERB = DISTORTION + 4
WET = REVERB + REVERB_COEFS - 3
PREDELAY = REVERB + REVERB_COEFS - 1
OUTPUT_GAIN = REVERB + REVERB_COEFS
LIMITER = OUTPUT_GAIN + 1
CHAIN_COEFS = 69
assert CHAIN_COEFS == LIMITER + 1


def design_chain(preset: Preset, sample_rate: float) -> npt.NDArray[np.float64]:
    """Coefficients of the whole chain: float64 (69,), the vector that a bridge publishes.

    An effect whose place a plugin of the preset takes is neutral.
    """
    preset = preset.built_in()
    coefs = np.empty(CHAIN_COEFS)
    coefs[INPUT_GAIN] = db_to_gain(preset["input.gain_db"])
    bands = [
        (kind, preset[f"eq{b}.freq_hz"], preset[f"eq{b}.gain_db"], preset[f"eq{b}.q"])
        for b, kind in enumerate(preset.band_types, start=1)
    ]
    coefs[PEQ:COMPRESSOR] = design_peq(bands, sample_rate).ravel()
    coefs[COMPRESSOR:DISTORTION] = design_compressor(
        threshold_db=preset["comp.threshold_db"],
        ratio=preset["comp.ratio"],
        knee_db=preset["comp.knee_db"],
        attack_ms=preset["comp.attack_ms"],
        release_ms=preset["comp.release_ms"],
        makeup_gain_db=preset["comp.makeup_gain_db"],
        sample_rate=sample_rate,
    )
    coefs[DISTORTION:REVERB] = design_distortion(
        drive_db=preset["dist.drive_db"],
        tone_hz=preset["dist.tone_hz"],
        mix=preset["dist.mix"],
        sample_rate=sample_rate,
    )
    coefs[REVERB:OUTPUT_GAIN] = design_reverb(
        room_size=preset["reverb.room_size"],
        damping=preset["reverb.damping"],
        predelay_ms=preset["reverb.predelay_ms"],
        wet=preset["reverb.wet"],
        dry=preset["reverb.dry"],
        sample_rate=sample_rate,
    )
    coefs[OUTPUT_GAIN] = db_to_gain(preset["output.gain_db"])
    coefs[LIMITER:] = design_limiter(sample_rate)
    return coefs


def fade_frames(
    before: Preset, after: Preset, sample_rate: float, fade_ms: float | None = None
) -> int:
    """How many frames a move from `before` to `after` takes.

    fade_ms, or by default the longest smoothing time among the parameters that differ. Never
    less than the shortest of the table unless fade_ms says so: of two moves the audio thread may
    see only the second, which may change nothing more.
    """
    if fade_ms is None:
        shortest = min(param.smoothing_ms for param in TABLE)
        fade_ms = max(
            [p.smoothing_ms for p in TABLE if before[p.id] != after[p.id]], default=shortest
        )
    return round(fade_ms * 1e-3 * sample_rate)
