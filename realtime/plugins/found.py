"""Plugins as they lie on the disk: what is known of one, where they are, and how one is named.

Standard library only; nothing is loaded here.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_FILE_OF_SEVERAL = re.compile(r"(?i)(.+\.(?:vst3|component)):(.+)", re.S)


@dataclass(frozen=True)
class Found:
    """A plugin in a file, or what is wrong with the file. Immutable.

    path: of its file or bundle. name, vendor, version, category, identifier: as it says itself.
    component: its name in a file that holds several, "" for the only one. channels: as many as a
    block may have for it, of 1 and 2; empty for an instrument. problem: why it cannot be used,
    "" where it can.
    """

    path: str
    name: str = ""
    vendor: str = ""
    version: str = ""
    category: str = ""
    identifier: str = ""
    component: str = ""
    channels: tuple[int, ...] = ()
    is_instrument: bool = False
    problem: str = ""


def endings() -> tuple[str, ...]:
    """How the names of plugin files end that can be hosted here."""
    return (".vst3", ".component") if sys.platform == "darwin" else (".vst3",)


def standard_folders() -> list[Path]:
    """Where plugins are installed, a person's own first; $VST3_PATH names others in their place.

    Source: Steinberg, VST 3 plug-in locations; Apple, Audio Unit programming guide.
    """
    named = os.environ.get("VST3_PATH")
    if named:
        return [Path(folder) for folder in named.split(os.pathsep) if folder]
    if sys.platform == "darwin":
        roots = (Path.home(), Path("/"))
        kinds = ("VST3", "Components")
        return [root / "Library/Audio/Plug-Ins" / kind for root in roots for kind in kinds]
    if sys.platform == "win32":
        places = (("LOCALAPPDATA", "Programs/Common"), ("COMMONPROGRAMFILES", ""))
        return [Path(os.environ[at], below, "VST3") for at, below in places if at in os.environ]
    return [Path.home() / ".vst3", Path("/usr/lib/vst3"), Path("/usr/local/lib/vst3")]


def plugin_files(folders: Sequence[Path]) -> list[str]:
    """Paths of all plugin files and bundles in `folders` and below, in the folders' order."""
    seen: set[str] = set()
    return [path for folder in folders for path in _below(os.fspath(folder), seen)]


def _below(folder: str, seen: set[str]) -> Iterator[str]:
    real = os.path.realpath(folder)
    if real in seen:  # a link that leads back, or the same folder named twice
        return
    seen.add(real)
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name.casefold())
    except OSError:  # not there, or not for us to read
        return
    for entry in entries:
        if is_plugin_file(entry.name):
            yield entry.path
        elif entry.is_dir():
            yield from _below(entry.path, seen)


def is_plugin_file(path: str) -> bool:
    """Whether a file or bundle of this name is taken for a plugin."""
    return path.rstrip("/\\").casefold().endswith(endings())


def split_component(text: str) -> tuple[str, str]:
    """ "FILE.vst3:NAME" -> the file and which plugin of it; NAME "" where none is named."""
    match = _FILE_OF_SEVERAL.fullmatch(text)
    return (match[1], match[2]) if match else (text, "")


def stem_of(path: str) -> str:
    """A plugin file's name without folder and ending."""
    return Path(path).stem
