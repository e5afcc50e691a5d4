"""What `afx-live --list-...` shows; each gives the exit status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from realtime.plugins.found import Found


def list_presets() -> int:
    """The factory presets and a person's own, with their MIDI program numbers."""
    from realtime.preset import PresetError, factory_presets, load_preset
    from realtime.user_files import user_presets

    print("MIDI bank 1, and bank 0 without a set list:")
    for number, name in enumerate(factory_presets()):
        print(f"{number:>3}  {name:<20}{load_preset(name).description}")
    own = user_presets()
    if own:
        print(f"MIDI bank 2, in {str(own[0].parent)!r}:")
    for number, path in enumerate(own):
        try:
            print(f"{number:>3}  {path.stem:<20}{load_preset(str(path)).description}")
        except PresetError as error:
            print(f"{number:>3}  {path.stem:<20}cannot be used: {error}")
    return 0


def list_devices() -> int:
    """The sound devices. Raises: AudioDeviceError"""
    from realtime import audio_io

    devices = audio_io.list_devices()
    if not devices:
        print("no sound devices: is the card plugged in, or the JACK server running?")
    for d in devices:
        sides = [("input", d.is_default_input), ("output", d.is_default_output)]
        default = ", ".join(side for side, is_default in sides if is_default)
        mark = f"  (default {default})" if default else ""
        print(f"{d.index:>3}: {d.full_name}  {d.inputs} in, {d.outputs} out{mark}")
    return 0


def list_plugins() -> int:
    """The installed plugins, those that cannot be used last, each with what is wrong."""
    from realtime.plugins.found import standard_folders
    from realtime.plugins.scan import list_plugins as scan
    from realtime.plugins.scan_cache import cache_path
    from realtime.voice import Voice

    voice = Voice(sys.stderr)
    found = scan(progress=lambda done, total: voice.status(f"examined {done} of {total} plugins"))
    voice.close()
    rows = [
        (p.name, p.vendor, p.category, _width(p), _shown(p.path, p.component))
        for p in sorted(found, key=lambda p: p.name.casefold())
        if not p.problem
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    for row in rows:
        cells = [f"{cell:<{width}}  " for cell, width in zip(row[:-1], widths, strict=True)]
        print("".join(cells) + row[-1])
    broken = [p for p in found if p.problem]
    for p in broken:
        print(f"{_shown(p.path, p.component)} cannot be used: {p.problem}")
    if broken:
        print(f"examined again once they change, or without {str(cache_path())!r}")
    if not found:
        print(f"no plugins in {', '.join(map(str, standard_folders()))}")
    return 0


def _width(plugin: Found) -> str:
    if plugin.is_instrument:
        return "instrument"
    return ", ".join(("mono", "stereo")[channels - 1] for channels in plugin.channels) or "none"


def _shown(path: str, component: str) -> str:
    """As --insert takes it; characters that a terminal would obey are spelled out."""
    named = f"{path}:{component}" if component else path
    return named if named.isprintable() else repr(named)


def list_midi() -> int:
    """The MIDI ports of other programs and devices."""
    from realtime.midi.systems import list_ports

    ports = list_ports()
    if not ports:
        print("no MIDI ports: is the controller plugged in?")
    for kind, name in ports:
        print(f"{kind:<8}{name}")
    return 0


def list_maps() -> int:
    """The MIDI maps that --map knows by name."""
    from realtime.midi import MidiError
    from realtime.midi.mapping import DEFAULT
    from realtime.midi.maps import factory_maps, load_map, user_maps

    for name in dict.fromkeys([DEFAULT, *sorted(user_maps()), *factory_maps()]):
        try:
            print(f"{name:<28}{load_map(name).description}")
        except MidiError as error:
            print(f"{name:<28}cannot be used: {error}")
    return 0
