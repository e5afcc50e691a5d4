"""afx-live: makes your live input, or a file, sound like a recording you like.

Heavy libraries are imported where they are needed, so that a mistake is answered at once and
audio runs soon.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Sequence

from realtime.options import LISTS, check_options, parser
from realtime.same_python import ONE_THREAD

STARTED = time.perf_counter()


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; its exit status, as --help lists them."""
    if argv is None:
        for name in ONE_THREAD:  # read when numpy is first imported
            os.environ.setdefault(name, "1")
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
    finally:
        if argv is None:  # Python ends next, and would look for garbage for half a second before
            gc.freeze()


def _run(args: argparse.Namespace, argv: Sequence[str]) -> int:
    if args.demo is not None:
        from realtime.demo import run

        return run(args.demo)
    for name in LISTS:
        if getattr(args, name):
            from realtime import listings

            return int(getattr(listings, name)())
    if args.learn or args.unlearn:
        from realtime.midi.command import learn

        return learn(args)
    if args.measure_latency:
        from realtime.round_trip import measure_latency

        return measure_latency(args)
    from realtime import lifeline, supervisor

    link = lifeline.connect()
    if args.input is None and link is None and supervisor.SUPPORTED:
        return _supervise(args, argv)
    if args.input is not None:
        from realtime.batch.files import into_folder

        if into_folder(args.input, args.output):
            from realtime.batch.job import style_files

            return style_files(args)
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


if __name__ == "__main__":
    sys.exit(main())
