"""Parameters in words, the same in the report and on the screen. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence

from realtime.params import BY_ID, EQ_BANDS, BandType, Param
from realtime.plugins.setting import MIX, PluginParam
from realtime.preset import Preset
from realtime.targets import GLOBALS

_STAGES = {
    "input": "input",
    "comp": "compressor",
    "dist": "distortion",
    "reverb": "reverb",
    "output": "output",
}
_BANDS = {f"eq{band}": band for band in range(1, EQ_BANDS + 1)}
# A stage does nothing while these parameters stand at their neutral values.
_SWITCHES = {
    **{stage: (f"{stage}.gain_db",) for stage in _BANDS},
    "comp": ("comp.ratio", "comp.makeup_gain_db"),
    "dist": ("dist.mix",),
    "reverb": ("reverb.wet", "reverb.dry"),
}


def stage_of(target: str) -> str:
    """The stage a parameter belongs to: "comp" for "comp.ratio", "" for `amount` and `morph`."""
    return target.rpartition(".")[0]


def stage_name(stage: str, band_types: Sequence[BandType]) -> str:
    """A stage for a person: "compressor", "eq 1 low shelf"; a plugin's own name."""
    if stage in _BANDS:
        band = _BANDS[stage]
        return f"eq {band} {band_types[band - 1].replace('_', ' ')}"
    return _STAGES.get(stage, stage)


def is_off(stage: str, preset: Preset) -> bool:
    """Whether a stage gives its input back."""
    if f"{stage}.{MIX}" in preset and stage not in _SWITCHES:  # a plugin's
        return preset[f"{stage}.{MIX}"] == 0.0
    switches = _SWITCHES.get(stage, ())
    return bool(switches) and all(preset[i] == BY_ID[i].neutral for i in switches)


def label(target: str) -> str:
    """A parameter without its stage and unit: "threshold" for "comp.threshold_db"."""
    key = target.rpartition(".")[2]
    for suffix in ("_db", "_hz", "_ms"):
        key = key.removesuffix(suffix)
    return key.replace("_", " ")


def with_unit(param: Param, value: float) -> str:
    """A plain value with its unit: "-31.0 dBFS", "+3.0 dB", "4:1", "100 %" of an amount; or a
    plugin's own word for it."""
    if isinstance(param, PluginParam) and param.texts:
        return param.texts[round(param.clamp(value))]
    if param in GLOBALS:
        return f"{100.0 * value:.0f} %"
    signed = param.unit == "dB" and param.minimum < 0.0
    number = f"{value:+.1f}" if signed else f"{value:.1f}" if "dB" in param.unit else short(value)
    gap = "" if param.unit.startswith(":") or not param.unit else " "
    return f"{number}{gap}{param.unit}"


def in_frames(frames: int, sample_rate: int) -> str:
    """A latency: "128 frames, 2.7 ms"."""
    return f"{frames} frames, {1e3 * frames / sample_rate:.1f} ms"


def short(value: float) -> str:
    """Three digits, or all before the point."""
    return f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}"
