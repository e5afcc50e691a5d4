"""A plugin that fails in every way while afx-live plays through it on a JACK server.

One session goes through all faults; what it recorded, said and counted is looked at from all sides.
"""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from realtime.callback import compile_all
from realtime.plugins.record import RESERVE
from realtime.preset import Preset, save_preset
from tests.conftest import running_jack
from tests.jack_rig import Rig, patched
from tests.live_rig import Live, afx_live
from tests.plugins.conftest import compile_plugin
from tests.stage_rig import Hand
from tests.support import rms, sine

# Long periods: what is compared is what the program does, not how busy this machine is.
RATE, PERIOD = 48_000, 1024
GAIN = 0.5  # of the plugin: half as loud is through it, as loud as the input is dry
LATENCY = 100  # frames, of the plugin itself
NONE, HANG, CRASH, NAN, LATE = range(5)
WINDOW = RATE // 50
START_SECONDS = 1.0  # before the first fault
PATIENCE_SECONDS = 20.0
START = RATE // 2  # the frame from which on everything is looked at

pytestmark = pytest.mark.sound


@dataclass
class Story:
    """What happened. delay: frames from `played` to `heard`. marks: the latter's frame at which
    something was asked for."""

    played: np.ndarray
    delay: int = 0
    heard: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    marks: dict[str, int] = field(default_factory=dict)
    status: int = -1
    report: str = ""
    said: str = ""
    stats: dict[str, Any] = field(default_factory=dict)


def dry_share(heard: np.ndarray, aligned: np.ndarray) -> np.ndarray:
    """For each 20 ms: 0 where the plugin is heard, 1 where the input is, between while fading."""
    count = len(heard) // WINDOW
    y, x = (np.reshape(a[: count * WINDOW], (count, a.shape[1] * WINDOW)) for a in (heard, aligned))
    level = np.sqrt(np.mean(y**2, 1) / np.mean(x**2, 1))
    return (level - GAIN) / (1.0 - GAIN)


def delay_of(heard: np.ndarray, played: np.ndarray) -> int:
    """Frames from what was played to the same through the plugin, at the start."""
    frames = 2000
    healthy = heard[START : START + frames]
    delayed = sliding_window_view(played[: START + frames], frames, axis=0)
    errors = [rms(healthy - GAIN * delayed[START - by].T) for by in range(8 * PERIOD)]
    best = int(np.argmin(errors))
    assert errors[best] < 1e-3 * rms(healthy), "the plugin's sound is not in what was heard"
    return best


class Play:
    """The session as it goes: what comes back, and a hand on the plugin."""

    def __init__(self, rig: Rig, live: Live, hand: Hand, fuse: Path, story: Story) -> None:
        self.rig, self.live, self.hand, self.fuse, self.story = rig, live, hand, fuse, story
        self._began = rig.start()
        self._from = START  # what is waited for comes behind
        time.sleep(START_SECONDS)
        story.delay = delay_of(self.heard(), story.played)
        self.wait(dry=False)

    def heard(self) -> np.ndarray:
        return self.rig.recorder.audio[self._began : self.rig.recorder.at]

    def fault(self, name: str, fault: int, fuse: str = "") -> None:
        """From now on. fuse: hangs ("h") and crashes ("c") until the plugin is well again."""
        self.fuse.write_text(fuse)
        self.story.marks[name] = self._from = len(self.heard())
        self.hand("faulty.fault", fault)

    def wait(self, dry: bool) -> None:
        """Until there were 100 ms dry, or through the plugin, behind those last waited for."""
        limit = time.monotonic() + PATIENCE_SECONDS
        while True:
            heard = self.heard()[self._from :]
            played = self.story.played[self._from - self.story.delay :][: len(heard)]
            share = dry_share(heard, played)
            so = np.abs(share - dry) < 0.02
            ends = [n for n in range(5, len(so) + 1) if so[n - 5 : n].all()]
            if ends:
                self._from += ends[0] * WINDOW
                return
            assert time.monotonic() < limit, f"{share}: {''.join(self.live.said)}"
            time.sleep(0.05)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    compile_all()
    folder = tmp_path_factory.mktemp("faults")
    bundle = compile_plugin(folder / "vst3", latency=LATENCY)
    fuse, stats, neutral = folder / "fuse", folder / "stats.json", folder / "neutral.toml"
    fuse.touch()
    save_preset(Preset({}, name="neutral"), neutral)
    # No two moments within a second are alike, and from one frame to the next little happens.
    x = sum(sine(freq_hz, 40 * RATE, RATE, 0.06) for freq_hz in (97.0, 151.5, 233.25))[:, None]
    x = np.repeat(x, 2, axis=1).astype(np.float32)
    story, hand = Story(x), Hand()
    options = ["--preset", neutral, "--insert", bundle, "--plugin-param"]
    options += [f"faulty.gain={20.0 * np.log10(GAIN)}", "--osc", hand.port, "--stats", stats]
    environment = {
        "FAULTY_FUSE": str(fuse),
        "XDG_CACHE_HOME": str(folder),
        "JACK_NO_START_SERVER": "1",
    }
    name = f"afx-live-test-{uuid.uuid4().hex[:12]}"
    with running_jack(name, RATE, PERIOD, folder / "jackd.log") as server:
        environment["JACK_DEFAULT_SERVER"] = name
        with (
            afx_live(*options, **environment) as live,
            patched(server.name, x) as rig,
        ):
            play = Play(rig, live, hand, fuse, story)
            for kind, fault in (("nan", NAN), ("late", LATE)):
                play.fault(kind, fault)
                play.wait(dry=True)
                play.fault(f"{kind} over", NONE)
                play.wait(dry=False)
            for kind, fault in (("crash", CRASH), ("hang", HANG)):
                play.fault(kind, fault, kind[0])
                play.wait(dry=True)
                play.wait(dry=False)
            play.fault("for ever", CRASH, "c" * 99)
            live.wait_for("bypassed")
            play.wait(dry=True)
            story.heard = play.heard().copy()
            story.status, story.report, story.said = live.end(signal.SIGINT)
    story.stats = json.loads(stats.read_text())
    yield story


