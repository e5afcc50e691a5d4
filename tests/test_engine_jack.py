"""The whole program on a real JACK server, beside a real client that plays and records."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import soxr

from realtime.audio_files import to_channels
from realtime.controls import CHANGE_FADE_MS
from realtime.preset import Preset, load_preset, save_preset
from tests.conftest import ROOT, JackServer
from tests.jack_rig import onset, patched
from tests.live_rig import afx_live
from tests.stage_rig import rendered
from tests.support import noise, rms, to_db

# Long periods: what is compared is what the program does, not how busy this machine is.
CALM = [(48_000, 1024)]
EVERYTHING = Preset(
    {
        "input.gain_db": 3.0, "eq1.gain_db": 4.0, "eq4.gain_db": -6.0, "eq6.gain_db": 5.0,
        "comp.threshold_db": -30.0, "comp.ratio": 4.0, "dist.mix": 0.3, "reverb.wet": 0.2,
        "output.gain_db": -2.0,
    },
    name="everything",
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("compiled")


def at_rate(recording: tuple[np.ndarray, int], rate: int, seconds: float) -> np.ndarray:
    x = soxr.resample(recording[0], recording[1], rate).astype(np.float32)
    return x[: round(seconds * rate)]


@pytest.mark.parametrize(
    ("jack_server", "inputs", "outputs", "block_size"),
    [
        ((48_000, 1024), 2, 2, None),
        ((44_100, 512), 1, 2, None),
        ((48_000, 1024), 2, 1, 192),  # a block size that is not the server's
    ],
    indirect=["jack_server"],
)
def test_live_is_the_file_render_sample_for_sample(
    jack_server: JackServer,
    speech: tuple[np.ndarray, int],
    tmp_path: Path,
    inputs: int,
    outputs: int,
    block_size: int | None,
) -> None:
    rate = jack_server.sample_rate
    voice = at_rate(speech, rate, 2.0)
    x = np.concatenate([voice, np.roll(voice, 999)], axis=1)  # two channels that differ
    save_preset(EVERYTHING, tmp_path / "p.toml")
    options = ["--preset", tmp_path / "p.toml", "--channels", outputs]
    options += ["--input-channels", inputs, "--stats", tmp_path / "stats.json"]
    options += ["--block-size", block_size] if block_size else []
    with afx_live(*options) as live:
        with patched(jack_server.name, x) as rig:
            y = rig.play()[:, :outputs]
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    want = rendered(to_channels(x, 2)[:, :inputs], outputs, EVERYTHING, rate)
    shift = onset(y) - onset(want)
    assert shift >= 0
    got = y[shift : shift + len(want)]
    assert np.array_equal(got, want), f"off by {to_db(np.abs(got - want).max()):.0f} dBFS"
    assert rms(want) > 0.01
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats["frames"] > len(x) and stats["preset"] == dict(EVERYTHING)
    assert stats["nonfinite_resets"] == 0
    assert "compressor" in out and "LUFS" in out


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_a_reference_is_predicted_once_and_faded_into(
    jack_server: JackServer, speech: tuple[np.ndarray, int], shared_data: Path, tmp_path: Path
) -> None:
    rate = jack_server.sample_rate
    quiet = np.zeros((rate // 2, 1), np.float32)
    x = np.concatenate([quiet, np.tile(at_rate(speech, rate, 7.0), (3, 1))])
    reference = sorted((shared_data / "val" / "music").rglob("*.flac"))[0]
    options = ["--ref", reference, "--stats", tmp_path / "stats.json"]
    options += ["--save-preset", tmp_path / "found.toml"]
    with afx_live(*options) as live:
        with patched(jack_server.name, x) as rig:
            began = rig.start()
            live.wait_for("the style is on")
            enough = rig.recorder.at + 3 * rate
            while rig.recorder.at < enough:
                time.sleep(0.02)
            y = rig.recorder.audio[began : rig.recorder.at].copy()
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert err.count("the style is on") == 1
    found = load_preset(str(tmp_path / "found.toml"))
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats["preset"] == dict(found)
    assert stats["frames"] >= len(y)
    assert set(stats) == {
        "blocks", "frames", "late_blocks", "underflows", "overflows", "nonfinite_resets",
        "dsp_us", "latency_ms", "priority", "plugins", "preset",
    }  # fmt: skip
    assert set(stats["dsp_us"]) == {"p50", "p99", "p999", "max"}
    assert reference.name in out and "*" in out

    stereo = np.repeat(x, 2, axis=1)
    shift = onset(y) - onset(stereo)
    y = y[shift : shift + len(stereo)]
    stereo = stereo[: len(y)]
    # Dry to the bit until a block starts to fade, after 3 s of signal at the earliest.
    fade = onset(y - rendered(stereo, 2, Preset.neutral(), rate))
    assert fade > 3.5 * rate, f"styled after {fade / rate:.2f} s"
    # From there on the style: to the bit what a render gives that fades at the same block.
    period = jack_server.period
    assert shift % period == 0
    start = fade // period * period
    want = rendered(stereo, 2, Preset.neutral(), rate, size=period, switches=[(start, found)])
    assert np.array_equal(y, want), f"off by {to_db(np.abs(y - want).max()):.0f} dBFS"
    assert CHANGE_FADE_MS <= 50.0
    # And half a second later what the plain render of the whole input gives, nearly, once its
    # reverb, which heard what was dry here, is 60 dB down.
    ringing_s = 0.1 * 100.0 ** found["reverb.room_size"] if found["reverb.wet"] else 0.0
    later = start + round((0.5 + ringing_s) * rate)
    plain = rendered(stereo, 2, found, rate)
    error_db = to_db(rms(y[later:] - plain[later:]) / rms(plain[later:]))
    assert error_db < -60.0, f"{error_db:.1f} dB"


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_a_refined_style_is_faded_into_while_the_first_answer_plays(
    jack_server: JackServer, speech: tuple[np.ndarray, int], shared_data: Path, tmp_path: Path
) -> None:
    rate = jack_server.sample_rate
    x = np.repeat(at_rate(speech, rate, 9.0), 2, axis=1)
    reference = sorted((shared_data / "val" / "speech").rglob("*.flac"))[0]
    options = ["--ref", reference, "--refine", 1, "--save-preset", tmp_path / "found.toml"]
    with afx_live(*options) as live:
        with patched(jack_server.name, x) as rig:
            rig.play()
        first, better = (live.wait_for(w) for w in ("the style is on", "refined: distance"))
        # However long a search that shares its processor took: played again, all is refined.
        x = x[: 4 * rate]
        with patched(jack_server.name, x) as rig:
            y = rig.play()
        status, _, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert first < better
    shift = onset(y) - onset(x)
    y = y[shift : shift + len(x)]
    last = slice(len(y) - rate // 2, len(y))
    found = rendered(x, 2, load_preset(str(tmp_path / "found.toml")), rate)
    assert to_db(rms(y[last] - found[last]) / rms(found[last])) < -40.0


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_a_reference_heard_at_the_input(
    jack_server: JackServer, speech: tuple[np.ndarray, int], tmp_path: Path
) -> None:
    rate = jack_server.sample_rate
    reference = noise(rate * 3 // 2, 1, 0.1)
    x = np.concatenate([reference, np.zeros((rate * 5 // 4, 1)), at_rate(speech, rate, 5.0)])
    x = x.astype(np.float32)
    with afx_live("--ref-live", 1, "--stats", tmp_path / "stats.json") as live:
        with patched(jack_server.name, x) as rig:
            rig.play()
        live.wait_for("the style is on")
        status, out, err = live.end(signal.SIGTERM)
    assert status == 0, err
    assert err.index("reference captured") < err.index("then play") < err.index("the style is on")
    assert json.loads((tmp_path / "stats.json").read_text())["preset"] != dict(Preset.neutral())
    assert "reference" in out


@pytest.mark.parametrize("jack_server", CALM, indirect=True)
def test_faults_in_the_live_input_stay_out_of_the_output(
    jack_server: JackServer, tmp_path: Path
) -> None:
    x = noise(2 * jack_server.sample_rate, 2, 0.1)
    faults = [np.nan, np.inf, -np.inf, 1e30, -1e30]
    places = 5_000 + 7_001 * np.arange(len(faults))
    x[places, 0] = faults
    x[60_000:60_500] = 1e-40  # subnormals are no faults, and must not cost time either
    save_preset(EVERYTHING, tmp_path / "p.toml")
    with afx_live("--preset", tmp_path / "p.toml", "--stats", tmp_path / "stats.json") as live:
        with patched(jack_server.name, x) as rig:
            y = rig.play()
        status, out, err = live.end(signal.SIGTERM)
    assert status == 0, err
    assert np.isfinite(y).all() and np.abs(y).max() <= 1.0
    clean = x.copy()
    clean[places, 0] = 0.0
    want = rendered(clean, 2, EVERYTHING, jack_server.sample_rate)
    shift = onset(y) - onset(want)
    assert np.array_equal(y[shift : shift + len(want)], want)
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats["nonfinite_resets"] == len(faults)
    assert f"{len(faults)} silenced" in out


@pytest.mark.parametrize("jack_server", [(48_000, 256)], indirect=True)
def test_devices_are_listed_and_chosen(jack_server: JackServer, tmp_path: Path) -> None:
    # A process each: PortAudio aborts a process whose JACK server has gone before it.
    save_preset(EVERYTHING, tmp_path / "p.toml")

    def run(*args: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "realtime.cli", *map(str, args)],
            capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip

    listed = run("--list-devices")
    assert (
        listed.returncode == 0 and "system, JACK Audio Connection Kit  2 in, 2 out" in listed.stdout
    )
    number = next(line for line in listed.stdout.splitlines() if "system" in line).split(":")[0]
    preset = ("--preset", tmp_path / "p.toml")
    for name in (number.strip(), "System, JACK"):
        assert run(*preset, "--device", name, "--duration", 0.1).returncode == 0, name
    for bad, words in {
        ("--device", "harmonium"): "unknown input device 'harmonium'; choose from",
        ("--output-device", "99"): "no device 99",
        ("--device", "system", "--sample-rate", "44100"): "its own rate is 48000 Hz",
        ("--sample-rate", "1000"): "outside 8000..192000",
        ("--block-size", "100000"): "outside 0..8192",
    }.items():
        done = run(*preset, *bad)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        assert words in done.stderr and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("jack_server", [(48_000, 256)], indirect=True)
def test_the_end_is_no_click_and_the_patchbay_shows_our_name(jack_server: JackServer) -> None:
    rate = jack_server.sample_rate
    x = noise(3 * rate, 2, 0.1)
    with afx_live("--preset", "telephone") as live:
        with patched(jack_server.name, x) as rig:
            names = {port.name.split(":")[0] for port in rig.player.client.get_ports()}
            stopper = threading.Timer(1.0, live.process.send_signal, [signal.SIGINT])
            stopper.start()
            y = rig.play()
            stopper.join()
        status, _, err = live.end()
    assert status == 0, err
    assert "afx-live" in names
    last = np.flatnonzero(np.abs(y).max(axis=1))[-1]
    assert last < 2.5 * rate, "it played on"
    playing, end = rms(y[last - rate // 2 : last - rate // 4]), rms(y[last - rate // 200 : last])
    assert to_db(end / playing) < -40.0
