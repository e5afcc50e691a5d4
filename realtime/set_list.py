"""Set lists: the presets of an evening in their order, read from TOML.

format = 1
name = "Friday"
presets = ["telephone", "mine/solo.toml"]  # factory presets, or files beside this one
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from realtime.preset import Preset, PresetError, factory_presets, load_preset
from realtime.toml_text import TomlError, parse, read_text

FORMAT = 1


class SetListError(ValueError):
    """A set list that cannot be used; the message names file, entry and reason in one line."""


@dataclass(frozen=True)
class Entry:
    """A preset and what a set list or a bank calls it."""

    name: str
    preset: Preset

    @property
    def origin(self) -> str:
        """What a person reads of where the sound comes from."""
        description = f": {self.preset.description}" if self.preset.description else ""
        return f"preset {self.name!r}{description}"


@dataclass(frozen=True)
class SetList:
    """Presets in their order, at least one."""

    name: str
    entries: tuple[Entry, ...]


def load_set_list(path: str | os.PathLike[str]) -> SetList:
    """Read a set list and every preset it names.

    Raises: SetListError naming the file and what is wrong with it, or which entry and why.
    """
    where = f"set list {str(path)!r}"
    try:
        data = parse(read_text(Path(path)))
    except TomlError as error:
        raise SetListError(f"{where}: {error}") from None
    unknown = sorted(data.keys() - {"format", "name", "presets"})
    if unknown:
        raise SetListError(f"{where}: unknown key {unknown[0]!r}")
    if data.get("format") != FORMAT:
        raise SetListError(f"{where}: it needs 'format = {FORMAT}', the one this version reads")
    name, presets = data.get("name", ""), data.get("presets")
    if not isinstance(name, str):
        raise SetListError(f"{where}: name is {name!r}, not text")
    if not isinstance(presets, list) or not presets:
        raise SetListError(f"{where}: presets must be a list of names and files, at least one")
    folder = Path(path).parent
    entries = [_entry(where, n, given, folder) for n, given in enumerate(presets, start=1)]
    return SetList(name or Path(path).stem, tuple(entries))


def _entry(where: str, number: int, given: object, folder: Path) -> Entry:
    if not isinstance(given, str):
        raise SetListError(f"{where}: entry {number} is {given!r}, not a name or a file")
    try:
        if given in factory_presets():
            return Entry(given, load_preset(given))
        return load_entry(folder / given)
    except PresetError as error:
        raise SetListError(f"{where}: entry {number}: {error}") from None


def load_entry(path: Path) -> Entry:
    """A preset file as an entry. Raises: PresetError"""
    return Entry(path.stem, load_preset(str(path)))
