"""How near a plugin comes to the effect whose place it takes, by the maps in presets/plugins/.

    python -m benchmarks.plugin_maps [FOLDER]

Renders test signals through the real plugins of FOLDER (default /usr/lib/vst3) and through our
own chain at the same settings, and prints both; what the maps' curves say was read off here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfiltfilt

from benchmarks.plugin_child import open_plugin, render_plugin
from realtime.plugins.map_files import FACTORY, load_map
from realtime.plugins.plugin_map import PluginMap
from realtime.plugins.replace import Replacement
from realtime.plugins.setting import PluginError
from realtime.preset import Preset, load_preset
from realtime.transfer import render

Sound = npt.NDArray[np.float32]  # (channels, frames)
Effect = Callable[[Sound], Sound]

RATE = 48_000
FOLDER = "/usr/lib/vst3"
LEVELS_DBFS = np.arange(-60.0, 0.1, 3.0)


class Hosted:
    """A real plugin with which one of our effects is replaced.

    Raises: PluginError
    """

    def __init__(self, path: str, plugin_map: PluginMap) -> None:
        rows, self.channels = open_plugin(path)
        self.path, self.rows = path, {row.id: row for row in rows}
        self.said: list[str] = []
        self.replacement = Replacement(plugin_map, "plugin", self.rows, self.said.append)

    def at(self, preset: Preset) -> Effect:
        """The plugin as the map sets it for a preset, blended with the dry sound by its mix."""
        values = self.replacement.values(preset, RATE)
        mix = np.float32(values.pop("plugin.mix"))
        knobs = {self.rows[i].index: self.rows[i].to_unit(value) for i, value in values.items()}

        def effect(sound: Sound) -> Sound:
            parts = sound if self.channels == 1 else [sound]
            wet = [self._run(knobs, np.atleast_2d(part)) for part in parts]
            return mix * np.concatenate(wet) + (np.float32(1.0) - mix) * sound

        return effect

    def _run(self, knobs: Mapping[int, float], sound: Sound) -> Sound:
        """A mono sound through both sides of a stereo plugin comes back as its left."""
        wide = np.broadcast_to(sound, (self.channels, sound.shape[1]))
        return render_plugin(self.path, knobs, wide, RATE)[: len(sound)]


def ours(preset: Preset) -> Effect:
    """Our own chain."""
    return lambda sound: render(sound.T, preset, RATE).T


def square(level_dbfs: npt.ArrayLike, seconds: float) -> Sound:
    """A 500 Hz square wave, whose magnitude is its level at every sample: (1, frames)."""
    frames = round(seconds * RATE)
    sign = np.where(np.arange(frames) % 96 < 48, 1.0, -1.0)
    return (10.0 ** (np.asarray(level_dbfs) / 20.0) * sign).astype(np.float32)[None]


def static_gain_db(effect: Effect) -> npt.NDArray[np.float64]:
    """Gain at LEVELS_DBFS once it has settled, half a second each."""
    gains = []
    for level in LEVELS_DBFS:
        sound = square(level, 0.5)
        tail = slice(-RATE // 20, None)
        gains.append(_db(np.abs(effect(sound)[0, tail]).mean() / np.abs(sound[0, tail]).mean()))
    return np.array(gains)


def step_ms(effect: Effect, quiet_dbfs: float, loud_dbfs: float) -> tuple[float, float]:
    """After how many ms 63 % of the gain's step in dB are done, up to loud and down again."""
    frames = 3 * RATE
    levels = np.repeat([quiet_dbfs, loud_dbfs, quiet_dbfs], frames)
    sound = square(levels, 9.0)
    gain = _db(np.abs(effect(sound)[0] / sound[0]))
    attack, release = gain[frames - 1 : 2 * frames], gain[2 * frames - 1 :]
    return _time_ms(attack), _time_ms(release)


def _time_ms(gain_db: npt.NDArray) -> float:
    way = np.abs(gain_db - gain_db[0]) / max(abs(gain_db[-1] - gain_db[0]), 1e-3)
    return float(np.argmax(way >= 1.0 - np.exp(-1.0)) / RATE * 1e3)


def response_db(effect: Effect, at_hz: npt.NDArray) -> npt.NDArray[np.float64]:
    """Magnitude in dB at these frequencies, from an impulse of -40 dBFS."""
    sound = np.zeros((1, 1 << 16), np.float32)
    sound[0, 0] = 0.01
    spectrum = np.abs(np.fft.rfft(effect(sound)[0].astype(np.float64))) / 0.01
    return np.interp(at_hz, np.fft.rfftfreq(sound.shape[1], 1.0 / RATE), _db(spectrum))


def t60_s(effect: Effect) -> float:
    """Seconds to -60 dB around 700 Hz, from Schroeder's integral between -5 and -35 dB."""
    sound = np.zeros((1, 8 * RATE), np.float32)
    sound[0, 0] = 0.5
    band = butter(3, (350.0, 1_400.0), "bandpass", fs=RATE, output="sos")
    decay = np.cumsum(sosfiltfilt(band, effect(sound)[0])[::-1] ** 2)[::-1]
    decay_db = _db(np.sqrt(decay / decay[0]))
    start, end = np.argmax(decay_db <= -5.0), np.argmax(decay_db <= -35.0)
    return float(end - start) / RATE * 2.0


def noise_gain_db(effect: Effect) -> float:
    """How loud steady noise comes out, after two seconds of it."""
    noise = 0.1 * np.random.default_rng(1).standard_normal((1, 4 * RATE)).astype(np.float32)
    return float(_db(effect(noise)[0, 2 * RATE :].std() / noise[0, 2 * RATE :].std()))


