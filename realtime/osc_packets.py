"""OSC packets: what a datagram says, and what is said in one.

python-osc reads and writes the messages. Bundles are taken apart here: its own reader does not
come back from an element of negative size.
Source: OSC 1.0, opensoundcontrol.stanford.edu/spec-1_0.html
"""

from __future__ import annotations

from pythonosc.osc_message import OscMessage, ParseError
from pythonosc.osc_message_builder import OscMessageBuilder

DATAGRAM_MAX = 65_535
_MESSAGE_MAX = 1_024  # bytes; the longest that means something has 60
_NESTING_MAX = 4
_BUNDLE = b"#bundle\0"
_BUNDLE_HEAD = 16  # the mark and the time tag
_TAKEN = frozenset(b"ifhdTF")  # type tags of numbers, true and false

Arguments = list[float | bool]
Message = tuple[str, Arguments]


class PacketError(ValueError):
    """A datagram that is no OSC, or none that anything here takes; says why in one line."""


def read_packet(datagram: bytes, nesting: int = 0) -> list[Message]:
    """The messages of a datagram in order, bundles taken apart: address and arguments.

    A bundle's time tag is not waited for: clocks of phones differ by more than a knob can wait.

    Raises: PacketError
    """
    if not datagram.startswith(_BUNDLE):
        return [_read_message(datagram)]
    if nesting > _NESTING_MAX or len(datagram) < _BUNDLE_HEAD:
        raise PacketError("a bundle that is cut off, or in too many others")
    messages = []
    at = _BUNDLE_HEAD
    while at < len(datagram):
        size = int.from_bytes(datagram[at : at + 4], "big")
        at += 4
        if size == 0 or at + size > len(datagram):
            raise PacketError("a bundle whose parts do not add up")
        messages += read_packet(datagram[at : at + size], nesting + 1)
        at += size
    return messages


def write_message(address: str, value: float | str) -> bytes:
    """A message of one argument: a 32-bit float, or text."""
    builder = OscMessageBuilder(address)
    builder.add_arg(value, "s" if isinstance(value, str) else "f")
    return builder.build().dgram


def _read_message(datagram: bytes) -> Message:
    if not datagram.startswith(b"/"):
        raise PacketError("something that is no OSC")
    if len(datagram) > _MESSAGE_MAX:
        raise PacketError("a message that is too long")
    stray = set(_type_tags(datagram)) - _TAKEN
    if stray:
        address = ascii(datagram.partition(b"\0")[0][:60].decode("utf-8", "replace"))
        raise PacketError(f"{address} takes no argument of type {chr(min(stray))!r}")
    try:
        message = OscMessage(datagram)
    except (ParseError, UnicodeDecodeError):
        raise PacketError("a message that is cut off or garbled") from None
    return message.address, message.params


def _type_tags(datagram: bytes) -> bytes:
    """What stands between the comma and its null; empty where there is none."""
    begin = (datagram.find(0) // 4 + 1) * 4
    if datagram[begin : begin + 1] != b",":
        return b""
    return datagram[begin + 1 :].partition(b"\0")[0]
