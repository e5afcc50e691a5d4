"""A plugin in the place of one of our effects: its parameters follow what ours would be."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

from realtime.dsp.room import T60_MIN, T60_SPAN
from realtime.dsp.units import db_to_gain, gain_to_db
from realtime.params import BY_ID, IDS
from realtime.plugins import equaliser
from realtime.plugins.plugin_map import MapBand, PluginMap
from realtime.plugins.setting import MIX, PluginParam
from realtime.preset import Preset

Bands = tuple[tuple[str, float, float, float], ...]  # ours, as design_peq takes them

Q_MIN = BY_ID["eq1.q"].minimum
_FAR_DB = 1.0  # an equaliser's curve that is further off than this is said


def _quiet(message: str) -> None:
    pass


class Replacement:
    """One effect whose work a plugin does.

    It keeps what it has said already, and an equaliser's last curve, so that the next one is
    reached by way of bands that move, not by bands that change places.
    """

    def __init__(
        self,
        plugin_map: PluginMap,
        name: str,
        params: Mapping[str, PluginParam],
        say: Callable[[str], None] = _quiet,
    ) -> None:
        """name: the plugin's in the chain. params: of all plugins there, by "NAME.KEY".

        Raises: PluginError where the map names a parameter that the plugin has not, or a
        constant that it cannot take.
        """
        self.effect, self.name = plugin_map.replaces, name
        self._map, self._say = plugin_map, say
        self._said: set[str] = set()
        rows = {i.split(".", 1)[1]: p for i, p in params.items() if i.startswith(f"{name}.")}
        for key in plugin_map.targets:
            if key not in rows and key != MIX:
                close = difflib.get_close_matches(key, rows, n=1) or sorted(rows)
                message = f"{plugin_map.plugin} has no parameter {key!r}: it has {', '.join(close)}"
                raise plugin_map.error(key, message)
        for key, value in plugin_map.constants.items():
            if key in rows and not rows[key].contains(value):
                span = f"{rows[key].minimum:g}..{rows[key].maximum:g}"
                raise plugin_map.error(key, f"{key} is {value:g}, outside the plugin's {span}")
        self._rows = rows
        self._last: tuple[tuple[Bands, float], equaliser.Fit] | None = None

    def __getstate__(self) -> dict[str, object]:
        """Whom it tells does not go along to another process."""
        return {**vars(self), "_say": _quiet}

    @property
    def driven(self) -> tuple[str, ...]:
        """Ids of the plugin's parameters that follow ours, or that the map keeps still."""
        return tuple(f"{self.name}.{key}" for key in dict.fromkeys((MIX, *self._map.targets)))

    def values(self, preset: Preset, sample_rate: float) -> dict[str, float]:
        """Plain values by id of all the plugin's parameters that the map names, and of its mix.

        sample_rate: Hz, towards whose half the curves of equalisers bend. What goes beyond the
        plugin's range stands at its end, and is said the first time.
        """
        ours = sources(preset, self._map.wet_gain_db)
        wanted = {MIX: 1.0, **self._map.constants}
        for key, drive in self._map.drives.items():
            wanted[key] = drive.curve(ours[drive.source])
        if self.effect == "eq":
            wanted.update(self._equaliser(preset, sample_rate))
        return {f"{self.name}.{key}": self._clamped(key, value) for key, value in wanted.items()}

    def _clamped(self, key: str, value: float) -> float:
        if key == MIX:
            return min(1.0, max(0.0, value))
        row = self._rows[key]
        clamped = row.clamp(value)
        if abs(value - clamped) > 1e-6 * (row.maximum - row.minimum) and key not in self._said:
            self._said.add(key)
            unit = f" {row.unit}" if row.unit else ""
            self._say(
                f"{self.name}.{key} should be {value:.3g}{unit}, but the plugin ends at "
                f"{clamped:g}{unit}"
            )
        return clamped

    def _equaliser(self, preset: Preset, sample_rate: float) -> dict[str, float]:
        bands = tuple(
            (kind, preset[f"eq{b}.freq_hz"], preset[f"eq{b}.gain_db"], preset[f"eq{b}.q"])
            for b, kind in enumerate(preset.band_types, start=1)
        )
        if self._last is None or self._last[0] != (bands, sample_rate):
            near = self._last[1] if self._last else None
            self._last = (bands, sample_rate), self._fit(bands, sample_rate, near)
        fit = self._last[1]
        if fit.residual_db > _FAR_DB and "" not in self._said:
            self._said.add("")
            self._say(
                f"{self.name} comes within {fit.residual_db:.1f} dB of the equaliser's curve "
                "(root mean square), no closer"
            )
        wanted = {self._map.level: fit.level_db} if self._map.level else {}
        if self._map.graphic:
            gains = (gain for _, gain, _ in fit.bands)
            return wanted | dict(zip(self._map.graphic, gains, strict=True))
        for band, (freq_hz, gain_db, q) in zip(self._map.bands, fit.bands, strict=True):
            wanted[band.gain] = gain_db
            if isinstance(band.frequency, str):
                wanted[band.frequency] = freq_hz
            if isinstance(band.q, str):
                wanted[band.q] = band.q_curve(q)
        return wanted

    def _fit(self, bands: Bands, rate: float, near: equaliser.Fit | None) -> equaliser.Fit:
        level = self._range(self._map.level) if self._map.level else (0.0, 0.0)
        if self._map.graphic:
            ends = [self._range(key) for key in self._map.graphic]
            gains = max(low for low, _ in ends), min(high for _, high in ends)
            return equaliser.graphic(
                lambda hz: equaliser.curve_db(bands, hz, rate),
                tuple(self._map.graphic.values()), gains, level,
            )  # fmt: skip
        wanted = equaliser.curve_db(bands, equaliser.frequencies(rate), rate)
        theirs = [
            equaliser.Band(
                b.kind, self._range(b.frequency), self._range(b.gain), self._q_range(b), b.narrows
            )
            for b in self._map.bands
        ]
        return equaliser.fit_bands(wanted, theirs, level, rate, near)

    def _range(self, key: str | float) -> equaliser.Range:
        if not isinstance(key, str):
            return float(key), float(key)
        return self._rows[key].minimum, self._rows[key].maximum

    def _q_range(self, band: MapBand) -> equaliser.Range:
        """Of our q, as far as the plugin's own parameter for it goes."""
        if not isinstance(band.q, str):
            return band.q, band.q
        if not band.q_curve.points:
            low, high = self._range(band.q)
            return max(low, Q_MIN), max(high, Q_MIN)
        row = self._rows[band.q]
        reached = [ours for ours, theirs in band.q_curve.points if row.contains(theirs)]
        if not reached:
            raise self._map.error(band.q, f"no point of {band.q} is in the plugin's range")
        return reached[0], reached[-1]


def sources(preset: Preset, wet_gain_db: float = 0.0) -> dict[str, float]:
    """What a plugin's parameter may follow: the preset's values, and of the reverb also

    reverb.t60_s: seconds in the bass. reverb.balance: 0 dry to 1 wet, as the knob of a plugin
    that fades from one to the other, whose reverb alone is wet_gain_db loud for steady noise.
    reverb.level_db: what gain over all then makes up for that knob.
    """
    wet = preset["reverb.wet"] / db_to_gain(wet_gain_db)
    level = wet + preset["reverb.dry"]
    return {
        **{param_id: preset[param_id] for param_id in IDS},
        "reverb.t60_s": T60_MIN * T60_SPAN ** preset["reverb.room_size"],
        "reverb.balance": wet / level if level > 0.0 else 0.0,
        "reverb.level_db": float(gain_to_db(level)),
    }
