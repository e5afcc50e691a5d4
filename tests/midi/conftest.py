"""A performer's desk without cables: real controls, real MIDI logic, bytes in and out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from realtime.controls import Controls
from realtime.midi.controller import Midi
from realtime.midi.mapping import MapControl, MidiMap, default_map
from realtime.midi.messages import control_change, note
from realtime.preset import Preset

PORT = "Knobs"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's settings, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


class Desk:
    """A session's MIDI with a clock that the test turns. `played`: presets that would be heard."""

    def __init__(self, midi_map: MidiMap | None = None, start: Preset | None = None) -> None:
        self.played: list[Preset] = []
        self.said: list[str] = []
        self.programs: list[tuple[int, int]] = []
        self.now = 100.0
        self.controls = Controls(start or Preset.neutral(), lambda p, _: self.played.append(p))
        self.midi = Midi(
            self.controls,
            midi_map or default_map(),
            ports=None,
            virtual=False,
            say=self.said.append,
            program=lambda bank, number: self.programs.append((bank, number)),
        )

    def send(self, *messages: bytes, port: str = PORT, after: float = 0.001) -> None:
        self.now += after
        self.midi.feed(port, b"".join(messages), self.now)

    def cc(self, number: int, *values: int, channel: int = 1, port: str = PORT) -> None:
        for value in values:
            self.send(control_change(channel, number, value), port=port)

    def note(self, number: int, velocity: int = 100, channel: int = 1, port: str = PORT) -> None:
        self.send(note(channel, number, velocity), port=port)

    def shown(self, seconds: float = 1.0, port: str = PORT, step: float = 0.01) -> list[bytes]:
        """What the controller on `port` is told in so many seconds."""
        told = []
        for _ in range(max(1, round(seconds / step))):
            self.now += step
            told += [data for to, data in self.midi.pending_feedback(self.now) if to == port]
        return told

    def value(self, target: str) -> float:
        return self.controls.state.value(target)


@pytest.fixture
def desk() -> type[Desk]:
    """Makes a `Desk`; a class, so that a property test can make one for each example."""
    return Desk


def a_map(*controls: MapControl, takeover: str = "jump", channel: int | None = None) -> MidiMap:
    """A map of these controls that no file holds."""
    return MidiMap("test", tuple(controls), channel=channel, takeover=takeover)


def numbered(number: int, value: int, channel: int = 1) -> Sequence[bytes]:
    """An NRPN's four messages."""
    pairs = ((99, number >> 7), (98, number & 127), (6, value >> 7), (38, value & 127))
    return [control_change(channel, *pair) for pair in pairs]
