"""afx-live: makes your live input, or a file, sound like a recording you like.

Heavy libraries are imported where they are needed, so that a mistake is answered at once and
audio runs soon.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from realtime.options import check_options, parser

STARTED = time.perf_counter()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0 done, 1 device lost, 2 bad input, 130 Ctrl-C."""
    args = parser().parse_args(argv)
    try:
        check_options(args)
        return _run(args, sys.argv[1:] if argv is None else argv)
    except ValueError as error:  # every error class of ours is one
        print(f"afx-live: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader of our report has gone, as in `afx-live ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        written = ", nothing was written" if args.output is not None else ""
        print(f"afx-live: stopped{written}", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace, argv: Sequence[str]) -> int:
    if args.demo is not None:
        from realtime.demo import run

        return run(args.demo)
    if args.list_presets:
        return _list_presets()
    if args.list_devices:
        return _list_devices()
    from realtime import lifeline, supervisor

    link = lifeline.connect()
    if args.input is None and link is None and supervisor.SUPPORTED:
        return _supervise(args, argv)
    from realtime.commands import check_paths, style_file

    if link is None or not link.resumed:  # else what it writes is there by now
        check_paths(args)
    if args.input is not None:
        return style_file(args)
    from realtime.live import live

    return live(args, STARTED, link)


def _supervise(args: argparse.Namespace, argv: Sequence[str]) -> int:
    from realtime.supervisor import Supervisor

    supervisor = Supervisor(argv, STARTED)
    status = supervisor.run()
    session = supervisor.session()
    if session is not None:
        from realtime.commands import finish

        finish(session, args)
    return status


def _list_presets() -> int:
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


def _list_devices() -> int:
    from realtime.audio_io import list_devices

    devices = list_devices()
    if not devices:
        print("no sound devices: is the card plugged in, or the JACK server running?")
    for d in devices:
        sides = [("input", d.is_default_input), ("output", d.is_default_output)]
        default = ", ".join(side for side, is_default in sides if is_default)
        mark = f"  (default {default})" if default else ""
        print(f"{d.index:>3}: {d.full_name}  {d.inputs} in, {d.outputs} out{mark}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
