"""The options of afx-live: their help, and what goes together."""

from __future__ import annotations

import argparse
from typing import NoReturn

from realtime import option_values
from realtime.batch.files import into_folder

LIVE_ONLY = (
    "ref_live", "ref_channel", "set_list", "device", "input_device", "output_device",
    "input_channels", "block_size", "sample_rate", "duration", "measure_latency", "osc",
    "osc_reply", "plain", "midi", "map",
)  # fmt: skip
MANY_ONLY = ("format", "jobs", "cluster")
LISTS = ("list_presets", "list_devices", "list_plugins", "list_midi", "list_maps")
REFERENCES_MAX = 2
MIDI_AUTO = "auto"


EXAMPLES = """\
live:   afx-live --ref style.wav
        afx-live --preset hall --device USB --block-size 64
a file: afx-live --ref style.wav --input in.wav --output out.wav
many:   afx-live --ref style.wav --input 'takes/**/*.wav' --output styled

Exit status: 0 done, 1 sound device lost, no style found or a file of many failed, 2 bad input,
130 Ctrl-C among files."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"afx-live: {message} (afx-live --help lists the options)\n")


class UsageError(ValueError):
    """Options that make no sense together; the message is one line."""


def parser() -> argparse.ArgumentParser:
    """The options and their help."""
    p = _Parser(
        prog="afx-live",
        description="Make your live input, or a file, sound like a recording you like.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    style = p.add_argument_group("the sound")
    style.add_argument(
        "--ref", metavar="FILE", action="append",
        help="a recording to sound like (WAV FLAC OGG MP3); a second one to morph to",
    )  # fmt: skip
    style.add_argument(
        "--ref-live", metavar="SECONDS", type=option_values.positive,
        help="hear the reference at the input: so many seconds of it",
    )  # fmt: skip
    style.add_argument("--preset", metavar="NAME|FILE", help="a factory preset or a preset file")
    style.add_argument(
        "--amount",
        metavar="PERCENT",
        type=option_values.amount,
        help="how much of it to start with, 0..150",
    )
    style.add_argument(
        "--morph",
        metavar="0..1",
        type=option_values.morph,
        help="from the first --ref to the second",
    )
    style.add_argument(
        "--insert", metavar="PLUGIN[@SLOT]", action="append", type=option_values.insert,
        help="a VST3 or Audio Unit in the chain, by its name or path; SLOT is before- or after- "
        "eq, comp, dist or reverb (default before-reverb)",
    )  # fmt: skip
    style.add_argument(
        "--replace", metavar="EFFECT=PLUGIN", action="append", type=option_values.replace,
        help="a plugin in the place of eq, comp, dist or reverb: their parameters drive its own",
    )  # fmt: skip
    style.add_argument(
        "--plugin-map", metavar="FILE", action="append",
        help="how a plugin follows the effect that it replaces, as TOML",
    )  # fmt: skip
    style.add_argument(
        "--plugin-param", metavar="NAME.PARAM=VALUE", action="append",
        type=option_values.plugin_param,
        help="a plugin's parameter, such as zamcompx2.threshold=-20",
    )  # fmt: skip
    style.add_argument(
        "--list-presets", action="store_true", help="show the presets and their program numbers"
    )
    files = p.add_argument_group("files")
    files.add_argument(
        "--input", metavar="FILE", nargs="+", action="extend",
        help="style this file instead of the live input, or many: files, folders, 'PATTERNS'",
    )  # fmt: skip
    files.add_argument(
        "--output", metavar="FILE|FOLDER",
        help="where to write it (WAV or FLAC, 24 bit); a folder for many",
    )  # fmt: skip
    files.add_argument(
        "--format", choices=("wav", "flac"),
        help="of many files (default: as each input, WAV for MP3 and OGG)",
    )  # fmt: skip
    files.add_argument(
        "--jobs",
        metavar="N",
        type=option_values.some,
        help="how many files at once (default: one a core)",
    )
    files.add_argument(
        "--cluster", metavar="ADDRESS", help="style many files on this Dask cluster instead"
    )
    files.add_argument("--save-preset", metavar="FILE", help="write the preset in use as TOML")
    files.add_argument(
        "--stats", metavar="FILE", help="write counters and times as JSON (replaced)"
    )
    files.add_argument(
        "--overwrite", action="store_true", help="replace --output and --save-preset if they exist"
    )
    live = p.add_argument_group("live")
    live.add_argument("--set-list", metavar="FILE", help="presets to step through, as TOML")
    live.add_argument(
        "--ref-channel", metavar="N", type=option_values.count,
        help="capture references from this channel of the input device, beside the input",
    )  # fmt: skip
    live.add_argument("--list-devices", action="store_true", help="show the sound devices")
    live.add_argument("--device", metavar="NAME|N", help="device for input and output")
    live.add_argument("--input-device", metavar="NAME|N", help="device for the input")
    live.add_argument("--output-device", metavar="NAME|N", help="device for the output")
    live.add_argument(
        "--input-channels", type=int, choices=(1, 2),
        help="1: only the first input, heard on both sides",
    )  # fmt: skip
    live.add_argument(
        "--block-size", metavar="FRAMES", type=option_values.count, help="default: the device's"
    )
    live.add_argument(
        "--sample-rate", metavar="HZ", type=option_values.count, help="default: the device's"
    )
    live.add_argument(
        "--plain",
        action="store_true",
        default=None,
        help="lines in place of the screen and its keys",
    )
    live.add_argument(
        "--osc",
        metavar="[HOST:]PORT",
        type=option_values.address,
        help="be moved by OSC; HOST 0.0.0.0: by all",
    )
    live.add_argument(
        "--osc-reply",
        metavar="[HOST:]PORT",
        type=option_values.address,
        help="where OSC tells of changes",
    )
    live.add_argument(
        "--duration", metavar="SECONDS", type=option_values.positive, help="stop by itself"
    )
    live.add_argument(
        "--measure-latency", action="store_true", default=None,
        help="through a cable from output to input; no style is needed",
    )  # fmt: skip
    plugins = p.add_argument_group("plugins")
    plugins.add_argument(
        "--list-plugins", action="store_true", help="show the plugins that are installed"
    )
    midi = p.add_argument_group("MIDI")
    midi.add_argument(
        "--midi", metavar="PORT|auto", action="append",
        help="be moved by this controller, by part of its name, or by all (auto); may be repeated",
    )  # fmt: skip
    midi.add_argument("--map", metavar="NAME|FILE", help="which control moves what, as TOML")
    midi.add_argument(
        "--learn", metavar="ID", action="append",
        help="have the control that moves next control ID, such as comp.ratio, morph or bypass",
    )  # fmt: skip
    midi.add_argument("--unlearn", metavar="ID", action="append", help="have no control control ID")
    midi.add_argument("--list-midi", action="store_true", help="show the MIDI ports")
    midi.add_argument("--list-maps", action="store_true", help="show the MIDI maps")
    more = p.add_argument_group("more")
    more.add_argument("--channels", type=int, choices=(1, 2), help="of the output: mono or stereo")
    more.add_argument(
        "--gate-db", metavar="DBFS", type=option_values.gate,
        help="input below this level is not listened to (default -55)",
    )  # fmt: skip
    more.add_argument(
        "--refine", metavar="SECONDS", type=option_values.positive,
        help="look so long for something better than the model's answer; live while it plays",
    )  # fmt: skip
    more.add_argument("--model", metavar="FILE", help="an ONNX model in place of the shipped one")
    more.add_argument("--demo", metavar="FOLDER", help="style a synthetic voice into FOLDER")
    return p


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that contradict each other. Raises: UsageError"""
    if any(getattr(args, name) for name in LISTS) or args.demo is not None:
        return
    if args.learn or args.unlearn:
        return
    sources = [_flag(n) for n in ("ref", "ref_live", "preset") if getattr(args, n) is not None]
    if args.measure_latency:
        if sources:
            raise UsageError(f"--measure-latency plays noise: leave out {' and '.join(sources)}")
    elif not sources and args.set_list is None and not (args.insert or args.replace):
        raise UsageError("no sound to go for: give --ref FILE, --ref-live SECONDS or --preset NAME")
    if args.measure_latency and (args.insert or args.replace):
        raise UsageError("--measure-latency goes through no plugins: leave them out")
    if len(sources) > 1:
        raise UsageError(f"{' and '.join(sources)} do not go together: choose one")
    references = len(args.ref or ())
    if references > REFERENCES_MAX:
        raise UsageError(f"--ref is given {references} times: {REFERENCES_MAX} at most")
    if args.morph is not None and references < REFERENCES_MAX:
        raise UsageError("--morph goes from one --ref to another: give two")
    if args.map is not None and args.midi is None:
        raise UsageError("--map goes with --midi, --learn or --unlearn")
    if {*(args.midi or ())} > {MIDI_AUTO}:
        raise UsageError("--midi auto opens every controller: leave out the others, or auto")
    if args.osc_reply is not None and args.osc is None:
        raise UsageError("--osc-reply goes with --osc")
    if args.ref_live is not None:
        from realtime.audio_files import REFERENCE_SECONDS_MAX, REFERENCE_SECONDS_MIN

        if not REFERENCE_SECONDS_MIN <= args.ref_live <= REFERENCE_SECONDS_MAX:
            span = f"{REFERENCE_SECONDS_MIN:g}..{REFERENCE_SECONDS_MAX:g}"
            raise UsageError(f"--ref-live {args.ref_live:g}: a reference takes {span} s")
    if (args.input is None) != (args.output is None):
        missing = "--output" if args.output is None else "--input"
        raise UsageError(f"--input and --output go together: {missing} is missing")
    many = args.input is not None and into_folder(args.input, args.output)
    for name in MANY_ONLY:
        if getattr(args, name) is not None and not many:
            raise UsageError(f"{_flag(name)} is for many files: --output names a folder then")
    if args.cluster is not None and args.jobs is not None:
        raise UsageError("--jobs is for this machine, --cluster has workers of its own")
    if many and args.save_preset is not None:
        raise UsageError("--save-preset is for one sound, each of many files has its own")
    if args.preset is not None and args.input is not None:
        for name in ("model", "gate_db", "refine"):
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
