"""What buttons of a live session do, and which of two things that were asked for wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from realtime.bridge import Bridge
from realtime.coefficients import design_chain
from realtime.controls import Controls
from realtime.monitor import Monitor
from realtime.plugins.setting import PluginSetting
from realtime.preset import Preset, load_preset, save_preset
from realtime.programs import Programs
from realtime.set_list import load_set_list
from realtime.stage import Stage
from realtime.style import Reference, Style, StyleRequest
from tests.support import Array, noise

RATE = 16_000
PREDICTED = load_preset("crunch")


class Evening:
    """A stage with a set list of two and a reference; the model answers when it is let."""

    def __init__(self, folder: Path) -> None:
        path = folder / "list.toml"
        path.write_text('format = 1\npresets = ["hall", "telephone"]\n')
        self.said: list[str] = []
        self.model = threading.Event()
        self.bridge = Bridge(RATE, 1, 1)
        monitor = Monitor(RATE, 1, 1)
        self.controls = Controls(Preset.neutral(), self.bridge.set_preset, origin="dry")
        reference = Reference(noise(RATE, 1, 0.1), RATE, "'style.wav'")
        request = StyleRequest(
            lambda *_: PREDICTED if self.model.wait(20.0) else None, (reference,)
        )
        self.style = Style(request, RATE, 1, self.said.append)
        programs = Programs(load_set_list(path))
        self.stage = Stage(
            self.bridge, self.controls, monitor, self.style, programs,
            say=self.said.append, save_to=folder / "mine.toml",
        )  # fmt: skip

    def predict(self, *_: object) -> Preset:
        assert self.model.wait(20.0)
        return PREDICTED

    def press(self, *buttons: str) -> None:
        for button in buttons:
            self.controls.press(button)
        self.stage.work(0.0 if not buttons else 1.0)

    def play(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.stage.listen(noise(RATE // 10, 1, 0.1), None)

    def play_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20.0
        while not condition():
            assert time.monotonic() < deadline, self.said
            self.play(0.1)
            time.sleep(0.002)


@pytest.fixture
def evening(tmp_path: Path) -> Evening:
    return Evening(tmp_path)


def test_a_prediction_takes_the_place_of_the_sound(evening: Evening) -> None:
    evening.press("predict")
    evening.play_until(lambda: evening.style.status() == "predicting")
    assert evening.bridge.preset == Preset.neutral()
    evening.model.set()
    evening.play_until(lambda: evening.bridge.preset == PREDICTED)
    assert evening.said[-1] == "the style is on, predicted from 'style.wav'"


@pytest.mark.parametrize("when", ["before it is heard", "while it is predicted"])
def test_a_preset_chosen_meanwhile_is_not_overrun_by_the_prediction(
    evening: Evening, when: str
) -> None:
    evening.press("predict")
    if when == "while it is predicted":
        evening.play_until(lambda: evening.style.status() == "predicting")
    evening.press("next")
    evening.model.set()
    time.sleep(0.05)
    evening.play(6.0)
    assert evening.bridge.preset == load_preset("hall")
    assert "the style under way is dropped" in evening.said
    evening.press("predict")
    evening.play_until(lambda: evening.bridge.preset == PREDICTED)


def test_a_prediction_does_not_end_panic(evening: Evening) -> None:
    evening.press("predict")
    evening.play_until(lambda: evening.style.status() == "predicting")
    evening.controls.press("panic")
    evening.model.set()
    evening.play_until(lambda: not evening.style.busy)
    assert evening.bridge.preset == Preset.neutral()
    assert evening.said[-1].startswith("the style is ready when bypass ends")
    evening.controls.press("bypass")
    assert evening.bridge.preset == PREDICTED


def test_presets_are_stepped_and_chosen_and_the_ends_keep_the_sound(evening: Evening) -> None:
    for button, name in (("next", "hall"), ("next", "telephone"), ("next", "telephone"),
                         ("previous", "hall"), ("previous", "hall")):  # fmt: skip
        evening.press(button)
        assert evening.bridge.preset == load_preset(name)
    assert sum("the sound stays" in line for line in evening.said) == 2
    evening.stage.program(0, 1)
    evening.stage.work(1.0)
    assert evening.bridge.preset == load_preset("telephone")
    evening.stage.program(0, 2)
    evening.stage.work(1.0)
    assert evening.bridge.preset == load_preset("telephone")
    assert evening.said[-1] == "the sound stays: program change: bank 0 has no program 2, " \
        "it has 0 to 1"  # fmt: skip


def test_save_writes_the_sound_at_the_press_and_overwrites_nothing(
    evening: Evening, tmp_path: Path
) -> None:
    save_preset(Preset(name="mine"), tmp_path / "mine.toml")
    before = (tmp_path / "mine.toml").read_bytes()
    evening.controls.set("comp.ratio", 5.0)
    evening.controls.press("save")
    evening.controls.set("comp.ratio", 9.0)
    evening.press("bypass", "save")
    assert (tmp_path / "mine.toml").read_bytes() == before
    written = sorted(path for path in tmp_path.glob("*.toml") if "list" not in path.name)
    ratios = sorted(load_preset(str(path))["comp.ratio"] for path in written)
    assert ratios == [1.0, 5.0, 9.0]


def test_buttons_pressed_from_many_threads_are_all_worked_off_in_turn(evening: Evening) -> None:
    threads = [
        threading.Thread(target=evening.controls.press, args=(button,))
        for button in ["next", "previous"] * 20
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    evening.press()
    loaded = sum(line.startswith("preset ") for line in evening.said)
    stayed = sum("the sound stays" in line for line in evening.said)
    assert loaded + stayed == 40
    assert evening.bridge.preset in (load_preset("hall"), load_preset("telephone"))


def test_next_and_previous_are_designed_ahead(
    evening: Evening, monkeypatch: pytest.MonkeyPatch
) -> None:
    evening.press("next")
    designed: list[Preset] = []

    def seen(preset: Preset, sample_rate: float) -> Array:
        designed.append(preset)
        return design_chain(preset, sample_rate)

    monkeypatch.setattr("realtime.bridge.design_chain", seen)
    evening.press("next")
    assert designed == [load_preset("hall")]  # for who goes back, not the one that was asked for
    evening.press("previous")
    assert designed == [load_preset("hall"), load_preset("telephone")]


def test_what_is_captured_becomes_the_style_that_morph_is_nearer_to(evening: Evening) -> None:
    evening.model.set()
    evening.controls.set("morph", 0.9)
    for names in (["'style.wav'", "the input"], ["the input", "the input"]):
        evening.press("capture")
        evening.play(1.0 + 10.0)
        evening.stage.listen(np.zeros((2 * RATE, 1), np.float32), None)
        evening.play_until(lambda: not evening.style.busy)
        assert [reference.name for reference in evening.style.references] == names
        evening.controls.set("morph", 0.1)


def test_a_program_that_needs_a_plugin_of_no_session_leaves_the_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "config" / "afx-live" / "presets"
    folder.mkdir(parents=True)
    save_preset(Preset(plugins=[PluginSetting("verb", "/x/Verb.vst3")]), folder / "mine.toml")
    evening = Evening(tmp_path)
    before = evening.controls.state
    evening.stage.program(2, 0)
    evening.press()
    assert evening.controls.state is before
    assert "the sound stays: 'verb' from '/x/Verb.vst3' is not in this session" in evening.said[-1]
