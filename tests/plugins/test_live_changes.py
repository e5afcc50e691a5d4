"""Plugins while the sound device changes under them: another rate, another period."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import jack
import pytest

from tests.conftest import JackServer, running_jack
from tests.live_rig import afx_live
from tests.plugins.test_live_plugins import CALM, NEAR_DB, gains_db
from tests.plugins.zam import zam
from tests.stage_rig import Hand
from tests.test_supervisor import AGAIN, KEPT_SECONDS, WAITING

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_a_plugin_plays_on_at_another_rate_and_with_longer_periods(
    jack_server: JackServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    hand, name = Hand(), jack_server.name
    options = ["--insert", zam("ZamCompX2"), "--osc", hand.port]
    options += ["--stats", tmp_path / "stats.json"]
    with afx_live(*options) as live:
        hand("zamcompx2.makeup", 9.0)
        time.sleep(KEPT_SECONDS)
        jack_server.process.terminate()
        live.wait_for(WAITING)
        jack_server.process.wait()
        with running_jack(name, 44_100, 256, tmp_path / "second.log"):
            live.wait_for(AGAIN)
            before = gains_db(name, 44_100, [])
            changer = jack.Client("changer", servername=name, no_start_server=True)
            changer.blocksize = 1024
            live.wait_for("zamcompx2 is now 1056 frames late")
            changer.close()
            time.sleep(0.2)
            after = gains_db(name, 44_100, [])
            status, _, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert [*before, *after] == pytest.approx([9.0, 9.0], abs=NEAR_DB)
    (plugin,) = json.loads((tmp_path / "stats.json").read_text())["plugins"]
    assert plugin["latency_frames"] == 1024 + 32 and plugin["state"] == "running"
