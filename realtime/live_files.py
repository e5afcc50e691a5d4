"""What the options of a live session name, read before anything sounds."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from realtime.commands import preset_entry, read_references
from realtime.plugins.requested import Requested, request
from realtime.preset import Preset
from realtime.set_list import Entry, load_set_list

if TYPE_CHECKING:
    from realtime.midi.mapping import MidiMap
    from realtime.programs import Programs
    from realtime.recovery import Recovery
    from realtime.style import Reference


@dataclass(frozen=True)
class LiveFiles:
    """begin: what sounds first, without a name where that is dry. programs: what can be stepped
    through. midi_map: None without MIDI. wants_style: whether a model is to be asked at once.
    plugins: those that the options and any of these presets ask for.
    """

    begin: Entry
    programs: Programs
    midi_map: MidiMap | None
    references: tuple[Reference, ...]
    wants_style: bool
    plugins: Requested


def read_live_files(
    args: argparse.Namespace, recovery: Recovery, say: Callable[[str], None]
) -> LiveFiles:
    """Read them, or take over what an engine before this one read.

    Raises: PresetError, SetListError, MidiError, AudioFileError, PluginError
    """
    begin, programs, plugins = recovery.once("beginning", lambda: _beginning(args, say))
    programs = recovery.kept("programs", programs)
    midi_map = None
    if args.midi is not None:
        from realtime.midi.maps import load_map

        midi_map = load_map(args.map)
    references = recovery.kept("references", ()) or read_references(args)
    wants_style = bool(references) or args.ref_live is not None
    return LiveFiles(begin, programs, midi_map, references, wants_style, plugins)


def _beginning(
    args: argparse.Namespace, say: Callable[[str], None]
) -> tuple[Entry, Programs, Requested]:
    from realtime.programs import Programs

    set_list = None if args.set_list is None else load_set_list(args.set_list)
    if args.preset is not None:
        begin = preset_entry(args.preset)
    elif set_list is not None and args.ref is None and args.ref_live is None:
        begin = set_list.entries[0]
    else:
        begin = Entry("", Preset.neutral())
    presets = [begin, *(set_list.entries if set_list else ())]
    plugins = request(
        args.insert or (),
        args.plugin_param or (),
        [(e.name, e.preset) for e in presets],
        say,
        args.replace or (),
        args.plugin_map or (),
    )
    return begin, Programs(set_list, begin.name), plugins
