"""What a session was: filled by the engine and the file driver, read by the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from realtime.audio_files import to_channels
from realtime.measure import Sound, measure
from realtime.midi.status import MidiStatus
from realtime.params import PROFILES
from realtime.plugins.setting import PluginParam, PluginSetting
from realtime.plugins.status import PluginStatus
from realtime.preset import Preset
from realtime.style import Reference

# What stands in a predicted preset though no model names it: the chain's gain staging.
_STAGING = ("input.gain_db", "output.gain_db")


def predicted_ids(preset: Preset) -> frozenset[str]:
    """Ids of a predicted preset that were chosen for its pair of recordings."""
    return frozenset((*PROFILES[preset.profile].predicted, *_STAGING))


def reference_sounds(references: Sequence[Reference], channels: int) -> dict[str, Sound]:
    """Measures of "reference", or of "reference 1" and "reference 2", as heard on the output."""
    names = [f"reference {n}" for n in range(1, len(references) + 1)]
    return {
        name if len(references) > 1 else "reference": measure(
            to_channels(reference.audio, channels), reference.sample_rate
        )
        for name, reference in zip(names, references, strict=True)
    }


def underflows(counters: Mapping[str, int]) -> int:
    """Blocks for which the device had no input, or got its output too late."""
    return counters["input_underflows"] + counters["output_underflows"]


def overflows(counters: Mapping[str, int]) -> int:
    """Blocks before which the device dropped input, or output that had no room."""
    return counters["input_overflows"] + counters["output_overflows"]


@dataclass
class Session:
    """One run of the chain, live or over a file.

    place: devices or files, for a person. origin: where the preset comes from, for a person.
    predicted: ids whose values a model chose. by_hand: ids that a person set.
    sample_rate: Hz. seconds: how long audio ran.
    sounds: "input", "reference" (or two), "output" -> measures, those that exist, each as it is
        heard on the output's channels, so that they compare.
    counters: the bridge's. dsp_us: percentiles of the time one block took, in microseconds.
    latency_ms: as the driver reports it; 0 for a file. priority: of the audio thread, for a person.
    render_seconds: how long a file took to render; None for a live session.
    midi: what was received, where MIDI was on.
    plugins: how the hosted ones did, live. plugin_params: id -> row of theirs.
    notes: what went wrong or is worth knowing, one line each.
    """

    place: str
    sample_rate: int
    channels: int
    preset: Preset
    origin: str
    predicted: frozenset[str] = frozenset()
    by_hand: frozenset[str] = frozenset()
    seconds: float = 0.0
    latency_ms: float = 0.0
    priority: str = ""
    render_seconds: float | None = None
    sounds: Mapping[str, Sound] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    dsp_us: Mapping[str, float] = field(default_factory=dict)
    midi: MidiStatus | None = None
    plugins: Sequence[PluginStatus] = ()
    plugin_params: Mapping[str, PluginParam] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def hosted(self) -> list[tuple[PluginSetting, PluginStatus]]:
        """The preset's plugins, and how each did."""
        known = {status.name: status for status in self.plugins}
        return [(p, known.get(p.name, PluginStatus(p.name))) for p in self.preset.plugins]

    @property
    def plugin_frames(self) -> int:
        """By how much the plugins delay the sound, all together."""
        return sum(status.latency_frames for status in self.plugins)

    def stats(self) -> dict[str, object]:
        """The machine-readable part, as `--stats` writes it."""
        count = self.counters
        return {
            "blocks": count["blocks"],
            "frames": count["frames"],
            "late_blocks": count["late_blocks"],
            "underflows": underflows(count),
            "overflows": overflows(count),
            "nonfinite_resets": count["nonfinite_resets"],
            "dsp_us": {key: self.dsp_us[key] for key in ("p50", "p99", "p999", "max")},
            "latency_ms": self.latency_ms,
            "priority": self.priority,
            "plugins": [
                {
                    **asdict(status),
                    "path": plugin.path,
                    "slot": plugin.point,
                    "identifier": plugin.identifier,
                    "version": plugin.version,
                }
                for plugin, status in self.hosted()
            ],
            "preset": dict(self.preset),
        }
