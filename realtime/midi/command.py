"""What `afx-live` does about MIDI: hands for a live session, and learning without one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from realtime.controls import Controls
from realtime.hosted import Hosted
from realtime.midi.controller import Midi
from realtime.midi.mapping import MidiMap, check_target
from realtime.midi.maps import load_map
from realtime.options import MIDI_AUTO
from realtime.preset import Preset

_LEARN_SECONDS = 60.0


def midi_of(
    ports: Sequence[str] | None,
    midi_map: MidiMap,
    controls: Controls,
    *,
    say: Callable[[str], None],
    program: Callable[[int, int], None],
) -> Midi:
    """The hands that --midi asks for, not yet started.

    ports: what --midi was given, parts of names or "auto"; None for auto.
    """
    return Midi(
        controls,
        midi_map,
        ports=None if ports is None or MIDI_AUTO in ports else ports,
        virtual=True,
        say=say,
        program=program,
    )


def learn(args: argparse.Namespace) -> int:
    """--unlearn, then --learn, each target in turn: saved in the map; the exit status.

    Raises: MidiError
    """

    def say(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    unlearned, learned = args.unlearn or [], args.learn or []
    midi_map = load_map(args.map)
    # Nothing sounds here: the controls are there for their names.
    controls = Controls(Preset.neutral(), lambda preset, fade_ms: None, hosted=_lineup(args, say))
    for target in learned:
        check_target(target, controls.targets)
    midi = midi_of(args.midi, midi_map, controls, say=say, program=lambda bank, number: None)
    for target in unlearned:
        midi.unlearn(target)
    if not learned:
        return 0
    midi.start()
    try:
        for target in learned:
            say(f"{target}: move the knob, fader or switch that is to control it")
            if not midi.learn_by_hand(target, _LEARN_SECONDS):
                say(f"afx-live: nothing was moved for {_LEARN_SECONDS:.0f} s")
                return 1
    finally:
        midi.close()
    return 0


def _lineup(args: argparse.Namespace, say: Callable[[str], None]) -> Hosted:
    """The parameters of the plugins that the options name. Raises: PluginError"""
    inserts, replaced = args.insert or (), args.replace or ()
    if not inserts and not replaced:
        return Hosted()
    from realtime.plugins.rack import describe_rack
    from realtime.plugins.requested import request

    return describe_rack(request(inserts, (), (), say, replaced, args.plugin_map or ()), say)
