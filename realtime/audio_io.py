"""The sound card: devices by name or number, and whether they can do what is asked.

Everything goes through PortAudio (sounddevice): ALSA, JACK, Core Audio, WASAPI as it gives them.
Every error is an `AudioDeviceError` whose message is one line.
"""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from realtime.params import SAMPLE_RATE_MAX, SAMPLE_RATE_MIN
from realtime.quiet import quiet_stderr

Kind = Literal["input", "output"]

CLIENT_NAME = b"afx-live"  # what a JACK patchbay shows
BLOCK_SIZE_MAX = 8192


class AudioDeviceError(ValueError):
    """A device that does not exist or cannot do what was asked; the message is one line."""


@dataclass(frozen=True)
class Device:
    """One row of the device list. `index` is PortAudio's number for it.

    period: frames that a JACK server hands over at once; 0 where nobody knows.
    """

    index: int
    name: str
    host: str
    inputs: int
    outputs: int
    default_rate: int
    is_default_input: bool
    is_default_output: bool
    period: int = 0

    @property
    def full_name(self) -> str:
        """The name that tells it from the same device behind another driver system."""
        return f"{self.name}, {self.host}"


@dataclass(frozen=True)
class StreamPlan:
    """Devices and format that both sides were found to support.

    block_size: frames per block; 0 leaves it to the device. ref_channel: index of the input's
    channel that a reference is captured from, None where that is the input itself.
    """

    input: Device
    output: Device
    sample_rate: int
    block_size: int
    in_channels: int
    out_channels: int
    ref_channel: int | None = None

    @property
    def block_frames(self) -> int:
        """How long blocks will be, as far as that is known before they come; else 0."""
        return max(self.block_size, self.input.period, self.output.period)


def portaudio() -> Any:
    """sounddevice, initialised under our own JACK client name.

    Raises: AudioDeviceError if the PortAudio library is missing or does not start.
    """
    if "sounddevice" not in sys.modules:
        _name_jack_client()
    try:
        import sounddevice
    except OSError as error:
        raise AudioDeviceError(
            f"PortAudio is missing ({error}): apt-get install libportaudio2"
        ) from None
    except Exception as error:  # PortAudioError cannot be named: the import failed
        raise AudioDeviceError(f"PortAudio does not start: {one_line(error)}") from None
    return sounddevice


def _name_jack_client() -> None:
    # PortAudio wants the name before it starts, and keeps the pointer: CLIENT_NAME never dies.
    library = ctypes.util.find_library("portaudio") if sys.platform == "linux" else None
    if library is not None:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(library).PaJack_SetClientName(CLIENT_NAME)


def list_devices() -> list[Device]:
    """All devices, in PortAudio's order. Raises: AudioDeviceError"""
    sd = portaudio()
    hosts = sd.query_hostapis()
    default_in, default_out = sd.default.device
    return [
        Device(
            index=row["index"],
            name=row["name"],
            host=hosts[row["hostapi"]]["name"],
            inputs=row["max_input_channels"],
            outputs=row["max_output_channels"],
            default_rate=round(row["default_samplerate"]),
            is_default_input=row["index"] == default_in,
            is_default_output=row["index"] == default_out,
            period=_period(row, hosts[row["hostapi"]]["name"]),
        )
        for row in sd.query_devices()
    ]


def _period(row: Mapping[str, Any], host: str) -> int:
    # PortAudio has the latency of JACK's capture ports for it, which is the period.
    known = "JACK" in host and row["max_input_channels"] > 0
    return round(row["default_low_input_latency"] * row["default_samplerate"]) if known else 0


def look_again() -> None:
    """Have PortAudio find out anew which devices there are; no stream may be open.

    Raises: AudioDeviceError if it does not start.
    """
    sd = portaudio()
    try:
        with quiet_stderr():
            sd._terminate()
            sd._initialize()
    except sd.PortAudioError as error:
        raise AudioDeviceError(f"PortAudio does not start: {one_line(error)}") from None


