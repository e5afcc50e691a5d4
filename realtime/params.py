"""The parameter table: the one source of truth for every parameter of the chain.

Model outputs, torch twins, presets, MIDI maps, the report and README's table all derive from
`TABLE`. Values are plain (dB, Hz, ms), never normalised; `to_unit` and `from_unit` go through
the taper. Ranges never depend on the sample rate: design functions clamp below Nyquist.

Conventions, stated once for kernels and twins alike:

- dB are 20 log10 of amplitude; dBFS are dB over a full scale of +-1.0.
- attack and release are time constants of the gain reduction in dB: after that many ms, 63 %
  (1 - 1/e) of a step is done.
- Chain order: input gain, PEQ, compressor, distortion, reverb, output gain, safety limiter.

Standard library only.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

EQ_BANDS = 6
SAMPLE_RATE_MIN = 8_000
SAMPLE_RATE_MAX = 192_000

BandType = Literal["low_shelf", "peak", "high_shelf"]
BAND_TYPES: tuple[BandType, ...] = ("low_shelf", "peak", "high_shelf")


@dataclass(frozen=True)
class Param:
    """One row of the table.

    id: stable name, never reused. minimum, maximum: plain range, both ends included.
    default: the value where neither a model nor a preset names one.
    neutral: with every parameter at its neutral value the chain gives its input back.
    taper: how a knob or a model output in 0..1 spreads over the range.
    smoothing_ms: how long a move of this parameter takes to arrive.
    cc: the MIDI control change that moves it by default.
    """

    id: str
    unit: str
    minimum: float
    maximum: float
    default: float
    neutral: float
    taper: Literal["linear", "log"]
    smoothing_ms: float
    cc: int
    description: str

    def contains(self, value: float) -> bool:
        """Whether `value` is finite and within the range."""
        return math.isfinite(value) and self.minimum <= value <= self.maximum

    def clamp(self, value: float) -> float:
        """`value` moved to the nearest end of the range if outside it."""
        return min(self.maximum, max(self.minimum, float(value)))

    def to_unit(self, value: float) -> float:
        """Plain value -> 0..1 through the taper. Values outside the range are clamped."""
        return _to_unit(self.clamp(value), self.minimum, self.maximum, self.taper)

    def from_unit(self, unit: float) -> float:
        """0..1 -> plain value through the taper. Values outside 0..1 are clamped."""
        return _from_unit(unit, self.minimum, self.maximum, self.taper)


def _to_unit(value: float, minimum: float, maximum: float, taper: str) -> float:
    if taper == "log":
        return math.log(value / minimum) / math.log(maximum / minimum)
    return (value - minimum) / (maximum - minimum)


def _from_unit(unit: float, minimum: float, maximum: float, taper: str) -> float:
    unit = min(1.0, max(0.0, float(unit)))
    if taper == "log":
        value = minimum * (maximum / minimum) ** unit
    else:
        value = minimum + (maximum - minimum) * unit
    return min(maximum, max(minimum, value))


def _eq_rows() -> list[Param]:
    rows = []
    defaults_hz = (100.0, 250.0, 700.0, 2_000.0, 5_000.0, 10_000.0)
    for band, default_hz in enumerate(defaults_hz, start=1):
        rows += [
            Param(
                f"eq{band}.freq_hz", "Hz", 20.0, 20_000.0, default_hz, default_hz, "log", 20.0,
                101 + band, f"band {band}: centre or corner frequency",
            ),
            Param(
                f"eq{band}.gain_db", "dB", -24.0, 24.0, 0.0, 0.0, "linear", 20.0,
                19 + band, f"band {band}: boost or cut",
            ),
            Param(
                f"eq{band}.q", "", 0.1, 10.0, math.sqrt(0.5), math.sqrt(0.5), "log", 20.0,
                107 + band, f"band {band}: quality factor, high is narrow",
            ),
        ]  # fmt: skip
    return rows


# fmt: off
TABLE: tuple[Param, ...] = (
    Param("input.gain_db", "dB", -40.0, 40.0, 0.0, 0.0, "linear", 20.0, 9,
          "level into the chain, before the equaliser"),
    *_eq_rows(),
    Param("comp.threshold_db", "dBFS", -60.0, 0.0, -24.0, 0.0, "linear", 20.0, 14,
          "peak level above which the compressor turns down"),
    Param("comp.ratio", ":1", 1.0, 20.0, 1.0, 1.0, "log", 20.0, 15,
          "input dB over the threshold for one dB more at the output"),
    Param("comp.knee_db", "dB", 0.0, 24.0, 6.0, 0.0, "linear", 20.0, 16,
          "width of the soft transition around the threshold"),
    Param("comp.attack_ms", "ms", 0.1, 200.0, 10.0, 10.0, "log", 20.0, 17,
          "time constant while the gain falls"),
    Param("comp.release_ms", "ms", 5.0, 2_000.0, 100.0, 100.0, "log", 20.0, 18,
          "time constant while the gain recovers"),
    Param("comp.makeup_gain_db", "dB", -24.0, 24.0, 0.0, 0.0, "linear", 20.0, 19,
          "gain after the compressor"),
    Param("dist.drive_db", "dB", 0.0, 48.0, 12.0, 0.0, "linear", 20.0, 26,
          "gain into the soft clipper, level-compensated behind it"),
    Param("dist.tone_hz", "Hz", 200.0, 20_000.0, 20_000.0, 20_000.0, "log", 20.0, 27,
          "low-pass after the clipper"),
    Param("dist.mix", "", 0.0, 1.0, 0.0, 0.0, "linear", 20.0, 28,
          "0 is clean, 1 is only the clipper"),
    Param("reverb.room_size", "", 0.0, 1.0, 0.5, 0.0, "linear", 20.0, 29,
          "how long the reverb rings: T60 from 0.1 s at 0 to 10 s at 1"),
    Param("reverb.damping", "", 0.0, 1.0, 0.3, 0.0, "linear", 20.0, 30,
          "how much faster the treble dies away than the bass"),
    Param("reverb.predelay_ms", "ms", 0.0, 200.0, 0.0, 0.0, "linear", 20.0, 31,
          "wait before the reverb starts"),
    Param("reverb.wet", "", 0.0, 1.0, 0.0, 0.0, "linear", 20.0, 91,
          "gain of the sound that is sent into the reverb"),
    Param("reverb.dry", "", 0.0, 1.0, 1.0, 1.0, "linear", 20.0, 92,
          "gain of the sound that bypasses the reverb"),
    Param("output.gain_db", "dB", -40.0, 40.0, 0.0, 0.0, "linear", 20.0, 7,
          "level out of the chain, before the safety limiter"),
)
# fmt: on

IDS: tuple[str, ...] = tuple(param.id for param in TABLE)
BY_ID: Mapping[str, Param] = MappingProxyType({param.id: param for param in TABLE})
DEFAULTS: Mapping[str, float] = MappingProxyType({param.id: param.default for param in TABLE})
NEUTRAL: Mapping[str, float] = MappingProxyType({param.id: param.neutral for param in TABLE})


def table_hash() -> str:
    """16 hex digits that name what the numbers of a model mean: ids, units, ranges, tapers.

    Stands in the metadata of every ONNX file; a model made for another table is refused.
    """
    rows = [(p.id, p.unit, p.minimum, p.maximum, p.taper) for p in TABLE]
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Profile:
    """Which parameters a model predicts, which stay frozen, and what each EQ band is.

    predicted: ids in the order of the model's outputs.
    frozen: id -> plain value for parameters that stay put; others stand at their default.
    ranges: id -> (minimum, maximum), where the model spans less than the table's range.
    """

    name: str
    band_types: tuple[BandType, ...]
    predicted: tuple[str, ...]
    frozen: Mapping[str, float] = field(default_factory=dict)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def range_of(self, param_id: str) -> tuple[float, float]:
        """The plain (minimum, maximum) that a model of this profile spans for `param_id`."""
        param = BY_ID[param_id]
        return self.ranges.get(param_id, (param.minimum, param.maximum))

    def from_unit(self, param_id: str, unit: float) -> float:
        """A model output in 0..1 -> plain value within this profile's range."""
        return _from_unit(unit, *self.range_of(param_id), BY_ID[param_id].taper)

    def values(self, predicted: Mapping[str, float] | None = None) -> dict[str, float]:
        """Plain values of the whole table: defaults, then frozen, then `predicted`."""
        return {**DEFAULTS, **self.frozen, **(predicted or {})}


