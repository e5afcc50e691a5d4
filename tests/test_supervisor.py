"""A pulled cable: the server killed under the engine, the engine killed, the supervisor killed."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import termios
import time
from pathlib import Path

import jack
import numpy as np
import pytest
import soxr

from realtime.preset import Preset, factory_presets, load_preset, save_preset
from tests.conftest import ROOT, JackServer, running_jack
from tests.jack_rig import onset, patched
from tests.live_rig import READY, Live, afx_live, command
from tests.stage_rig import Hand, rendered
from tests.support import noise, rms, to_db

STYLE = Preset(
    {"eq1.gain_db": 4.0, "eq4.gain_db": -6.0, "comp.threshold_db": -30.0, "comp.ratio": 4.0},
    name="style",
)
KEPT_SECONDS = 1.5  # what the engine does twice a second is done by then on a busy machine too
START_SECONDS = 1.0  # from start to sound, on a machine that has little else to do
WAITING = "the sound device went away: waiting for it, Ctrl-C ends"
AGAIN = "audio running again"

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture
def style(tmp_path: Path) -> Path:
    save_preset(STYLE, tmp_path / "style.toml")
    return tmp_path / "style.toml"


def allowed(live: Live, seconds: float) -> float:
    """What is promised to take `seconds` takes longer where starting did, in proportion."""
    took = re.search(r"audio running after ([0-9.]+) s", "".join(live.said))
    return seconds * max(1.0, float(took[1]) / START_SECONDS) if took else 3.0 * seconds


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def assert_plays(server: JackServer, preset: Preset) -> None:
    """What comes out of afx-live is `preset` applied to what goes in."""
    rate = server.sample_rate
    x = np.concatenate([noise(rate, 2, 0.1), np.zeros((rate // 10, 2), np.float32)])
    with patched(server.name, x) as rig:
        y = rig.play()
    want = rendered(x, 2, preset, rate)
    shift = onset(y) - onset(want)
    got, tail = y[shift : shift + len(want)], rate // 4  # what rang before has gone by then
    assert to_db(rms(got[tail:] - want[tail:]) / rms(want[tail:])) < -60.0


def test_a_server_that_dies_and_returns_with_another_rate(
    jack_server: JackServer, style: Path, tmp_path: Path
) -> None:
    hand = Hand()
    options = ["--preset", style, "--stats", tmp_path / "stats.json", "--osc", hand.port]
    options += ["--midi", "auto"]  # whose JACK client loses its server too
    by_hand = {"eq2.gain_db": 7.0, "comp.ratio": 2.0}
    with afx_live(*options) as live:
        for target, value in by_hand.items():
            hand(target, value)
        time.sleep(KEPT_SECONDS)
        killed = time.monotonic()
        jack_server.process.terminate()
        assert live.wait_for(WAITING) - killed < allowed(live, 2.0)
        jack_server.process.wait()
        time.sleep(1.0)
        with running_jack(jack_server.name, 44_100, 256, tmp_path / "second.log") as second:
            returned = time.monotonic()
            assert live.wait_for(AGAIN) - returned < allowed(live, 2.0)
            assert_plays(second, STYLE.with_values(by_hand))
            hand("revert.comp.ratio")  # which the second engine hears too
            time.sleep(0.2)
            status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert err.count(WAITING) == 1 and "Traceback" not in err
    assert "the sound device went away, back after" in out and "44100 Hz" in out
    assert "compressor" in out and out.count("DSP per block") == 1
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats["preset"] == dict(STYLE.with_values({"eq2.gain_db": 7.0}))
    # Blocks of both servers are counted: 128 frames each in the first, 256 in the second.
    mean = stats["frames"] / stats["blocks"]
    assert 129.0 < mean < 255.0


@pytest.mark.parametrize("jack_server", [(48_000, 1024)], indirect=True)
def test_an_engine_that_is_killed_goes_on_with_its_predicted_style(
    jack_server: JackServer,
    speech: tuple[np.ndarray, int],
    shared_data: Path,
    tmp_path: Path,
) -> None:
    x = soxr.resample(*speech, jack_server.sample_rate).astype(np.float32)
    reference = sorted((shared_data / "val" / "music").rglob("*.flac"))[0]
    options = ["--ref", reference, "--save-preset", tmp_path / "found.toml"]
    with afx_live(*options, "--stats", tmp_path / "stats.json") as live:
        with patched(jack_server.name, x) as rig:
            rig.play()
        live.wait_for("preset written")
        time.sleep(KEPT_SECONDS)
        killed = time.monotonic()
        os.kill(live.engine(), signal.SIGKILL)
        assert live.wait_for("the engine died (SIGKILL)") - killed < allowed(live, 2.0)
        assert live.wait_for(AGAIN) - killed < allowed(live, 2.0)
        found = load_preset(str(tmp_path / "found.toml"))
        assert_plays(jack_server, found)
        status, out, err = live.end(signal.SIGTERM)
    assert status == 0, err
    assert err.count("the style is on") == err.count("your own sound") == 1, "predicted twice"
    assert json.loads((tmp_path / "stats.json").read_text())["preset"] == dict(found)
    assert f"predicted from {reference.name!r}" in out and "*" in out


def test_ctrl_c_ends_while_the_device_is_away(
    jack_server: JackServer, style: Path, tmp_path: Path
) -> None:
    with afx_live("--preset", style, "--stats", tmp_path / "stats.json") as live:
        jack_server.process.terminate()
        live.wait_for(WAITING)
        time.sleep(1.5)  # the next engine waits
        pressed = time.monotonic()
        status, out, err = live.end(signal.SIGINT)
        assert time.monotonic() - pressed < allowed(live, 1.0)
    assert status == 1, err
    assert "compressor" in out and "went away, not back" in out
    assert (tmp_path / "stats.json").exists() and "Traceback" not in err


@pytest.mark.parametrize("noticed", [False, True])
def test_ctrl_c_ends_while_the_driver_hangs(
    jack_server: JackServer, style: Path, noticed: bool
) -> None:
    with afx_live("--preset", style, "--midi", "auto") as live:
        time.sleep(0.6)
        jack_server.process.send_signal(signal.SIGSTOP)
        try:
            if noticed:
                live.wait_for(WAITING)
                time.sleep(1.0)  # the next engine hangs where it asks for the server
            pressed = time.monotonic()
            status, out, err = live.end(signal.SIGINT)
            assert time.monotonic() - pressed < allowed(live, 1.0)
        finally:
            jack_server.process.send_signal(signal.SIGCONT)
    assert status == 1, err
    assert "DSP per block" in out
    assert noticed or "the sound driver hung while stopping" in err


def test_ctrl_c_ends_while_the_engine_hangs(jack_server: JackServer, style: Path) -> None:
    with afx_live("--preset", style) as live:
        time.sleep(0.6)
        os.kill(live.engine(), signal.SIGSTOP)
        pressed = time.monotonic()
        status, out, err = live.end(signal.SIGINT)
        assert time.monotonic() - pressed < allowed(live, 1.0)
    assert status == 1 and "the sound driver hung while stopping" in err
    assert "DSP per block" in out  # as far as it was told


@pytest.mark.parametrize("seconds", [0.05, 0.3])
def test_ctrl_c_ends_while_starting(jack_server: JackServer, style: Path, seconds: float) -> None:
    with afx_live("--preset", style, ready="") as live:
        time.sleep(seconds)
        pressed = time.monotonic()
        status, out, err = live.end(signal.SIGINT)
        assert time.monotonic() - pressed < allowed(live, 1.0)
    if status == 0:  # a quick machine was playing already
        assert "DSP per block" in out
    else:
        assert out == ""
    if status == 130:  # else Python itself was still starting
        assert err == "afx-live: stopped\n"


def test_an_engine_that_dies_again_and_again_is_given_up(
    jack_server: JackServer, style: Path
) -> None:
    with afx_live("--preset", style) as live:
        for times in range(4):
            lines = len(live.said)
            os.kill(live.engine(), signal.SIGKILL)
            if times < 3:
                live.wait_for(AGAIN, after=lines)
        status, _, err = live.end()
    assert status == 1, err
    assert err.count("the engine died (SIGKILL)") == 4 and "giving up" in err


def test_an_engine_does_not_outlive_its_supervisor(jack_server: JackServer, style: Path) -> None:
    with afx_live("--preset", style) as live:
        engine = live.engine()
        live.process.kill()
        live.process.wait()
        limit = time.monotonic() + allowed(live, 1.0)
        while alive(engine) and time.monotonic() < limit:
            time.sleep(0.01)
        assert not alive(engine)


def test_the_sound_goes_on_where_nobody_reads_what_is_said(
    jack_server: JackServer, style: Path, tmp_path: Path
) -> None:
    hand = Hand()
    options = ["--preset", style, "--osc", hand.port, "--stats", tmp_path / "stats.json"]
    process = subprocess.Popen(
        command(*options), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        while READY not in (line := process.stderr.readline()):
            assert line
        process.stderr.close()  # as in afx-live 2>&1 | head
        hand("next")  # which is said
        time.sleep(KEPT_SECONDS)
        assert process.poll() is None
        hand("comp.ratio", 7)
        time.sleep(KEPT_SECONDS)
        process.send_signal(signal.SIGINT)
        assert process.wait(30.0) == 0
    finally:
        process.kill()
        process.wait()
    now = load_preset(factory_presets()[0]).with_values({"comp.ratio": 7.0})
    assert json.loads((tmp_path / "stats.json").read_text())["preset"] == dict(now)


def test_duration_counts_from_the_first_sound(
    jack_server: JackServer, style: Path, tmp_path: Path
) -> None:
    with afx_live("--preset", style, "--duration", 3) as live:
        began = time.monotonic()
        os.kill(live.engine(), signal.SIGKILL)
        status, _, err = live.end()
        assert 2.0 < time.monotonic() - began < 3.0 + allowed(live, 1.0)
    assert status == 0, err


def test_a_terminal_is_as_before_after_an_engine_that_was_killed(
    jack_server: JackServer, style: Path
) -> None:
    ours, theirs = pty.openpty()
    try:
        before = termios.tcgetattr(theirs)
        with afx_live("--preset", style, stdin=theirs) as live:
            keys = termios.tcgetattr(theirs)
            keys[3] &= ~(termios.ICANON | termios.ECHO)  # as a screen with keys has it
            termios.tcsetattr(theirs, termios.TCSANOW, keys)
            os.kill(live.engine(), signal.SIGKILL)
            live.wait_for(AGAIN)
            assert termios.tcgetattr(theirs) == before
            assert live.end(signal.SIGINT)[0] == 0
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_block_size_changed_underneath_is_said(jack_server: JackServer, style: Path) -> None:
    with afx_live("--preset", style) as live:
        time.sleep(0.7)
        client = jack.Client("changer", no_start_server=True)
        client.blocksize = 512
        live.wait_for("the device's blocks now have 512 frames, they had 128")
        assert_plays(jack_server, STYLE)
        client.close()
        status, _, err = live.end(signal.SIGINT)
    assert status == 0 and err.count("now have") == 1, err
