"""What the benchmarks of the chain play, and with which parameters."""

from __future__ import annotations

import numpy as np

from realtime.preset import Preset

# Every effect at work: six bands off zero, compressor over its threshold, clipper and reverb in.
PRESET = Preset(
    {
        "eq1.gain_db": 3.0, "eq2.gain_db": -4.0, "eq3.gain_db": 2.0,
        "eq4.gain_db": -3.0, "eq5.gain_db": 4.0, "eq6.gain_db": -2.0,
        "comp.threshold_db": -30.0, "comp.ratio": 4.0, "comp.makeup_gain_db": 3.0,
        "dist.drive_db": 12.0, "dist.tone_hz": 8_000.0, "dist.mix": 0.5,
        "reverb.room_size": 0.5, "reverb.wet": 0.3, "reverb.dry": 0.7,
    },
    name="all effects",
)  # fmt: skip


def swelling_noise(sample_rate: int, channels: int, seconds: float = 2.0) -> np.ndarray:
    """Noise whose level swells and falls four times a second, so that gains keep moving.

    Returns float32 (frames, channels), about -18 dBFS RMS.
    """
    frames = int(sample_rate * seconds)
    noise = np.random.default_rng(0).standard_normal((frames, channels))
    swell = 0.55 - 0.45 * np.cos(2 * np.pi * 4.0 * np.arange(frames) / sample_rate)
    return (0.2 * noise * swell[:, None]).astype(np.float32)
