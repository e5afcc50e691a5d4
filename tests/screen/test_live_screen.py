"""afx-live as a performer has it: a terminal, a real JACK server, a hand on the keys."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, JackServer
from tests.jack_rig import patched
from tests.live_rig import command
from tests.screen.pseudo_terminal import PseudoTerminal
from tests.support import noise, rms, to_db

SECONDS = 60.0  # more than a busy machine needs

pytestmark = pytest.mark.usefixtures("compiled")


def level_shown(terminal: PseudoTerminal, name: str) -> float:
    """The held peak of a channel in dBFS."""
    found = re.search(rf"{name} +▕.*?▏ *(-∞|-?\d+\.\d)", terminal.text)
    assert found, terminal.text
    return -np.inf if "∞" in found[1] else float(found[1])


def treble_db(x: np.ndarray, rate: int) -> float:
    """Level above 6 kHz, where a telephone has nothing."""
    spectrum = np.fft.rfft(x * np.hanning(len(x))[:, None], axis=0)
    return to_db(rms(spectrum[round(6_000 * len(x) / rate) :].view(float)))


def quit_again(terminal: PseudoTerminal) -> bool:
    """Press q; whether there is a report."""
    terminal.press("q")
    time.sleep(0.3)
    return "dropouts" in terminal.text


@pytest.mark.parametrize("jack_server", [(48_000, 1024)], indirect=True)
def test_a_performance(jack_server: JackServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    rate = jack_server.sample_rate
    terminal = PseudoTerminal(command("--preset", "telephone"))
    try:
        terminal.wait_for("q quit")
        terminal.wait_for("preset 'telephone'")
        terminal.wait_for("[telephone]")  # its place among the presets
        audio = noise(round(SECONDS * rate), 2, 0.1)
        with patched(jack_server.name, audio) as rig:
            assert level_shown(terminal, "in L") == -np.inf
            rig.start()
            terminal.wait_until(lambda: level_shown(terminal, "in L") > -20.0, "input level")
            terminal.wait_until(lambda: level_shown(terminal, "out R") > -40.0, "output level")
            time.sleep(0.5)
            pressed = rig.recorder.at
            terminal.press("b")
            terminal.wait_for("BYPASS")
            time.sleep(0.5)
            bypassed = rig.recorder.at
            terminal.press("b")
            terminal.wait_until(lambda: "BYPASS" not in terminal.text, "the style")
            before = rig.recorder.audio[pressed - rate // 4 : pressed]
            dry = rig.recorder.audio[bypassed - rate // 4 : bypassed]
        assert treble_db(dry, rate) > treble_db(before, rate) + 20.0
        terminal.press("qq")
        assert terminal.ended() == 0
        terminal.wait_for("dropouts")  # the report, on the screen as it was
        assert not terminal.full_screen and terminal.attributes == terminal.found
        received = terminal.received.decode()
        after = received[received.index("\x1b[?1049l") :]
        assert "audio running after" in after and "preset 'telephone'" in after
    finally:
        terminal.close()


@pytest.mark.parametrize("jack_server", [(48_000, 1024)], indirect=True)
def test_the_shell_stops_it_and_brings_it_back(
    jack_server: JackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    shell = ["bash", "--norc", "--noprofile", "-i"]
    terminal = PseudoTerminal(shell, environment={"PS1": "ready> ", "HISTFILE": ""})
    try:
        terminal.wait_for("ready>")
        terminal.press(f"{sys.executable} -m realtime.cli --preset telephone\n")
        terminal.wait_for("q quit")
        terminal.press("\x1a")  # Ctrl-Z
        terminal.wait_for("Stopped")
        assert not terminal.full_screen and not terminal.cursor_hidden
        terminal.press("fg\n")
        terminal.wait_for("q quit")
        # JACK may have dropped a client that stood still; then the screen comes once more.
        terminal.wait_until(lambda: quit_again(terminal), "the report")
        assert not terminal.full_screen
        terminal.press("\x15exit\n")
        terminal.ended()
    finally:
        terminal.close()


@pytest.mark.parametrize("jack_server", [(48_000, 1024)], indirect=True)
def test_an_engine_that_is_killed_leaves_no_trace_on_the_terminal(
    jack_server: JackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    terminal = PseudoTerminal(command("--preset", "telephone"))
    try:
        terminal.wait_for("q quit")
        parent = terminal.process.pid
        (child,) = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        os.kill(int(child), signal.SIGKILL)
        terminal.wait_until(lambda: not terminal.full_screen, "the normal screen")
        terminal.wait_for("the engine died (SIGKILL)")
        terminal.wait_for("q quit")  # the next one's screen
        terminal.press("\x1c")  # Ctrl-\: engine and supervisor die of it
        assert terminal.ended() == -signal.SIGQUIT
        terminal.wait_until(lambda: not terminal.full_screen, "the normal screen")
        assert terminal.attributes == terminal.found
    finally:
        terminal.close()


@pytest.mark.parametrize("jack_server", [(48_000, 1024)], indirect=True)
def test_plain_lines_where_they_are_asked_for(
    jack_server: JackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    terminal = PseudoTerminal(command("--preset", "hall", "--plain"))
    try:
        terminal.wait_for("audio running after")
        terminal.wait_for("· in ")
        assert not terminal.full_screen and terminal.attributes == terminal.found
        terminal.press("\x03")
        assert terminal.ended() == 0
        terminal.wait_for("dropouts")
    finally:
        terminal.close()
