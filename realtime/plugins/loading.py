"""A plugin's file -> a loaded plugin, and what its parameters are: the door to pedalboard.

Loading and describing run the plugin's own code, which may crash: only in a child process.
"""

from __future__ import annotations

import contextlib
import math
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pedalboard

from realtime.plugins.curves import curve_of
from realtime.plugins.setting import MIX, SMOOTHING_MS, PluginError, PluginParam

NO_CC = -1  # no control change moves a plugin's parameter until one is mapped to it

# What a plugin's framework shows as parameters though it is the host's to say.
_HOSTS = re.compile(r"buffer size|sample rate|latency|(current )?program|midi cc .*|p\d{3}", re.I)
_METERS = re.compile(r"\b(gain reduction|meter|vu|output level)\b", re.I)
_RATE = 48_000.0
_SILENCE_FRAMES = 64


def load(path: str, component: str = "") -> Any:
    """A new instance of the effect in a file or bundle; `component` of one that holds several.

    Main thread only. Raises: PluginError, one line.
    """
    plugin = load_any(path, component)
    if plugin.is_instrument:
        raise PluginError(f"{path}: {plugin.name} is an instrument, not an effect")
    return plugin


def load_any(path: str, component: str = "", silence_seconds: float = 10.0) -> Any:
    """As `load`, whether it is an effect or an instrument.

    silence_seconds: for which an instrument that gives no sound is waited for, as it may have
    samples to load.

    pedalboard's own loader asks for a thousand texts of each parameter, for which some plugins
    take a minute; here none is asked for.
    """
    kind = _kind(path)
    try:
        with _without_probing(kind):
            return kind(path, plugin_name=component or None, initialization_timeout=silence_seconds)
    except (ImportError, ValueError, RuntimeError) as error:
        raise PluginError(f"{path}: {' '.join(str(error).split())}") from None


def components_of(path: str) -> list[str]:
    """Names of the plugins in a file or bundle. Raises: PluginError, one line."""
    try:
        return list(_kind(path).get_plugin_names_for_file(path))
    except (ImportError, ValueError, RuntimeError) as error:
        raise PluginError(f"{path}: {' '.join(str(error).split())}") from None


def _kind(path: str) -> Any:
    return pedalboard.AudioUnitPlugin if _is_audio_unit(path) else pedalboard.VST3Plugin


def _is_audio_unit(path: str) -> bool:
    return sys.platform == "darwin" and path.rstrip("/").endswith((".component", ".appex"))


@contextlib.contextmanager
def _without_probing(kind: Any) -> Iterator[None]:
    """Have pedalboard's constructor leave a plugin's parameters alone."""
    kind.__set_initial_parameter_values__ = lambda plugin, values: None
    try:
        yield
    finally:
        del kind.__set_initial_parameter_values__


def state_of(plugin: Any) -> bytes:
    """What the plugin itself saves."""
    return bytes(plugin.raw_state)


def restore(plugin: Any, state: bytes) -> None:
    """Give the plugin back what `state_of` gave; nothing for empty bytes."""
    if state:
        object.__setattr__(plugin, "raw_state", state)  # pedalboard's own would probe first


def parameters_of(plugin: Any) -> list[Any]:
    """pedalboard's own objects of all parameters, in the order of `PluginParam.index`."""
    return list(plugin._parameters)


def process(plugin: Any, audio: np.ndarray, sample_rate: float) -> np.ndarray:
    """float32 (channels, frames) through the plugin, which goes on from the last call.

    Shorter while its reported latency fills: what comes out is compensated for it. Raises:
    ValueError if the plugin takes another number of channels.
    """
    return plugin.process(audio, sample_rate, buffer_size=audio.shape[1], reset=False)


def describe(plugin: Any, name: str) -> tuple[PluginParam, ...]:
    """A row for each parameter that a hand may move, from what the plugin says of it.

    name: the plugin's in its chain. What belongs to the host (buffer size, sample rate, program)
    and what only shows something (gain reduction, levels) has none. Call it on a plugin that was
    just loaded: its defaults are where the parameters stand now. Ends with the plugin reset.
    """
    parameters = parameters_of(plugin)
    shown = [p for p in parameters if p.name.strip() and not _HOSTS.fullmatch(p.name.strip())]
    meters = _meters(plugin, shown)
    rows, keys = [], {MIX}
    for parameter in shown:
        if parameter.index in meters:
            continue
        curve = curve_of(parameter)
        key = _key(parameter.name, curve.unit, keys)
        keys.add(key)
        row = PluginParam(
            f"{name}.{key}", curve.unit, min(curve.plains), max(curve.plains), 0.0, 0.0, "linear",
            0.0 if curve.stepped else SMOOTHING_MS, NO_CC, " ".join(parameter.name.split()),
            parameter.index, curve.units, curve.plains, curve.texts,
        )  # fmt: skip
        start = _legible(row.from_unit(parameter.raw_value), row.maximum - row.minimum)
        rows.append(PluginParam(**{**vars(row), "default": start, "neutral": start}))
    return tuple(rows)


def _legible(value: float, span: float) -> float:
    """Without the digits that only a normalised float32 has put there."""
    return round(value, 6 - math.ceil(math.log10(span)))


def _key(name: str, unit: str, taken: set[str]) -> str:
    """A parameter's name as in Python, without the unit, with a number if another has it."""
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word]
    if len(words) > 1 and words[-1] == unit.lower():
        words.pop()
    key = first = "_".join(words) or "parameter"
    number = 1
    while key in taken:
        number += 1
        key = f"{first}_{number}"
    return key


def _meters(plugin: Any, parameters: Sequence[Any]) -> set[int]:
    """Numbers of those parameters that only show something: what they are set to is not saved.

    VST3 marks meters as read-only, which pedalboard does not pass on. That a parameter is not to
    be automated, which it does, is true of some real ones, and is not said of some meters. Only
    those that may be meters are tried: moving any others could make a plugin loud, or crash it.
    """
    suspects = [p for p in parameters if not p.is_automatable or _METERS.search(p.name)]
    if not suspects:
        return set()
    before = _settled(plugin)
    return {p.index for p in suspects if not _saved(plugin, p, before)}


def _saved(plugin: Any, parameter: Any, before: bytes) -> bool:
    """Whether moving it changes what the plugin saves; puts it back."""
    stood = parameter.raw_value
    parameter.raw_value = 1.0 if stood < 0.5 else 0.0
    after = _settled(plugin)
    parameter.raw_value = stood
    _settled(plugin)
    return after != before


def _settled(plugin: Any) -> bytes:
    """What the plugin saves once it has heard of the parameters, which comes with sound."""
    for channels in (2, 1):
        with contextlib.suppress(ValueError):
            process(plugin, np.zeros((channels, _SILENCE_FRAMES), np.float32), _RATE)
            break
    state = state_of(plugin)
    plugin.reset()
    return state