def find_device(devices: list[Device], query: str | None, kind: Kind) -> Device:
    """The device that a person means.

    query: its number, its name, a part of it, or "name, driver system" as the list shows it,
        in any case; None for the system's default.

    Raises: AudioDeviceError if nothing or more than one device fits, naming what there is.
    """
    able = [d for d in devices if (d.inputs if kind == "input" else d.outputs) > 0]
    if not able:
        raise AudioDeviceError(
            f"no {kind} device found: is the sound card plugged in, or the JACK server running?"
        )
    if query is None:
        default = [d for d in able if getattr(d, f"is_default_{kind}")]
        return (default or able)[0]
    if query.strip().isdecimal():
        chosen = [d for d in devices if d.index == int(query)]
        if not chosen:
            raise AudioDeviceError(f"no device {query.strip()}; {_known(able)}")
        if chosen[0] not in able:
            raise AudioDeviceError(f"device {chosen[0].full_name!r} has no {kind}; {_known(able)}")
        return chosen[0]
    matches = _matching(able, query.strip().casefold())
    if not matches:
        raise AudioDeviceError(f"unknown {kind} device {query!r}; {_known(able)}")
    if len(matches) > 1:
        raise AudioDeviceError(f"{kind} device {query!r} fits several; {_known(matches)}")
    return matches[0]


def _matching(devices: list[Device], query: str) -> list[Device]:
    """The best kind of match that exists: whole name, then with its host, then a part."""
    for fits in (
        lambda d: query in (d.name.casefold(), d.full_name.casefold()),
        lambda d: query in d.full_name.casefold(),
    ):
        found = [d for d in devices if fits(d)]
        if found:
            return found
    return []


def _known(devices: list[Device]) -> str:
    return "choose from " + "; ".join(f"{d.index}: {d.full_name}" for d in devices)


def plan_stream(
    devices: list[Device],
    *,
    input_query: str | None = None,
    output_query: str | None = None,
    sample_rate: int | None = None,
    block_size: int = 0,
    in_channels: int | None = None,
    out_channels: int | None = None,
    ref_channel: int | None = None,
) -> StreamPlan:
    """Choose devices and format, and ask both devices whether they can do it.

    sample_rate: None for the output device's own. block_size: 0 for the device's own.
    in_channels, out_channels: 1 or 2; None for stereo where the device has it. ref_channel: of the
        input device, counted from 1, behind the input's own; None for none.

    Raises: AudioDeviceError
    """
    if not 0 <= block_size <= BLOCK_SIZE_MAX:
        raise AudioDeviceError(f"block size {block_size} is outside 0..{BLOCK_SIZE_MAX} frames")
    source = find_device(devices, input_query, "input")
    sink = find_device(devices, output_query, "output")
    rate = sink.default_rate if sample_rate is None else sample_rate
    if not SAMPLE_RATE_MIN <= rate <= SAMPLE_RATE_MAX:
        raise AudioDeviceError(
            f"sample rate {rate} Hz is outside {SAMPLE_RATE_MIN}..{SAMPLE_RATE_MAX} Hz"
        )
    out_count = out_channels or min(2, sink.outputs)
    if ref_channel is None:
        in_count = in_channels or min(2, source.inputs)
        _check(source, "input", in_count, rate)
    else:
        in_count = in_channels or max(1, min(2, ref_channel - 1))
        if ref_channel <= in_count:
            raise AudioDeviceError(
                f"reference channel {ref_channel} is the input's: its own is a later one of the "
                "device, such as 2 with --input-channels 1"
            )
        _check(source, "input", ref_channel, rate)
    _check(sink, "output", out_count, rate)
    at = None if ref_channel is None else ref_channel - 1
    return StreamPlan(source, sink, rate, block_size, in_count, out_count, at)


def _check(device: Device, kind: Kind, channels: int, rate: int) -> None:
    available = device.inputs if kind == "input" else device.outputs
    if channels > available:
        raise AudioDeviceError(
            f"{kind} device {device.full_name!r} has {available} channel"
            f"{'s' if available > 1 else ''}, not {channels}"
        )
    sd = portaudio()
    ask = sd.check_input_settings if kind == "input" else sd.check_output_settings
    try:
        with quiet_stderr():
            ask(device=device.index, channels=channels, samplerate=rate, dtype="float32")
    except sd.PortAudioError as error:
        if rate != device.default_rate:
            raise AudioDeviceError(
                f"{kind} device {device.full_name!r} does not run at {rate} Hz; "
                f"its own rate is {device.default_rate} Hz"
            ) from None
        raise AudioDeviceError(
            f"{kind} device {device.full_name!r} cannot be used: {one_line(error)}"
        ) from None


def one_line(error: Exception) -> str:
    """An error's message on a single line."""
    return " ".join(str(error).split())
