"""What a performer's hands do to the running sound: on a real JACK server, moved by OSC."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import numpy as np
import pytest
import scipy.signal

from realtime.controls import CHANGE_FADE_MS
from realtime.interpolate import morph
from realtime.measure import centroid_hz
from realtime.preset import Preset, load_preset, save_preset
from realtime.transfer import render
from tests.conftest import JackServer
from tests.jack_rig import Rig, onset, patched
from tests.live_rig import Live, afx_live
from tests.stage_rig import Hand, rendered
from tests.support import loudness, noise, rms, to_db
from tests.test_engine_jack import at_rate

CHANGE_MS = 50.0  # promised for a change of preset
QUIET = 1e-4

pytestmark = pytest.mark.usefixtures("compiled")


@pytest.fixture
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The person's own preset folder, empty."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "afx-live" / "presets"
    folder.mkdir(parents=True)
    return folder


def press(live: Live, hand: Hand, target: str, *values: float, words: str) -> None:
    """Press, and wait until what it does is said."""
    after = len(live.said)
    hand(target, *values)
    live.wait_for(words, after)


class Played:
    """Noise or a voice that plays through afx-live while hands move: `frame` is where it is."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._began = rig.start()

    @property
    def frame(self) -> int:
        """Frames recorded since the start, as the newest block of the recorder has it."""
        return self._rig.recorder.at - self._began

    def until(self, frame: int) -> None:
        while self.frame < frame:
            time.sleep(0.005)


