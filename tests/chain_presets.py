"""Presets with one effect of the chain at work, and with all of them."""

from __future__ import annotations

from realtime.preset import Preset

EQ = {
    f"eq{band}.{key}": value
    for band, (freq, gain, q) in enumerate(
        [
            (80, 6, 0.7),
            (200, -9, 4),
            (900, 5, 1),
            (2_500, -6, 8),
            (3_100, 7, 0.5),
            (9_000, -4, 0.9),
        ],
        start=1,
    )
    for key, value in (("freq_hz", freq), ("gain_db", gain), ("q", q))
}
EFFECTS: dict[str, dict[str, float]] = {
    "gains": {"input.gain_db": 9.0, "output.gain_db": -12.0},
    "equaliser": EQ,
    "compressor": {"comp.threshold_db": -30.0, "comp.ratio": 6.0, "comp.attack_ms": 2.0},
    "distortion": {"dist.drive_db": 30.0, "dist.tone_hz": 4_000.0, "dist.mix": 0.7},
    "reverb": {"reverb.wet": 0.4, "reverb.dry": 0.7, "reverb.predelay_ms": 7.0},
    "limiter": {"output.gain_db": 20.0},
}
ALL = {key: value for effect in EFFECTS.values() for key, value in effect.items()}
ALL["output.gain_db"] = 15.0
PRESETS = {name: Preset({**Preset.neutral(), **values}) for name, values in EFFECTS.items()}
PRESETS["all"] = Preset({**Preset.neutral(), **ALL})