@pytest.fixture(scope="module")
def aligned(story: Story) -> np.ndarray:
    """The input as it would be heard dry."""
    return np.pad(story.played, ((story.delay, 0), (0, 0)))[: len(story.heard)]


def test_whatever_it_does_what_is_heard_is_the_plugin_the_input_or_a_blend(
    story: Story, aligned: np.ndarray
) -> None:
    """And both are on time: a latency that moved, or a dropout, would be neither."""
    low, high = np.minimum(aligned, GAIN * aligned), np.maximum(aligned, GAIN * aligned)
    outside = np.maximum(low - story.heard, story.heard - high)
    assert np.isfinite(story.heard).all()
    assert outside[START:].max() < 1e-3 * np.abs(aligned).max()


def test_no_fault_clicks(story: Story, aligned: np.ndarray) -> None:
    """From one sample to the next a fade moves the sound by its share of the difference."""
    heard = story.heard[START:]
    step = (1.0 - GAIN) * np.abs(aligned).max() / RESERVE
    assert np.abs(np.diff(heard, axis=0)).max() < np.abs(np.diff(aligned, axis=0)).max() + step


def test_it_is_dry_while_the_plugin_fails_and_comes_back(story: Story, aligned: np.ndarray) -> None:
    share = dry_share(story.heard[START:], aligned[START:])
    marks = {name: (frame - START) // WINDOW for name, frame in story.marks.items()}
    for end in ("nan", "late", "crash", "hang", "for ever"):
        assert np.abs(share[marks[end] - 3 : marks[end]]).max() < 0.05, f"before {end}"
    for end in ("nan over", "late over"):
        assert share[marks[end] - 3 : marks[end]].min() > 0.95, f"before {end}"
    assert share[-3:].min() > 0.95, "given up"


def test_every_fault_is_counted_and_said(story: Story) -> None:
    assert story.status == 0 and "Traceback" not in story.said, story.said
    (plugin,) = story.stats["plugins"]
    assert plugin["name"] == "faulty" and plugin["state"] == "bypassed"
    assert plugin["restarts"] == 3
    assert plugin["nonfinite_blocks"] > 0 and plugin["late_blocks"] > 0
    assert plugin["dry_blocks"] >= plugin["nonfinite_blocks"] + plugin["late_blocks"]
    assert plugin["latency_frames"] >= LATENCY + PERIOD
    for words in ("died (SIGSEGV)", "hangs", "starting it again", "bypassed"):
        assert words in story.said, story.said
    (line,) = [line for line in story.report.splitlines() if "given up" in line]
    assert line.split()[0] == "faulty" and f"{plugin['dry_blocks']} blocks dry" in line


def test_the_engine_never_waits_for_it(story: Story) -> None:
    """It would wait 50 ms where the plugin is late, and for ever where it hangs."""
    dsp_us, block_us = story.stats["dsp_us"], 1e6 * PERIOD / RATE
    assert dsp_us["p50"] < 0.05 * block_us
    assert dsp_us["p99"] < 0.5 * block_us
