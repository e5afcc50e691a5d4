"""MIDI maps as TOML files: those that come with the player, and a person's own."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from realtime.atomic_file import write_text
from realtime.midi.mapping import DEFAULT, KINDS, MapControl, MapError, MidiMap, default_map, shown
from realtime.toml_text import TomlError, parse, read_text, toml_string
from realtime.user_files import user_folder

FORMAT = 1
FACTORY = Path(__file__).resolve().parent.parent.parent / "presets" / "midi"

_HEAD = ("format", "name", "description", "channel", "takeover", "control")
_OPTIONAL = tuple(
    f.name for f in fields(MapControl) if f.name not in ("target", "kind", "number", "param")
)


def factory_maps() -> list[str]:
    """Names of the maps that come with the player, sorted."""
    return sorted(path.stem for path in FACTORY.glob("*.toml"))


def user_maps() -> dict[str, Path]:
    """A person's own maps: name -> file."""
    return {path.stem: path for path in user_folder("midi").glob("*.toml")}


def load_map(name_or_path: str | None) -> MidiMap:
    """The default map, a map by its name, or any map by its file's path.

    A person's own map of a name goes before the one that comes with the player.

    Raises: MapError naming the file, and what is wrong where.
    """
    name = name_or_path or DEFAULT
    own = user_maps()
    if name in own:
        path = own[name]
    elif name == DEFAULT:
        return default_map()
    else:
        path = FACTORY / f"{name}.toml" if name in factory_maps() else Path(name)
    try:
        text = read_text(path)
    except TomlError as error:
        known = ", ".join(dict.fromkeys([*sorted(own), DEFAULT, *factory_maps()]))
        raise MapError(f"MIDI map {name!r}: {error} (known maps: {known})") from None
    try:
        return replace(read_map(text, path.stem), path=path)
    except MapError as error:
        raise MapError(f"MIDI map {str(path)!r}: {error}") from None


def save_map(midi_map: MidiMap) -> MidiMap:
    """Write a map to its own file, or beside a person's other maps if that is not theirs.

    Atomic: a kill in the middle leaves the old file. Returns the map with the path it now has.

    Raises: MapError where the file cannot be written.
    """
    path = midi_map.path
    if path is None or path.parent == FACTORY:
        stem = path.stem if path else re.sub(r"[^\w.-]+", "-", midi_map.name).strip(".") or DEFAULT
        path = user_folder("midi") / f"{stem}.toml"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, map_to_toml(midi_map))
    except (OSError, UnicodeEncodeError) as error:
        reason = getattr(error, "strerror", None) or "its name is no text"
        raise MapError(f"cannot write MIDI map {str(path)!r}: {reason}") from None
    return replace(midi_map, path=path)


def map_to_toml(midi_map: MidiMap) -> str:
    """A map as TOML; `read_map` gives it back."""
    head = [f"format = {FORMAT}", f"name = {_toml(midi_map.name)}"]
    for key in ("description", "channel", "takeover"):
        if getattr(midi_map, key):
            head.append(f"{key} = {_toml(getattr(midi_map, key))}")
    sections = []
    for control in midi_map.controls:
        lines = ["", "[[control]]", f"target = {_toml(control.target)}"]
        lines.append(f"{control.kind} = {control.number}")
        for key in _OPTIONAL:
            value = getattr(control, key)
            if value != MapControl.__dataclass_fields__[key].default:
                lines.append(f"{key} = {_toml(value)}")
        sections += lines
    return "\n".join([*head, *sections]) + "\n"


def read_map(text: str, name: str = "") -> MidiMap:
    """A map from TOML text; `name` where the text gives none.

    Raises: MapError naming the line of broken TOML, or the control and what is wrong with it.
    """
    try:
        data = parse(text)
    except TomlError as error:
        raise MapError(str(error)) from None
    if data.get("format", FORMAT) != FORMAT:
        raise MapError(f"format {shown(data['format'])} is not {FORMAT}, which this version reads")
    unknown = [key for key in data if key not in _HEAD]
    if unknown:
        raise MapError(f"unknown key {shown(unknown[0])}")
    head: dict[str, Any] = {key: data[key] for key in ("channel", "takeover") if key in data}
    for key, default in (("name", name), ("description", "")):
        head[key] = data.get(key, default)
        if not isinstance(head[key], str):
            raise MapError(f"{key} is {shown(head[key])}, not text")
    entries = data.get("control", [])
    if not isinstance(entries, list):
        raise MapError("control is not a list: write [[control]]")
    controls: list[MapControl] = []
    try:
        for entry in entries:
            try:
                controls.append(_control(entry))
            except MapError as error:
                raise MapError(str(error), len(controls)) from None
        return MidiMap(controls=tuple(controls), **head)
    except MapError as error:
        if error.control is None:
            raise
        raise MapError(f"{_place(text, entries, error.control)}: {error}") from None


def _control(entry: Any) -> MapControl:
    if not isinstance(entry, dict):
        raise MapError(f"{shown(entry)} is not a table")
    if "target" not in entry:
        raise MapError("no target")
    kinds = [kind for kind in KINDS if kind in entry]
    if len(kinds) != 1:
        raise MapError(f"one of {', '.join(KINDS)} must say which message, not {len(kinds)}")
    unknown = entry.keys() - {"target", *KINDS, *_OPTIONAL}
    if unknown:
        raise MapError(f"unknown key {shown(min(unknown))}")
    options = {key: entry[key] for key in _OPTIONAL if key in entry}
    return MapControl(entry["target"], kinds[0], entry[kinds[0]], **options)


def _place(text: str, entries: list[Any], index: int) -> str:
    """Where a person finds a control: its line, if that is plain to see, and its target."""
    starts = [n for n, line in enumerate(text.splitlines(), 1) if re.match(r"\s*\[\[", line)]
    line = f"line {starts[index]}, " if len(starts) == len(entries) else ""
    target = entries[index].get("target") if isinstance(entries[index], dict) else None
    return f"{line}control {index + 1}" + (f" ({target})" if isinstance(target, str) else "")


def _toml(value: object) -> str:
    if isinstance(value, str):
        return toml_string(value)
    if isinstance(value, bool):
        return str(value).lower()
    return repr(float(value)) if isinstance(value, float) else str(value)