def harmonics_db(effect: Effect, level_dbfs: float) -> tuple[float, float]:
    """A 1 kHz sine of that peak level: its own level and its harmonics' (2nd to 9th), in dB."""
    time = np.arange(RATE) / RATE
    sound = (10.0 ** (level_dbfs / 20.0) * np.sin(2e3 * np.pi * time)).astype(np.float32)[None]
    tail = effect(sound)[0, -RATE // 2 :].astype(np.float64)
    lines = np.abs(np.fft.rfft(tail))[500 * np.arange(1, 10)] / (len(tail) / 2)
    return float(_db(lines[0])), float(_db(np.sqrt((lines[1:] ** 2).sum()) / lines[0]))


def _db(ratio: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return 20.0 * np.log10(np.maximum(np.abs(ratio), 1e-10))


def compare_compressor(hosted: Hosted) -> None:
    """Static curves and times, over thresholds, ratios and knees."""
    for threshold, ratio, knee in ((-40.0, 2.0, 0.0), (-30.0, 4.0, 6.0), (-20.0, 10.0, 12.0)):
        settings = {"comp.threshold_db": threshold, "comp.ratio": ratio, "comp.knee_db": knee}
        preset = Preset.neutral().with_values(settings)
        far = static_gain_db(hosted.at(preset)) - static_gain_db(ours(preset))
        print(f"  threshold {threshold:g} ratio {ratio:g} knee {knee:g}: gain differs by "
              f"{far.min():+.2f}..{far.max():+.2f} dB at {LEVELS_DBFS[0]:g}..0 dBFS")  # fmt: skip
    for attack, release in ((0.1, 20.0), (1.0, 50.0), (10.0, 100.0), (50.0, 400.0), (100.0, 10.0)):
        times = {"comp.attack_ms": attack, "comp.release_ms": release}
        preset = Preset.neutral().with_values(
            {"comp.threshold_db": -30.0, "comp.ratio": 4.0, **times}
        )
        theirs, mine = (step_ms(e, -50.0, -6.0) for e in (hosted.at(preset), ours(preset)))
        print(f"  attack {attack:g} release {release:g} ms: plugin {_pair(theirs)}, "
              f"ours {_pair(mine)}")  # fmt: skip


def compare_equaliser(hosted: Hosted) -> None:
    """Curves of the factory presets' equalisers."""
    at_hz = np.geomspace(30.0, 16_000.0, 200)
    for name in ("podcast-warm", "bright-and-tight", "de-mud", "broadcast-voice", "telephone"):
        preset = Preset.neutral().with_values(
            {i: v for i, v in load_preset(name).items() if i.startswith("eq")}
        )
        wanted = response_db(ours(preset), at_hz)
        far = response_db(hosted.at(preset), at_hz) - wanted
        print(f"  {name}: curve of {_rms(wanted):.2f} dB rms, differs by {_rms(far):.2f} rms, "
              f"{np.abs(far).max():.2f} at most")  # fmt: skip


def compare_reverb(hosted: Hosted) -> None:
    """Decay and level, over rooms and balances."""
    neutral = Preset.neutral()
    for room_size in (0.3, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7):
        preset = neutral.with_values(
            {"reverb.room_size": room_size, "reverb.wet": 1.0, "reverb.dry": 0.0}
        )
        effects = (hosted.at(preset), ours(preset))
        print(f"  room size {room_size:g}: T60 {_pair([t60_s(e) for e in effects])} s, "
              f"steady noise {_pair([noise_gain_db(e) for e in effects])} dB")  # fmt: skip
    for wet, dry in ((0.2, 1.0), (0.5, 0.7)):
        preset = neutral.with_values(
            {"reverb.room_size": 0.5, "reverb.wet": wet, "reverb.dry": dry}
        )
        loud = [noise_gain_db(e) for e in (hosted.at(preset), ours(preset))]
        print(f"  wet {wet:g} dry {dry:g}: steady noise {_pair(loud)} dB")


def compare_distortion(hosted: Hosted) -> None:
    """Level and harmonics of a sine, over drives and levels."""
    for drive in (0.0, 6.0, 12.0, 18.0, 24.0, 36.0):
        for level in (-24.0, -12.0):
            preset = Preset.neutral().with_values({"dist.drive_db": drive, "dist.mix": 1.0})
            theirs, mine = (harmonics_db(e, level) for e in (hosted.at(preset), ours(preset)))
            print(f"  drive {drive:g} dB, sine of {level:g} dBFS: level and harmonics "
                  f"{_pair(theirs)}, ours {_pair(mine)} dB")  # fmt: skip


COMPARE: Mapping[str, Callable[[Hosted], None]] = {
    "eq": compare_equaliser,
    "comp": compare_compressor,
    "dist": compare_distortion,
    "reverb": compare_reverb,
}


def _rms(values: npt.NDArray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _pair(values: Sequence[float]) -> str:
    return " / ".join(f"{v:.2f}" for v in values)


def main() -> None:
    """Compare every map whose plugin is in the folder."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else FOLDER)
    for path in sorted(FACTORY.glob("*.toml")):
        plugin_map = load_map(path)
        print(f"{plugin_map.plugin} for {plugin_map.replaces}")
        try:
            hosted = Hosted(str(folder / f"{plugin_map.plugin}.vst3"), plugin_map)
        except PluginError as error:
            print(f"  {error}")
            continue
        COMPARE[plugin_map.replaces](hosted)
        for line in hosted.said:
            print(f"  {line}")


if __name__ == "__main__":
    main()