def follow(
    y: np.ndarray, x: np.ndarray, rate: int, period: int, first: Preset, then: list[Preset]
) -> list[int]:
    """The blocks at which `y` begins to fade from `first` to each of `then`, one after the other.

    Fails unless `y` is, to the bit, the render that fades there: gapless, the tail kept.
    """
    switches: list[tuple[int, Preset]] = []
    for preset in then:
        want = rendered(x, 2, first, rate, size=period, switches=switches)
        switches.append((onset(y - want) // period * period, preset))
    want = rendered(x, 2, first, rate, size=period, switches=switches)
    assert np.array_equal(y, want), f"off by {to_db(np.abs(y - want).max()):.0f} dBFS"
    return [frame for frame, _ in switches]


@pytest.mark.parametrize("jack_server", [(48_000, 512)], indirect=True)
def test_a_set_list_is_stepped_through_gaplessly_in_time(
    jack_server: JackServer, tmp_path: Path, own_files: Path
) -> None:
    rate, period = jack_server.sample_rate, jack_server.period
    save_preset(Preset({"output.gain_db": -6.0, "eq2.gain_db": 9.0}), tmp_path / "mine.toml")
    (tmp_path / "friday.toml").write_text(
        'format = 1\npresets = ["hall", "mine.toml", "telephone"]\n'
    )
    (own_files / "a-broken.toml").write_text("[comp]\nattack_ms = 1\nratio = 99\n")
    save_preset(load_preset("crunch"), own_files / "b-own.toml")
    x = noise(6 * rate, 2, 0.05)
    hand = Hand()
    steps = [
        ("next", (), "'mine'"), ("next", (), "'telephone'"), ("previous", (), "'mine'"),
        ("program", (0, 0), "'hall'"), ("program", (1, 2), "'b-own'"),
    ]  # fmt: skip
    changes = ["mine.toml", "telephone", "mine.toml", "hall", "crunch"]
    presets = [load_preset(str(tmp_path / c) if "." in c else c) for c in changes]
    asked = []
    with afx_live("--set-list", tmp_path / "friday.toml", "--osc", hand.port) as live:
        with patched(jack_server.name, x) as rig:
            played = Played(rig)
            for number, (target, values, words) in enumerate(steps):
                played.until(rate // 2 + number * rate * 4 // 5)
                asked.append(played.frame)
                press(live, hand, target, *values, words=words)
            for values, words in {
                (3, 0): "bank 0 has no program 3, it has 0 to 2",
                (0, 7): "there is no bank 7",
                (0, 2): "line 3: comp.ratio is 99",
            }.items():
                press(live, hand, "program", *values, words=words)
            y = rig.wait()
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    shift = onset(y) - onset(rendered(x[:rate], 2, load_preset("hall"), rate))
    starts = follow(y[shift : shift + len(x)], x, rate, period, load_preset("hall"), presets)
    took_ms = 1e3 * (np.array(starts) + shift - asked) / rate + CHANGE_FADE_MS
    assert np.median(took_ms) <= CHANGE_MS, took_ms
    assert "'b-own'" in out


@pytest.mark.parametrize("jack_server", [(48_000, 1024)], indirect=True)
def test_bypass_is_as_loud_and_panic_leaves_no_tail(
    jack_server: JackServer, tmp_path: Path
) -> None:
    rate = jack_server.sample_rate
    room = {"reverb.room_size": 0.9, "output.gain_db": -9.0, "eq3.gain_db": 6.0}
    loud = load_preset("hall").with_values(room)
    save_preset(loud, tmp_path / "loud.toml")
    x = np.concatenate([noise(6 * rate, 2, 0.05), np.zeros((2 * rate, 2), np.float32)])
    hand = Hand()
    with afx_live("--preset", tmp_path / "loud.toml", "--osc", hand.port) as live:
        with patched(jack_server.name, x) as rig:
            played = Played(rig)
            played.until(5 * rate // 2)
            hand("bypass")
            played.until(4 * rate)
            hand("bypass")
            played.until(5 * rate)
            hand("output.gain_db", -12.0)
            press(live, hand, "bypass", words="dry at 0 dB: too little was heard")
            hand("bypass")
            played.until(round(6.2 * rate))
            hand("panic")
            y = rig.wait()
        status, _, err = live.end(signal.SIGINT)
    assert status == 0, err
    y = y[onset(y) - onset(x) :]
    styled, dry = y[rate : 5 * rate // 2], y[3 * rate : 4 * rate]
    difference_db = loudness(styled, rate) - loudness(dry, rate)
    assert abs(difference_db) < 1.0, f"{difference_db:.1f} dB between A and B"
    gain = dry[0, 0] / x[3 * rate, 0]
    assert gain != 1.0
    assert np.allclose(dry, gain * x[3 * rate : 4 * rate], rtol=1e-4, atol=1e-6), "not dry"
    after = slice(round(6.5 * rate), round(6.8 * rate))
    assert rms(rendered(x, 2, loud, rate)[after]) > 10.0 * QUIET  # what would ring on
    assert np.abs(y[after]).max() < QUIET


@pytest.mark.parametrize("jack_server", [(48_000, 512)], indirect=True)
def test_references_are_captured_beside_the_input_and_predicted_again(
    jack_server: JackServer, speech: tuple[np.ndarray, int], own_files: Path
) -> None:
    rate = jack_server.sample_rate
    voice = np.tile(at_rate(speech, rate, 8.0), (3, 1))
    other = np.roll(voice, 2 * rate, axis=0)
    dark = 3.0 * scipy.signal.lfilter(*scipy.signal.butter(1, 400.0, fs=rate), other, axis=0)
    bright = 3.0 * np.diff(other, axis=0, prepend=0.0)
    hand = Hand()
    x = np.concatenate([voice, dark], axis=1).astype(np.float32)
    options = ["--ref-live", 1, "--ref-channel", 2, "--osc", hand.port]
    with afx_live(*options) as live:
        with patched(jack_server.name, x) as rig:
            played = Played(rig)
            live.wait_for("the style is on, predicted from channel 2")
            styled_at = played.frame
            press(live, hand, "save", words="preset written")
            rig.player.audio[:, 1] = bright[:, 0]
            press(live, hand, "predict", words="play or speak")
            hand("capture")  # while it listens for the prediction: the capture counts
            live.wait_for("the style is on", len(live.said))
            press(live, hand, "save", words="preset written")
            press(live, hand, "predict", words="the style is on")
            press(live, hand, "save", words="preset written")
            rig.player.memory["frames"] = 0  # that will do
            y = rig.recorder.audio[: rig.recorder.at].copy()
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    saved = [load_preset(str(path)) for path in sorted(own_files.iterdir())]
    assert len(saved) == 3
    first, second, third = (render(voice[: 3 * rate], preset, rate) for preset in saved)
    octaves = np.log2([centroid_hz(sound, rate) for sound in (first, second, third)])
    assert octaves[1] - octaves[0] > 0.6, "not after the new one"
    assert saved[2] != saved[1]
    apart = np.abs(octaves[2] - octaves[:2])
    assert apart[1] < apart[0], "another reference than the one captured last"
    # Nothing of the reference's channel is heard: dry, both sides are the voice, to the bit.
    start = onset(y)
    assert styled_at > 3 * rate
    want = rendered(voice[onset(voice) :][: 2 * rate], 2, Preset.neutral(), rate)
    assert np.array_equal(y[start : start + 2 * rate], want)
    assert "predicted from channel 2" in out


@pytest.mark.parametrize("jack_server", [(48_000, 512)], indirect=True)
def test_one_knob_goes_from_one_style_to_the_other(
    jack_server: JackServer, speech: tuple[np.ndarray, int], shared_data: Path, tmp_path: Path
) -> None:
    rate = jack_server.sample_rate
    x = at_rate(speech, rate, 7.0)
    music = sorted((shared_data / "val" / "music").rglob("*.flac"))
    hand = Hand()
    options = ["--ref", music[0], "--ref", music[-1], "--morph", 0, "--amount", 100]
    options += ["--save-preset", tmp_path / "found.toml", "--osc", hand.port]
    with afx_live(*options) as live:
        with patched(jack_server.name, x) as rig:
            Played(rig)
            live.wait_for("preset written")  # by --save-preset, before a hand moves
            for position in (1.0, 0.5):
                hand("morph", position)
                press(live, hand, "save", words="preset written")
            hand("amount", 0.0)
            hand("comp.ratio", 7.0)
            press(live, hand, "save", words="preset written")
        status, out, err = live.end(signal.SIGINT)
    assert status == 0, err
    a, b, between, neutral = (
        load_preset(str(tmp_path / f"found{n}.toml")) for n in ("", "-2", "-3", "-4")
    )
    assert a != b
    want = morph(a, b, 0.5)
    assert all(np.isclose(between[i], want[i]) for i in want)
    assert neutral["comp.ratio"] == 7.0 and neutral["eq1.gain_db"] == 0.0
    assert music[0].name in out and music[-1].name in out
    assert "# set by hand" in out and "ratio 7:1#" in out