_SHELVES: tuple[BandType, ...] = ("low_shelf", "peak", "peak", "peak", "peak", "high_shelf")
_PEAKS: tuple[BandType, ...] = ("peak", "peak", "peak", "peak", "peak", "peak")
_EQ_IDS = tuple(i for i in IDS if i.startswith("eq"))
_EQ_GAIN_IDS = tuple(f"eq{band}.gain_db" for band in range(1, EQ_BANDS + 1))

# The chain works on an input trimmed to this loudness, so that a threshold means the same for
# a whisper and a shout. Seed's source states its threshold as (-20, 20) dB over a level it does
# not name; we read that level as the programme's, so its t is WORKING_LOUDNESS_LUFS + t dBFS.
WORKING_LOUDNESS_LUFS = -23.0

SEED = Profile(
    name="seed",
    band_types=_PEAKS,
    predicted=(*_EQ_GAIN_IDS, "comp.threshold_db", "comp.ratio"),
    frozen={f"eq{b + 1}.freq_hz": 20.0 * 60.0 ** (b / 5.0) for b in range(EQ_BANDS)},
    ranges={
        **dict.fromkeys(_EQ_GAIN_IDS, (-20.0, 20.0)),
        "comp.threshold_db": (WORKING_LOUDNESS_LUFS - 20.0, WORKING_LOUDNESS_LUFS + 20.0),
        "comp.ratio": (2.0, 6.0),
    },
)

FULL = Profile(name="full", band_types=_SHELVES, predicted=IDS)

_BAND_HZ = (
    (20.0, 400.0), (60.0, 800.0), (200.0, 2_500.0),
    (800.0, 6_000.0), (2_000.0, 12_000.0), (2_500.0, 18_000.0),
)  # fmt: skip

EQ_COMP = Profile(
    name="eq-comp",
    band_types=_SHELVES,
    predicted=(
        *_EQ_IDS, "comp.threshold_db", "comp.ratio", "comp.knee_db", "comp.attack_ms",
        "comp.release_ms", "output.gain_db",
    ),
    ranges={f"eq{b + 1}.freq_hz": hz for b, hz in enumerate(_BAND_HZ)},
)  # fmt: skip

# Of a prediction with distortion or reverb: all but the staging in front and the dry sound, at 1.
ALL_EFFECTS = Profile(
    name="all-effects",
    band_types=_SHELVES,
    predicted=tuple(i for i in IDS if i not in ("input.gain_db", "reverb.dry")),
    ranges=EQ_COMP.ranges,
)

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {p.name: p for p in (SEED, FULL, EQ_COMP, ALL_EFFECTS)}
)
