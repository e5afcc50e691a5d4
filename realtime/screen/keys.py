"""Keys from a terminal: bytes to names, whatever pieces they arrive in."""

from __future__ import annotations

import codecs

_ESC = 0x1B
_LONGEST = 32  # a sequence that never ends is none

_FINALS = {
    "A": "up", "B": "down", "C": "right", "D": "left", "H": "home", "F": "end", "Z": "shift-tab",
}  # fmt: skip
_NUMBERED = {
    "1": "home", "4": "end", "5": "page-up", "6": "page-down", "7": "home", "8": "end",
}  # fmt: skip
_CONTROLS = {0x09: "tab", 0x0A: "enter", 0x0D: "enter"}


class KeyParser:
    """Bytes as a terminal sends them -> names of keys.

    A printable key is its character; others are "up", "down", "left", "right", "shift-left",
    "shift-right", "tab", "shift-tab", "home", "end", "page-up", "page-down", "enter", "escape".
    What is none of these gives nothing: no part of an unknown sequence passes for a key.
    """

    def __init__(self) -> None:
        self._sequence = bytearray()
        self._text = codecs.getincrementaldecoder("utf-8")("ignore")

    @property
    def pending(self) -> bool:
        """Whether an escape has come that may be a key, or the beginning of a sequence."""
        return bool(self._sequence)

    def feed(self, data: bytes) -> list[str]:
        """The keys that `data` completes."""
        found = []
        for byte in data:
            if self._sequence:
                found += self._in_sequence(byte)
            elif byte == _ESC:
                self._text.reset()
                self._sequence.append(byte)
            elif byte in _CONTROLS:
                found.append(_CONTROLS[byte])
            else:
                found += [c for c in self._text.decode(bytes((byte,))) if c.isprintable()]
        return found

    def timed_out(self) -> list[str]:
        """The keys that are there if nothing more comes: an escape that began no sequence."""
        alone = len(self._sequence) == 1
        self._sequence.clear()
        return ["escape"] if alone else []

    def _in_sequence(self, byte: int) -> list[str]:
        sequence = self._sequence
        if byte == _ESC:
            keys = self.timed_out()
            sequence.append(byte)
            return keys
        if len(sequence) < _LONGEST:
            sequence.append(byte)
        introducer, body = sequence[1:2], sequence[2:]
        if introducer == b"[":
            # The Linux console's function keys end one byte after a second bracket.
            more = not body or 0x20 <= byte <= 0x3F or body == b"["
        else:
            more = introducer == b"O" and not body
        if more:
            return []
        name = _named((introducer + body).decode("ascii", "replace"))
        sequence.clear()
        return [name] if name else []


def _named(sequence: str) -> str:
    """The key that an escape sequence means, given without its ESC; "" if none."""
    if sequence[0] not in "[O" or len(sequence) < 2:
        return ""
    final = sequence[-1]
    number, _, modifier = sequence[1:-1].partition(";")
    if final == "~":
        name = _NUMBERED.get(number, "")
    else:
        name = _FINALS.get(final, "") if number in ("", "1") else ""
    if modifier == "2" and name in ("left", "right"):
        return f"shift-{name}"
    return "" if modifier else name
