"""The screen in a real pseudo-terminal: what a person sees, and how the terminal is left."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.screen.pseudo_terminal import PseudoTerminal

Opened = Callable[..., PseudoTerminal]
PLAYING = [sys.executable, "-m", "tests.screen.playing"]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Opens a terminal in which a session plays, and waits for its screen."""
    monkeypatch.chdir(ROOT)
    with ExitStack() as stack:

        def open_terminal(happens: str = "", **more: object) -> PseudoTerminal:
            terminal = PseudoTerminal([*PLAYING, happens], **more)
            stack.callback(terminal.close)
            terminal.wait_for("q quit")
            return terminal

        yield open_terminal


def given_back(terminal: PseudoTerminal) -> None:
    """Assert that the terminal is as it was found."""
    terminal.wait_until(lambda: not terminal.full_screen, "the normal screen")
    assert terminal.attributes == terminal.found
    assert not terminal.cursor_hidden


def test_shows_levels_parameters_midi_and_keys(opened: Opened) -> None:
    terminal = opened()
    terminal.wait_for("styled")
    text = terminal.text
    assert "in L" in text and "out R" in text and "-3.2 dB" in text
    assert "latency 5.3 ms" in text and "load 12 %" in text
    assert "KNOBS" in text and "CC 14 -> comp.threshold_db" in text
    assert "1/2  < hall | crunch >" in text
    assert "audio running" in text
    assert "SPACE PANIC" in text
    assert "DROPOUTS" not in text
    assert re.search(r"in L +▕█+", text)


def test_keys_do_what_they_say(opened: Opened) -> None:
    terminal = opened()
    terminal.press("\x1b[B" * 2)  # down to the gain of the first band
    terminal.wait_for(" eq1.gain_db ")
    before = terminal.line_with(" eq1.gain_db ")
    terminal.press("\x1b")
    terminal.press("[C")  # an arrow to the right in two pieces
    terminal.wait_for("by hand, loaded")
    assert terminal.line_with(" eq1.gain_db ") != before
    terminal.press("r")
    terminal.wait_until(lambda: "by hand, loaded" not in terminal.text, "the revert")
    terminal.press("u")
    terminal.wait_for("by hand, loaded")
    terminal.press("b")
    terminal.wait_for("BYPASS")
    terminal.press("?")
    terminal.wait_for("end the session")
    assert "PANIC   " not in terminal.text.splitlines()[0]
    terminal.press(" ")  # in the help, too
    terminal.wait_until(lambda: " PANIC " in terminal.text.splitlines()[0], "PANIC on top")
    terminal.press("?b")
    terminal.wait_for("styled")
    terminal.press("qxq")  # asked, and not meant
    terminal.wait_for("q again quits")
    terminal.press("q")
    assert terminal.ended() == 0
    terminal.wait_for("ended bypassed=False overrides={'eq1.gain_db'")
    assert "audio running" in terminal.text  # what was said stays readable
    given_back(terminal)


@pytest.mark.parametrize(
    ("happens", "cause", "status"),
    [
        ("", "qq", 0),
        ("", "\x03", -signal.SIGINT),
        ("", "\x1c", -signal.SIGQUIT),
        ("", signal.SIGTERM, -signal.SIGTERM),
        ("handled", signal.SIGTERM, 0),
        ("", signal.SIGHUP, -signal.SIGHUP),
        ("crash", "", 1),
        ("exit", "", 3),
    ],
)
def test_the_terminal_is_given_back_however_it_ends(
    opened: Opened, happens: str, cause: str | signal.Signals, status: int
) -> None:
    terminal = opened(happens)
    assert terminal.full_screen and terminal.attributes != terminal.found
    if isinstance(cause, signal.Signals):
        terminal.process.send_signal(cause)
    else:
        terminal.press(cause)
    assert terminal.ended() == status
    given_back(terminal)
    if happens == "crash":
        assert "what nobody foresaw" in terminal.text


