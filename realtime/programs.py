"""What next, previous and MIDI program changes choose from.

Bank 0 is the set list, or the factory presets where there is none; bank 1 the factory presets;
bank 2 the folder that `save` writes to. Programs count from 0, as on the wire.
"""

from __future__ import annotations

from realtime.preset import Preset, factory_presets, load_preset
from realtime.set_list import Entry, SetList, load_entry
from realtime.user_files import user_presets

_COARSE = 128


class ProgramError(ValueError):
    """A program that is not there; the message is one line."""


class Programs:
    """The banks, and the place in bank 0 that next and previous count from.

    playing: name of the preset that sounds at first, to start at its place in bank 0.
    """

    def __init__(self, set_list: SetList | None = None, playing: str = "") -> None:
        self._list = set_list or SetList("factory", tuple(map(_factory, factory_presets())))
        names = [entry.name for entry in self._list.entries]
        self._at = names.index(playing) if playing in names else None

    @property
    def place(self) -> str:
        """Where we are, for a person: "2/3  telephone | [hall] | crunch"."""
        names = [entry.name for entry in self._list.entries]
        if self._at is None:
            return f"-/{len(names)}  | {names[0]}"
        around = range(max(0, self._at - 1), min(len(names), self._at + 2))
        shown = (f"[{names[i]}]" if i == self._at else names[i] for i in around)
        return f"{self._at + 1}/{len(names)}  {' | '.join(shown)}"

    @property
    def neighbours(self) -> list[Preset]:
        """What next and previous would give."""
        entries = self._list.entries
        at = -1 if self._at is None else self._at
        return [entries[i].preset for i in (at - 1, at + 1) if 0 <= i < len(entries)]

    def step(self, by: int) -> Entry:
        """The entry so many places on. Raises: ProgramError where the list has ended."""
        at = (-1 if self._at is None else self._at) + by
        if not 0 <= at < len(self._list.entries):
            end = "starts" if by < 0 else "ends"
            raise ProgramError(f"the set list {self._list.name!r} {end} here")
        return self._go(at)

    def choose(self, bank: int, number: int) -> Entry:
        """What a program change means.

        A multiple of 128 is a bank chosen by the coarse half alone (CC 0 without CC 32), which is
        all that many pedals send: 128 is bank 1.

        Raises: ProgramError where there is no such program; PresetError if its file is broken.
        """
        if bank % _COARSE == 0:
            bank //= _COARSE
        if bank == 0:
            self._check(bank, number, len(self._list.entries))
            return self._go(number)
        if bank == 1:
            names = factory_presets()
            self._check(bank, number, len(names))
            return _factory(names[number])
        if bank == 2:
            paths = user_presets()
            self._check(bank, number, len(paths))
            return load_entry(paths[number])
        raise ProgramError(f"program change: there is no bank {bank}, only 0, 1 and 2")

    def _go(self, at: int) -> Entry:
        self._at = at
        return self._list.entries[at]

    @staticmethod
    def _check(bank: int, number: int, count: int) -> None:
        if not 0 <= number < count:
            there = f"it has 0 to {count - 1}" if count else "it is empty"
            raise ProgramError(f"program change: bank {bank} has no program {number}, {there}")


def _factory(name: str) -> Entry:
    return Entry(name, load_preset(name))
