"""Between presets: how much of one (`with_amount`), and how far from one to another (`morph`).

Every parameter moves through its taper: frequencies in octaves, times in ratios, gains in dB.
Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from realtime.params import BY_ID, EQ_BANDS, IDS, Param
from realtime.plugins.setting import MIX, PluginSetting
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
    makes the gain of both the scaled one. Of a plugin its mix is scaled, up to all of it.

    Raises: ValueError if `amount` is outside 0..1.5.
    """
    if not 0.0 <= amount <= AMOUNT_MAX:
        raise ValueError(f"amount {amount:g} is outside 0..{AMOUNT_MAX:g}")
    if amount == 1.0:
        return preset
    values = {i: _between(BY_ID[i], BY_ID[i].neutral, preset[i], amount) for i in _SCALED}
    gain_db = amount * (preset[_GAIN_IN] + preset[_GAIN_OUT])
    values[_GAIN_OUT] = BY_ID[_GAIN_OUT].clamp(gain_db - preset[_GAIN_IN])
    values |= {f"{p.name}.{MIX}": min(1.0, amount * p.mix) for p in preset.plugins}
    return preset.with_values(values)


def morph(a: Preset, b: Preset, position: float, rows: Mapping[str, Param] | None = None) -> Preset:
    """The preset between `a` (position 0) and `b` (position 1), each parameter by its taper.

    A plugin of both goes from the one setting to the other, by its parameters' `rows` (id ->
    row), or where they are not known, in straight lines; its state, and what only one of the
    two sets, changes halfway. A plugin of only one fades out or in.

    Raises: ValueError if `position` is outside 0..1; PresetError if the two have different
    kinds of EQ bands, or different plugins of one name, between which there is nothing.
    """
    if not 0.0 <= position <= 1.0:
        raise ValueError(f"morph position {position:g} is outside 0..1")
    if a.band_types != b.band_types:
        raise PresetError(
            f"no morph between {a.name!r} and {b.name!r}: "
            f"profiles {a.profile!r} and {b.profile!r} have different kinds of EQ bands"
        )
    _check_plugins(a, b)
    if position in (0.0, 1.0):
        return b if position else a
    plugins = _plugins_between(a, b, position, rows or {})
    values = {i: _between(BY_ID[i], a[i], b[i], position) for i in IDS}
    return a.with_plugins(plugins).with_values(values)


def _between(param: Param, start: float, end: float, position: float) -> float:
    """From `start` (0) through `end` (1) and beyond, through the taper, within the range."""
    if param.taper == "log":
        return param.clamp(start * (end / start) ** position)
    return param.clamp(start + (end - start) * position)


def _check_plugins(a: Preset, b: Preset) -> None:
    identities = {plugin.name: plugin.identity for plugin in a.plugins}
    for plugin in b.plugins:
        if identities.get(plugin.name, plugin.identity) != plugin.identity:
            raise PresetError(
                f"no morph between {a.name!r} and {b.name!r}: {plugin.name!r} is another plugin, "
                "or elsewhere in the chain"
            )


def _plugins_between(
    a: Preset, b: Preset, position: float, rows: Mapping[str, Param]
) -> list[PluginSetting]:
    starts, ends = ({p.name: p for p in preset.plugins} for preset in (a, b))
    plugins = []
    for name in dict.fromkeys((*starts, *ends)):
        start, end = starts.get(name), ends.get(name)
        if start is None or end is None:
            alone = start or end
            assert alone is not None
            part = 1.0 - position if start else position
            plugins.append(replace(alone, mix=alone.mix * part))
        else:
            plugins.append(_plugin_between(start, end, position, rows))
    return plugins


def _plugin_between(
    start: PluginSetting, end: PluginSetting, position: float, rows: Mapping[str, Param]
) -> PluginSetting:
    nearer = start if position < 0.5 else end
    starts, values = dict(start.values), dict(nearer.values)
    for key, last in end.values:
        if key not in starts:
            continue
        ends = starts[key], last
        row = rows.get(f"{start.name}.{key}")
        if ends[0] == ends[1]:
            values[key] = last
        elif row is None:
            values[key] = _straight(*ends, position)
        else:
            units = row.to_unit(ends[0]), row.to_unit(ends[1])
            values[key] = row.from_unit(_straight(*units, position))
    mix = min(1.0, max(0.0, _straight(start.mix, end.mix, position)))
    # Of what stands in only one of the two, the nearer one's is taken.
    return replace(nearer, values=()).with_values({**values, MIX: mix})


def _straight(start: float, end: float, position: float) -> float:
    return start + (end - start) * position
