"""Between presets: how much of one (`with_amount`), and how far from one to another (`morph`).

Every parameter moves through its taper: frequencies in octaves, times in ratios, gains in dB.
Standard library only.
"""

from __future__ import annotations

from realtime.params import BY_ID, EQ_BANDS, IDS, Param
from realtime.preset import Preset, PresetError

AMOUNT_MAX = 1.5

# What an effect does is scaled; where it does it (a band's frequency, a time, a room) stays.
_SCALED = (
    *(f"eq{band}.gain_db" for band in range(1, EQ_BANDS + 1)),
    *("comp.ratio", "comp.makeup_gain_db", "dist.drive_db", "dist.mix"),
    *("reverb.wet", "reverb.dry"),
)
_GAIN_IN, _GAIN_OUT = "input.gain_db", "output.gain_db"


def with_amount(preset: Preset, amount: float) -> Preset:
    """`preset` done by half, in full or more: 0 is neutral, 1 is `preset`, up to 1.5 is beyond.

    What the effects do is scaled from neutral and stays within the table's ranges. The input gain
    stays too, since the compressor's threshold refers to the level behind it, and the output gain
    makes the gain of both the scaled one.

    Raises: ValueError if `amount` is outside 0..1.5.
    """
    if not 0.0 <= amount <= AMOUNT_MAX:
        raise ValueError(f"amount {amount:g} is outside 0..{AMOUNT_MAX:g}")
    if amount == 1.0:
        return preset
    values = {i: _between(BY_ID[i], BY_ID[i].neutral, preset[i], amount) for i in _SCALED}
    gain_db = amount * (preset[_GAIN_IN] + preset[_GAIN_OUT])
    values[_GAIN_OUT] = BY_ID[_GAIN_OUT].clamp(gain_db - preset[_GAIN_IN])
    return preset.with_values(values)


def morph(a: Preset, b: Preset, position: float) -> Preset:
    """The preset between `a` (position 0) and `b` (position 1), each parameter by its taper.

    Raises: ValueError if `position` is outside 0..1; PresetError if the two have different
    kinds of EQ bands, between which there is nothing.
    """
    if not 0.0 <= position <= 1.0:
        raise ValueError(f"morph position {position:g} is outside 0..1")
    if a.band_types != b.band_types:
        raise PresetError(
            f"no morph between {a.name!r} and {b.name!r}: "
            f"profiles {a.profile!r} and {b.profile!r} have different kinds of EQ bands"
        )
    if position in (0.0, 1.0):
        return b if position else a
    return a.with_values({i: _between(BY_ID[i], a[i], b[i], position) for i in IDS})


def _between(param: Param, start: float, end: float, position: float) -> float:
    """From `start` (0) through `end` (1) and beyond, through the taper, within the range."""
    if param.taper == "log":
        return param.clamp(start * (end / start) ** position)
    return param.clamp(start + (end - start) * position)