def test_a_new_size_is_drawn_anew(opened: Opened) -> None:
    terminal = opened(columns=80, lines=24)
    terminal.resize(120, 40)
    terminal.wait_for("makeup gain ▕")  # each parameter has its own line now
    terminal.resize(40, 12)
    terminal.wait_for("▸input gain")  # a list that follows the choice
    text = terminal.text
    assert "in L" in text and "SPACE PANIC" in text and "makeup" not in text


def test_a_screen_that_fails_leaves_plain_lines_and_the_keys(opened: Opened) -> None:
    terminal = opened()
    terminal.press("s")
    terminal.wait_for("the screen failed, plain lines from here on: IndexError")
    assert not terminal.full_screen
    assert "audio running" in terminal.text
    terminal.wait_for("styled · in")
    terminal.press("bqq")
    assert terminal.ended() == 0
    terminal.wait_for("ended bypassed=True")
    given_back(terminal)


def test_no_color_and_no_unicode(opened: Opened) -> None:
    terminal = opened(environment={"NO_COLOR": "1"})
    terminal.press(" ")
    terminal.wait_for(" PANIC ")
    codes = set(re.findall(rb"\x1b\[([0-9;]*)m", terminal.received))
    numbers = {int(n) for code in codes for n in code.split(b";") if n}
    assert numbers <= {0, 1, 2, 7}  # bold, dim, reverse
    assert 7 in numbers
    plain = opened(environment={"PYTHONIOENCODING": "ascii"})
    plain.wait_for("in L  [#")
    assert plain.received.isascii()


def test_a_terminal_that_places_no_text_gets_lines(opened: Opened) -> None:
    terminal = PseudoTerminal([*PLAYING, "exit"], environment={"TERM": "dumb"})
    try:
        assert terminal.ended() == 3
        assert "audio running" in terminal.text
        assert b"\x1b" not in terminal.received
    finally:
        terminal.close()


def child_of(terminal: PseudoTerminal) -> int:
    """The process id of what the shell runs."""
    shell = terminal.process.pid
    return int(Path(f"/proc/{shell}/task/{shell}/children").read_text())


def test_the_shell_stops_it_and_brings_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    terminal = PseudoTerminal(
        ["bash", "--norc", "--noprofile", "-i"], environment={"PS1": "ready> ", "HISTFILE": ""}
    )
    try:
        terminal.wait_for("ready>")
        terminal.press(shlex.join([*PLAYING, "handled"]) + "\n")
        terminal.wait_for("q quit")
        raw = terminal.attributes
        terminal.press("b")
        terminal.wait_for("BYPASS")
        terminal.press("\x1a")  # Ctrl-Z
        terminal.wait_for("Stopped")
        assert not terminal.full_screen and not terminal.cursor_hidden
        terminal.press("stty -a | tr ' ' '\\n' | grep icanon\n")
        terminal.wait_for("\nicanon")
        terminal.press("fg\n")
        terminal.wait_for("BYPASS")
        assert terminal.full_screen
        assert terminal.attributes[3] == raw[3]
        terminal.press("b")
        terminal.wait_for("styled")
        terminal.press("\x1a")  # and once more
        terminal.wait_until(lambda: not terminal.full_screen, "the normal screen")
        terminal.press("bg\n")
        time.sleep(0.6)
        assert not terminal.full_screen  # the shell has the terminal, and the sound goes on
        terminal.press("jobs\n")
        terminal.wait_for("Running")
        terminal.press("fg\n")
        terminal.wait_for("q quit")
        os.kill(child_of(terminal), signal.SIGSTOP)  # what nobody can know of before
        terminal.wait_until(lambda: terminal.attributes != raw, "the shell's own modes")
        terminal.press("fg\n")
        terminal.wait_until(lambda: terminal.attributes == raw, "the keys' modes")
        terminal.press("qq")
        terminal.wait_for("ended bypassed=False")
        terminal.press("exit\n")
        terminal.ended()
    finally:
        terminal.close()
