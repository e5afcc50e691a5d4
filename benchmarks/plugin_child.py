"""Real plugins in a process of their own: they may crash, and they change the float mode."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from realtime.plugins.loading import describe, load, parameters_of, process
from realtime.plugins.setting import PluginParam

_BLOCK = 512
_REST_SECONDS = 3
_loaded: dict[str, Any] = {}  # in the child


@lru_cache(maxsize=1)
def _child() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))


def open_plugin(path: str) -> tuple[tuple[PluginParam, ...], int]:
    """Its parameters as "plugin.KEY", and how many channels it takes. Raises: PluginError"""
    return _child().submit(_open, path).result()


def render_plugin(
    path: str, normalised: Mapping[int, float], sound: npt.NDArray[np.float32], rate: int
) -> npt.NDArray[np.float32]:
    """(channels, frames) through an opened plugin, from rest, its parameters set first."""
    return _child().submit(_render, path, dict(normalised), sound, rate).result()


def _open(path: str) -> tuple[tuple[PluginParam, ...], int]:
    plugin = load(path)
    rows = describe(plugin, "plugin")
    _loaded[path] = plugin
    try:
        process(plugin, np.zeros((2, 64), np.float32), 48_000)
    except ValueError:
        return rows, 1
    return rows, 2


def _render(
    path: str, normalised: dict[int, float], sound: npt.NDArray[np.float32], rate: int
) -> npt.NDArray[np.float32]:
    plugin = _loaded[path]
    knobs = parameters_of(plugin)
    for index, value in normalised.items():
        knobs[index].raw_value = value
    # Silence until it has taken the values and rings no more: some do not survive a reset.
    quiet = np.zeros((len(sound), _REST_SECONDS * rate), np.float32)
    return _blocks(plugin, np.concatenate([quiet, sound], axis=1), rate)[:, quiet.shape[1] :]


def _blocks(plugin: Any, sound: npt.NDArray, rate: int) -> npt.NDArray[np.float32]:
    starts = range(0, sound.shape[1], _BLOCK)
    parts = [process(plugin, sound[:, k : k + _BLOCK], rate) for k in starts]
    return np.concatenate(parts, axis=1)
