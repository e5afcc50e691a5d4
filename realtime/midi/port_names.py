"""What MIDI ports are called: the same device after a replug, and its other half.

Standard library only. Names are what python-rtmidi lists:
ALSA "nanoKONTROL2:nanoKONTROL2 MIDI 1 20:0", JACK "client:port", Core MIDI "nanoKONTROL2 CTRL",
Windows "nanoKONTROL2 1".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# Numbers that a system adds, and deals out anew when a device comes back.
_DEALT = {"ALSA": re.compile(r" \d+:\d+$"), "WINMM": re.compile(r" \d+$")}
_CLIENT_NUMBER = re.compile(r"-\d\d(?=:)")  # JACK's, where two clients want one name
# Korg's drivers call the two directions of one device SLIDER/KNOB and CTRL.
_DIRECTION = re.compile(
    r"\b(?:(?:midi)?(?:input|output|in|out)(?=\d|\b)|(?:capture|playback|slider knob|ctrl)\b)"
)
_OTHERS = re.compile(r"[\W_]+")
# JACK's copies of what ALSA's sequencer has anyway: a2jmidid, PipeWire, jackd's own.
_COPY = re.compile(r"(a2j|midi-bridge|alsa_midi):|system:midi_", re.IGNORECASE)
# ALSA's loop, and its programs, numbered from 128: those connect themselves where they want to.
_NO_DEVICE = re.compile(r"midi through| (12[89]|1[3-9]\d|2\d\d):\d+$", re.IGNORECASE)


def lasting(address: str, system: str) -> str:
    """A port's name without the numbers that may differ after a replug.

    system: what rtmidi calls the system it belongs to, as in `rtmidi.get_api_name`, any case.
    """
    dealt = _DEALT.get(system.upper())
    return dealt.sub("", address) if dealt else address


def wanted(address: str, words: Sequence[str] | None) -> bool:
    """Whether a port is meant: by a part of its name in any case, or None for every device."""
    if words is None:
        return not _NO_DEVICE.search(address)
    return any(word.casefold() in address.casefold() for word in words)


def is_own(address: str, client_name: str) -> bool:
    """Whether this program, or another one of its kind, made the port."""
    return address.casefold().startswith(client_name.casefold())


def is_copy(address: str) -> bool:
    """Whether a JACK port is one of ALSA's shown again; opened twice, a button toggles twice."""
    return _COPY.match(address) is not None


def output_of(
    address: str, inputs: Sequence[str], outputs: Sequence[str], system: str
) -> str | None:
    """The output that leads back to the device whose input is `address`, if it has one.

    A name in both lists is one device, but for Windows, which numbers the two lists apart. Of
    several devices of one name, the first input goes with the first output.
    """
    shared = set() if system.upper() == "WINMM" else {*inputs} & {*outputs}
    if address in shared:
        return address
    device = _device(address, system)
    twins = [n for n in inputs if n not in shared and _device(n, system) == device]
    halves = [n for n in outputs if n not in shared and _device(n, system) == device]
    rank = twins.index(address)
    return halves[rank] if rank < len(halves) else None


def _device(address: str, system: str) -> str:
    name = _CLIENT_NUMBER.sub("", lasting(address, system).casefold())
    return " ".join(_DIRECTION.sub("", _OTHERS.sub(" ", name)).split())
