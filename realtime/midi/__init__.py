"""MIDI: from bytes to the sound's controls, and back to lights, rings and motor faders."""


class MidiError(ValueError):
    """MIDI that cannot be used as asked; the message says what and where in one line."""
