"""A controller that plays the running program: on a real JACK server, heard in what it plays."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.preset import Preset, save_preset
from tests.conftest import JackServer
from tests.jack_rig import patched
from tests.live_rig import afx_live
from tests.midi.controllers import Controller, controller, wait_until

LEVEL = 0.25  # what plays in, at every frame
SMOOTHING_S = 0.020  # the table's, for output.gain_db
REPLUG_S = 2.0
PLATEAU_S = 0.1
MAP = """
format = 1
takeover = "jump"
channel = 1
[[control]]
target = "output.gain_db"
cc = 7
feedback = true
[[control]]
target = "output.gain_db"
cc = 16
bits = 14
[[control]]
target = "output.gain_db"
nrpn = 7
[[control]]
target = "output.gain_db"
note = 36
on = -20.0
"""

pytestmark = pytest.mark.usefixtures("compiled")


def knob_db(value: float, size: int) -> float:
    """What a knob of so many steps does to output.gain_db, -40..40 dB, below its middle."""
    return 80.0 * value / size - 40.0


def plateaus(y: np.ndarray, rate: int) -> list[tuple[int, int, float]]:
    """Where the sound stood still: (first frame, last frame, gain in dB) of each stretch."""
    moves = np.flatnonzero(np.abs(np.diff(y)) > 1e-7)
    edges = np.concatenate([[-1], moves, [len(y) - 1]])
    found = []
    for start, end in zip(edges[:-1] + 1, edges[1:], strict=True):
        if end - start >= PLATEAU_S * rate and y[start] != 0.0:
            found.append((int(start), int(end), 20.0 * float(np.log10(y[start] / LEVEL))))
    return found


@pytest.mark.parametrize("jack_server", [(48_000, 512)], indirect=True)
def test_every_kind_of_message_is_heard_in_the_sound(
    jack_server: JackServer, tmp_path: Path
) -> None:
    rate, period = jack_server.sample_rate, jack_server.period
    save_preset(Preset.neutral(), tmp_path / "flat.toml")
    save_preset(Preset({"output.gain_db": -6.0}), tmp_path / "soft.toml")
    (tmp_path / "set.toml").write_text('format = 1\npresets = ["flat.toml", "soft.toml"]\n')
    (tmp_path / "map.toml").write_text(MAP)
    storm = [bytes([0xB0, 0x07, 20 + n % 40]) for n in range(1_000)]
    flood = [b"\xf0" + bytes(200) + b"\xf7"] * 20 + [b"\xf0\x01", b"\x00", b"\xff", b"\xb0\x07"]
    steps: list[tuple[list[bytes], float]] = [
        ([b"\xb0\x07\x30"], knob_db(48, 128)),
        (
            [b"\xb0\x63\x00", b"\xb0\x62\x07", b"\xb0\x06\x38", b"\xb0\x26\x20"],
            knob_db(7200, 1 << 14),
        ),
        ([b"\xb0\x10\x2e", b"\xb0\x30\x70"], knob_db(6000, 1 << 14)),
        ([b"\x90\x24\x7f", b"\x80\x24\x00"], -20.0),
        ([b"\x90\x24\x7f", b"\x80\x24\x00"], 0.0),
        ([b"\xc0\x01"], -6.0),
        ([*storm, *flood, b"\xb0\x07\x28", b"\xb1\x07\x00"], knob_db(40, 128)),
    ]  # fmt: skip
    x = np.full((round((0.5 * len(steps) + 1.5) * rate), 2), LEVEL, np.float32)
    options = ["--set-list", tmp_path / "set.toml", "--map", tmp_path / "map.toml"]
    with (
        controller("knobs") as knobs,
        afx_live(*options, "--midi", "auto", "--stats", tmp_path / "stats.json") as live,
        patched(jack_server.name, x) as rig,
    ):
        live.wait_for("'knobs:out' is open")
        began, asked = rig.start(), []
        for number, (messages, _) in enumerate(steps):
            due = began + round((0.5 + 0.5 * number) * rate)
            wait_until(lambda due=due: rig.recorder.at >= due, 20.0, "the sound goes on")
            asked.append(rig.recorder.at - began)
            knobs.send(*messages)
        stretches = plateaus(rig.wait()[:, 0], rate)
        status, _, err = live.end(signal.SIGINT)
    assert status == 0 and "Traceback" not in err, err
    assert [db for _, _, db in stretches] == pytest.approx(
        [0.0, *(db for _, db in steps)], abs=0.01
    ), stretches
    # One knob: a straight way there, as long as the table says and to the block.
    arrived = stretches[1][0] - stretches[0][1]
    assert arrived <= SMOOTHING_S * rate + period
    waited = [last - at for (_, last, _), at in zip(stretches, asked, strict=False)]
    assert np.median(waited) <= 0.05 * rate, waited


@pytest.mark.parametrize("jack_server", [(48_000, 512)], indirect=True)
def test_lights_follow_without_a_loop_and_a_replugged_controller_plays_on(
    jack_server: JackServer, tmp_path: Path
) -> None:
    rate = jack_server.sample_rate
    save_preset(Preset({"output.gain_db": -3.3}), tmp_path / "first.toml")
    save_preset(Preset({"output.gain_db": -6.1}), tmp_path / "second.toml")
    (tmp_path / "set.toml").write_text('format = 1\npresets = ["first.toml", "second.toml"]\n')
    (tmp_path / "map.toml").write_text(MAP)
    x = np.full((6 * rate, 2), LEVEL, np.float32)
    options = ["--set-list", tmp_path / "set.toml", "--map", tmp_path / "map.toml"]
    again = Controller("motors")

    def ring(db: float) -> bytes:
        return bytes([0xB0, 0x07, round((db + 40.0) / 80.0 * 128)])

    with (
        controller("motors") as motors,
        afx_live(*options, "--midi", "motors") as live,
        patched(jack_server.name, x) as rig,
    ):
        rig.start()
        wait_until(lambda: ring(-3.3) in motors.seen, 5.0, "the ring shows what plays")
        stop = threading.Event()

        def echo() -> None:
            told = 0
            while not stop.wait(0.002):
                for message in motors.seen[told:]:
                    motors.send(message)
                    told += 1

        echoing = threading.Thread(target=echo)
        echoing.start()
        time.sleep(0.4)
        motors.send(b"\xc0\x01")
        wait_until(lambda: ring(-6.1) in motors.seen, 5.0, "the ring follows the preset")
        time.sleep(1.0)
        stop.set()
        echoing.join()
        assert motors.seen.count(ring(-6.1)) == 1 and len(motors.seen) <= 4, motors.seen
        motors.unplug()
        live.wait_for("'motors:out' is gone")
        again.plug()
        plugged = time.monotonic()
        assert live.wait_for("'motors:out' is back") - plugged < REPLUG_S
        wait_until(lambda: ring(-6.1) in again.seen, REPLUG_S, "its ring shows what plays")
        again.send(b"\xb0\x07\x30")
        stretches = plateaus(rig.wait()[:, 0], rate)
        status, _, err = live.end(signal.SIGINT)
    again.unplug()
    assert status == 0 and "Traceback" not in err, err
    assert [db for _, _, db in stretches] == pytest.approx(
        [-3.3, -6.1, knob_db(48, 128)], abs=0.01
    ), stretches
