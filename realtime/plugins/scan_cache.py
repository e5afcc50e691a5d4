"""What was found in plugin files, kept for the next time in the user's cache folder.

An entry holds as long as the file is as it was. A cache that cannot be read is an empty one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from realtime import atomic_file
from realtime.plugins.found import Found
from realtime.user_files import cache_folder

_FORMAT = 1
_KINDS = {field.name: type(field.default) for field in fields(Found) if field.name != "path"}

Stamp = tuple[int, int]


def cache_path() -> Path:
    """Where it is kept; it may not exist yet."""
    return cache_folder() / "plugins.json"


class ScanCache:
    """Plugin files and what is in them, read once and written by `save`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = _read(path)

    def get(self, plugin_file: str) -> tuple[Found, ...]:
        """What is in it; empty where that is not known, or it is not as it was."""
        kept = self._entries.get(plugin_file)
        if kept is None or kept[0] != stamp_of(plugin_file):
            return ()
        return kept[1]

    def put(self, plugin_file: str, stamp: Stamp, found: tuple[Found, ...]) -> None:
        """stamp: from before it was looked at."""
        self._entries[plugin_file] = (stamp, found)

    def save(self) -> None:
        """Write it; nothing where that cannot be done, for it is found again."""
        files = {
            path: {"stamp": list(stamp), "plugins": [_plain(plugin) for plugin in found]}
            for path, (stamp, found) in self._entries.items()
            if os.path.exists(path)
        }
        text = json.dumps({**_header(), "files": files}, indent=1)
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            atomic_file.write_text(self._path, text + "\n")


def stamp_of(plugin_file: str) -> Stamp:
    """When the newest of a plugin's binaries was written (ns), and how large they are together."""
    paths = [Path(plugin_file)]
    with contextlib.suppress(OSError):
        if os.path.isdir(plugin_file):  # a bundle: its binaries are in Contents/SYSTEM
            paths = [Path(plugin_file, "Contents"), *Path(plugin_file, "Contents").glob("*/*")]
    newest = size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            newest, size = max(newest, status.st_mtime_ns), size + status.st_size
    return newest, size


@lru_cache(maxsize=1)
def _header() -> dict[str, object]:
    """What an entry depends on beside its file."""
    return {"format": _FORMAT, "host": f"pedalboard {version('pedalboard')}"}


def _plain(plugin: Found) -> dict[str, Any]:
    return {key: value for key, value in asdict(plugin).items() if key != "path"}


def _read(path: Path) -> dict[str, tuple[Stamp, tuple[Found, ...]]]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if {key: document[key] for key in _header()} != _header():
            return {}
        return {at: _entry(at, entry) for at, entry in document["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _entry(path: str, entry: Mapping[str, Any]) -> tuple[Stamp, tuple[Found, ...]]:
    """Raises: one of what `_read` catches where it is not as `save` writes it."""
    newest, size = map(int, entry["stamp"])
    found = []
    for plugin in entry["plugins"]:
        values = {**plugin, "channels": tuple(map(int, plugin["channels"]))}
        if {key: type(value) for key, value in values.items()} != _KINDS:
            raise ValueError(path)
        found.append(Found(path, **values))
    return (newest, size), tuple(found)
