"""afx-live: makes your live input, or a file, sound like a recording you like.

Heavy libraries are imported where they are needed, so that a mistake is answered at once and
audio runs soon.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Sequence
from typing import NoReturn

STARTED = time.perf_counter()

LIVE_ONLY = (
    "ref_live", "device", "input_device", "output_device", "input_channels", "block_size",
    "sample_rate", "duration",
)  # fmt: skip


EXAMPLES = """\
live:   afx-live --ref style.wav
        afx-live --preset hall --device USB --block-size 64
a file: afx-live --ref style.wav --input in.wav --output out.wav

Exit status: 0 done, 1 sound device lost or no style found, 2 bad input, 130 Ctrl-C in a file."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"afx-live: {message} (afx-live --help lists the options)\n")


class UsageError(ValueError):
    """Options that make no sense together; the message is one line."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status: 0 done, 1 device lost, 2 bad input, 130 Ctrl-C."""
    args = parser().parse_args(argv)
    try:
        check_options(args)
        return _run(args)
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


def parser() -> argparse.ArgumentParser:
    """The options and their help."""
    p = _Parser(
        prog="afx-live",
        description="Make your live input, or a file, sound like a recording you like.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    style = p.add_argument_group("the sound (one of these)")
    style.add_argument("--ref", metavar="FILE", help="a recording to sound like (WAV FLAC OGG MP3)")
    style.add_argument(
        "--ref-live", metavar="SECONDS", type=_positive,
        help="hear the reference at the input: so many seconds of it",
    )  # fmt: skip
    style.add_argument("--preset", metavar="NAME|FILE", help="a factory preset or a preset file")
    style.add_argument("--list-presets", action="store_true", help="show the factory presets")
    files = p.add_argument_group("files")
    files.add_argument("--input", metavar="FILE", help="style this file instead of the live input")
    files.add_argument("--output", metavar="FILE", help="where to write it (WAV or FLAC, 24 bit)")
    files.add_argument("--save-preset", metavar="FILE", help="write the preset in use as TOML")
    files.add_argument(
        "--stats", metavar="FILE", help="write counters and times as JSON (replaced)"
    )
    files.add_argument(
        "--overwrite", action="store_true", help="replace --output and --save-preset if they exist"
    )
    live = p.add_argument_group("live")
    live.add_argument("--list-devices", action="store_true", help="show the sound devices")
    live.add_argument("--device", metavar="NAME|N", help="device for input and output")
    live.add_argument("--input-device", metavar="NAME|N", help="device for the input")
    live.add_argument("--output-device", metavar="NAME|N", help="device for the output")
    live.add_argument(
        "--input-channels", type=int, choices=(1, 2),
        help="1: only the first input, heard on both sides",
    )  # fmt: skip
    live.add_argument("--block-size", metavar="FRAMES", type=_count, help="default: the device's")
    live.add_argument("--sample-rate", metavar="HZ", type=_count, help="default: the device's")
    live.add_argument("--duration", metavar="SECONDS", type=_positive, help="stop by itself")
    more = p.add_argument_group("more")
    more.add_argument("--channels", type=int, choices=(1, 2), help="of the output: mono or stereo")
    more.add_argument(
        "--gate-db", metavar="DBFS", type=_gate,
        help="input below this level is not listened to (default -55)",
    )  # fmt: skip
    more.add_argument("--model", metavar="FILE", help="an ONNX model in place of the shipped one")
    more.add_argument("--demo", metavar="FOLDER", help="style a synthetic voice into FOLDER")
    return p


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def _positive(text: str) -> float:
    value = _number(text)
    if not 0.0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _gate(text: str) -> float:
    value = _number(text)
    if not -120.0 <= value <= 0.0:
        raise argparse.ArgumentTypeError(f"{text!r} is outside -120..0 dBFS")
    return value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    return int(text)


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other. Raises: UsageError"""
    if args.list_devices or args.list_presets or args.demo is not None:
        return
    sources = [_flag(n) for n in ("ref", "ref_live", "preset") if getattr(args, n) is not None]
    if not sources:
        raise UsageError("no sound to go for: give --ref FILE, --ref-live SECONDS or --preset NAME")
    if len(sources) > 1:
        raise UsageError(f"{' and '.join(sources)} do not go together: choose one")
    if args.ref_live is not None:
        from realtime.audio_files import REFERENCE_SECONDS_MAX, REFERENCE_SECONDS_MIN

        if not REFERENCE_SECONDS_MIN <= args.ref_live <= REFERENCE_SECONDS_MAX:
            span = f"{REFERENCE_SECONDS_MIN:g}..{REFERENCE_SECONDS_MAX:g}"
            raise UsageError(f"--ref-live {args.ref_live:g}: a reference takes {span} s")
    if (args.input is None) != (args.output is None):
        missing = "--output" if args.output is None else "--input"
        raise UsageError(f"--input and --output go together: {missing} is missing")
    if args.preset is not None:
        for name in ("model", "gate_db"):
            if getattr(args, name) is not None:
                raise UsageError(f"{_flag(name)} is for a reference; --preset needs no model")
    if args.input is not None:
        for name in LIVE_ONLY:
            if getattr(args, name) is not None:
                raise UsageError(f"{_flag(name)} is for live use, --input names a file")
    if args.device is not None and (args.input_device or args.output_device):
        raise UsageError("--device is both sides: leave out --input-device and --output-device")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _run(args: argparse.Namespace) -> int:
    if args.demo is not None:
        from realtime.demo import run

        return run(args.demo)
    if args.list_presets:
        return _list_presets()
    if args.list_devices:
        return _list_devices()
    from realtime.commands import check_paths, live, style_file

    check_paths(args)
    return live(args, STARTED) if args.input is None else style_file(args)


def _list_presets() -> int:
    from realtime.preset import factory_presets, load_preset

    for name in factory_presets():
        print(f"{name:<20}{load_preset(name).description}")
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
