"""Plugins under a performer's hands: the whole program on a real JACK server, heard."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from realtime.preset import load_preset, save_preset
from tests.conftest import JackServer
from tests.jack_rig import patched
from tests.live_rig import afx_live
from tests.midi.controllers import controller
from tests.plugins.zam import zam
from tests.stage_rig import Hand
from tests.support import rms, sine, to_db
from tests.test_stage_jack import Played
from tests.test_supervisor import KEPT_SECONDS

# Long periods: what is compared is what the program does, not how busy this machine is.
CALM = [(48_000, 1024)]
LEVEL = 0.05  # of the tone: no threshold that is left alone is near it
STEP_S = 0.6
NEAR_DB = 0.3

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's settings, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "afx-live"


def gains_db(server: str, rate: int, steps: list) -> list[float]:
    """The gain of a tone before the first step, and at the end of each."""
    frames = round(STEP_S * rate)
    x = sine(1_000.0, (len(steps) + 1) * frames, rate, LEVEL)[:, None]
    ends = []
    with patched(server, x) as rig:
        played = Played(rig)
        for number, step in enumerate(steps, 1):
            played.until(number * frames)
            ends.append(played.frame)
            step()
        y = rig.wait()[:, 0]
    ends.append(int(np.flatnonzero(np.abs(y) > 0.01 * LEVEL)[-1]))
    window = rate // 8
    gap = rate // 50  # between the recorder's clock and the moment of a step
    return [to_db(rms(y[end - gap - window : end - gap]) / (LEVEL / 2**0.5)) for end in ends]


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_hands_move_plugins_and_what_is_saved_sounds_the_same_again(
    jack_server: JackServer, tmp_path: Path, home: Path
) -> None:
    rate, hand = jack_server.sample_rate, Hand()
    comp, eq = zam("ZamCompX2"), zam("ZamEQ2")
    with controller("knobs") as knobs:
        learning = ["--insert", comp, "--learn", "zamcompx2.makeup", "--midi", "knobs"]
        with afx_live(*learning, ready="zamcompx2.makeup: move") as live:
            for value in range(10, 40, 3):
                knobs.send(bytes((0xB0, 21, value)))
            live.wait_for("zamcompx2.makeup is moved by CC 21")
            assert live.end()[0] == 0

        options = ["--insert", f"{comp}@before-eq", "--insert", eq]
        options += ["--plugin-param", "zamcompx2.makeup=6", "--midi", "knobs", "--osc", hand.port]
        options += ["--save-preset", tmp_path / "first.toml", "--stats", tmp_path / "stats.json"]
        with afx_live(*options, ready="plugins add") as live:
            live.wait_for("'knobs:out'")
            found = gains_db(
                jack_server.name,
                rate,
                [
                    lambda: knobs.send(*(bytes((0xB0, 21, v)) for v in (20, 30, 64))),
                    lambda: hand("zameq2.master_gain", -12.0),
                    lambda: hand("zamcompx2/mix", 0.0),
                    lambda: hand("amount", 0.0),
                    lambda: (hand("amount", 1.0), hand("revert.zamcompx2.mix")),
                    lambda: hand("panic"),
                    lambda: hand("bypass"),
                    lambda: hand("save"),
                ],
            )
            live.wait_for("preset written to", after=len(live.said) - 3)
            status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert found == pytest.approx([6.0, 15.0, 3.0, -12.0, 0.0, 3.0, 0.0, 3.0, 3.0], abs=NEAR_DB)
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert [p["name"] for p in stats["plugins"]] == ["zamcompx2", "zameq2"]
    assert all(p["state"] == "running" and p["restarts"] == 0 for p in stats["plugins"])
    frames = sum(p["latency_frames"] for p in stats["plugins"])
    assert f"plugins add {frames} frames" in out and f"plugins add {frames} frames" in err
    assert frames >= 2 * jack_server.period and "frames late" not in err
    assert "makeup +15.0 dB#" in out or "makeup 15.0 dB#" in out

    assert load_preset(str(tmp_path / "first.toml"))["zamcompx2.makeup"] == 6.0
    saved = load_preset(str(tmp_path / "first-2.toml"))
    assert saved["zamcompx2.makeup"] == 15.0 and saved["zameq2.master_gain"] == -12.0
    assert [(p.point, p.path) for p in saved.plugins] == [
        ("before-eq", comp),
        ("before-reverb", eq),
    ]
    assert all(p.state and p.identifier and p.version for p in saved.plugins)
    with afx_live("--preset", tmp_path / "first-2.toml") as live:
        again = gains_db(jack_server.name, rate, [])
        live.end(signal.SIGINT)
    assert again == pytest.approx([3.0], abs=NEAR_DB)
    # The state alone carries what the plugin was set to.
    bare = saved.with_plugins(
        type(p)(p.name, p.path, p.point, p.identifier, p.version, state=p.state)
        for p in saved.plugins
    )
    save_preset(bare, tmp_path / "bare.toml")
    options = ["--set-list", tmp_path / "set.toml", "--osc", hand.port]
    (tmp_path / "set.toml").write_text(
        'format = 1\npresets = ["bare.toml", "first.toml", "hall"]\n'
    )
    with afx_live(*options) as live:
        steps = [lambda: hand("next"), lambda: hand("previous")]
        stepped = gains_db(jack_server.name, rate, steps)
        status, _, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert stepped == pytest.approx([3.0, 6.0, 3.0], abs=NEAR_DB)


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_an_engine_that_dies_leaves_its_plugins_to_the_next(jack_server: JackServer) -> None:
    rate, hand = jack_server.sample_rate, Hand()
    options = ["--insert", zam("ZamCompX2"), "--plugin-param", "zamcompx2.makeup=3"]
    with afx_live(*options, "--osc", hand.port) as live:
        hand("zamcompx2.makeup", 9.0)
        time.sleep(KEPT_SECONDS)
        os.kill(live.engine(), signal.SIGKILL)
        live.wait_for("audio running again")
        again = gains_db(jack_server.name, rate, [lambda: hand("revert.zamcompx2.makeup")])
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert again == pytest.approx([9.0, 3.0], abs=NEAR_DB)
    assert "makeup 3.0 dB" in out and "Traceback" not in err
