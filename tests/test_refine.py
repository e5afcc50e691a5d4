"""Looking for something better than the network's answer: nearer, in time, and stoppable."""

from __future__ import annotations

import itertools
import threading
import time

import numpy as np
import pytest

from realtime.plugins.setting import PluginError, PluginSetting
from realtime.preset import Preset
from realtime.refine import at_once, refine
from realtime.search import Progressed
from realtime.style import Reference, Style, StyleRequest
from realtime.transfer import answer, predict, render
from tests.plugins.zam import zam
from tests.support import speech_like

RATE = 24_000
INPUT, OTHER = (speech_like(3.0, RATE, seed) for seed in (0, 1))
BRIGHT = Preset({"eq2.gain_db": -9.0, "eq5.gain_db": 12.0})
REFERENCE = render(OTHER, BRIGHT, RATE)
TARGET = render(INPUT, BRIGHT, RATE)  # never shown to the search


def error_db(preset: Preset, input: np.ndarray = INPUT, target: np.ndarray = TARGET) -> float:
    """Mean distance of third-octave levels from the target's, the level aside."""
    spectra = [np.abs(np.fft.rfft(x)) ** 2 for x in (render(input, preset, RATE), target)]
    edges = np.geomspace(100.0, 7_500.0, 20) * len(input) / RATE
    levels = [10 * np.log10(np.add.reduceat(s, edges.astype(int))[:-1] + 1e-12) for s in spectra]
    apart = levels[0] - levels[1]
    return float(np.abs(apart - np.median(apart)).mean())


def test_comes_nearer_to_a_target_that_it_never_hears_within_its_renders():
    start = Preset(profile="eq-comp")
    told: list[Progressed] = []
    found = refine(start, INPUT, REFERENCE, RATE, 60.0, renders_max=60, progress=told.append)
    assert found.renders <= 60
    assert found.distance < 0.8 * found.start
    assert error_db(found.preset) < 0.7 * error_db(start)
    assert [t.renders for t in told] == sorted(t.renders for t in told)
    assert all(b.distance <= a.distance for a, b in itertools.pairwise(told))
    assert refine(start, INPUT, REFERENCE, RATE, 60.0, renders_max=60).preset == found.preset


def test_a_sound_that_is_right_already_stays_as_it_is_but_for_a_little():
    start = Preset(profile="eq-comp")
    found = refine(start, INPUT, INPUT, RATE, 60.0, renders_max=40)
    before, after = render(INPUT, start, RATE), render(INPUT, found.preset, RATE)
    assert 20 * np.log10(np.std(after) / np.std(before)) == pytest.approx(0.0, abs=1.0)
    assert found.distance <= found.start < 0.5


def test_a_reference_of_a_little_sound_now_and_then_is_heard():
    """Each of its five-second pieces holds less than half a second."""
    reference = np.zeros(25 * RATE, np.float32)
    for second in range(1, 25, 5):
        reference[second * RATE :][: RATE // 5] = REFERENCE[RATE:][: RATE // 5]
    found = refine(Preset(profile="eq-comp"), INPUT, reference, RATE, 60.0, renders_max=8)
    assert found.distance < found.start


def test_time_and_stop_end_it():
    began = time.monotonic()
    found = refine(Preset(profile="eq-comp"), INPUT, REFERENCE, RATE, 0.5, renders_max=10**6)
    assert time.monotonic() - began < 5.0 and found.distance <= found.start
    stop = threading.Event()
    stop.set()
    start = Preset(profile="eq-comp")
    assert refine(start, INPUT, REFERENCE, RATE, 60.0, stop=stop).preset == start


def test_predict_refines_for_as_long_as_asked():
    first = answer(INPUT, REFERENCE, RATE)
    began = time.monotonic()
    better = predict(INPUT, REFERENCE, RATE, refine_seconds=1.0)
    assert time.monotonic() - began < 5.0
    assert better.profile == first.profile and better != first


def test_every_prediction_is_heard_once_and_what_it_lacks_is_set():
    dark = Preset({"eq1.gain_db": 8.0, "eq4.gain_db": -12.0})
    x, other = (speech_like(5.0, RATE, seed) for seed in (2, 12))
    reference, target = (render(sound, dark, RATE) for sound in (other, x))
    first, told = answer(x, reference, RATE), predict(x, reference, RATE)
    assert told == refine(first, x, reference, RATE, 60.0, renders_max=8).preset
    assert error_db(told, x, target) < 0.7 * error_db(first, x, target)


def test_an_answer_to_too_little_sound_to_go_by_stays_as_it_is():
    clicks = np.zeros(2 * RATE, np.float32)
    clicks[:: RATE // 2] = 0.5
    first = Preset(profile="eq-comp")
    assert at_once(first, clicks, REFERENCE, RATE).preset == first


def test_plugins_are_moved_and_the_chain_beside_them_is_not():
    begin = Preset.neutral().with_plugins([PluginSetting("eq", zam("ZamEQ2"))])
    answer = predict(INPUT, REFERENCE, RATE)
    found = refine(answer, INPUT, REFERENCE, RATE, 60.0, begin=begin, renders_max=120)
    assert found.distance < 0.8 * found.start
    assert error_db(found.preset) < error_db(begin)
    assert found.preset.with_plugins(()) == Preset.neutral()
    assert found.preset.plugins[0].values


def test_plugins_and_the_chain_are_moved_together_but_for_what_was_set_by_hand():
    eq = PluginSetting("eq", zam("ZamEQ2"), values=(("master_gain", 3.0),))
    start = Preset(profile="eq-comp").with_plugins([eq])
    options = {"renders_max": 200, "fixed": {"eq.master_gain"}}
    found = refine(start, INPUT, REFERENCE, RATE, 60.0, **options)
    assert found.distance < 0.8 * found.start
    assert error_db(found.preset) < 0.7 * error_db(start)
    assert found.preset.with_plugins(()) != start.with_plugins(())
    assert found.preset["eq.master_gain"] == 3.0
    assert any(found.preset[f"eq.boost_cut_{band}"] != 0.0 for band in "12lh")


def test_a_plugin_that_is_not_there_is_one_line():
    begin = Preset.neutral().with_plugins([PluginSetting("eq", "/nowhere/Eq.vst3")])
    with pytest.raises(PluginError, match="nowhere") as caught:
        refine(Preset(profile="eq-comp"), INPUT, REFERENCE, RATE, 5.0, begin=begin)
    assert "\n" not in str(caught.value)


def styled(refined) -> tuple[Style, list[str]]:
    """A style that plays its prediction and goes on refining with `refined`."""
    lines: list[str] = []
    request = StyleRequest(
        lambda x, reference, rate, reference_rate: Preset(name="first"),
        (Reference(REFERENCE[:, None], RATE, "'style.wav'"),),
        refine=refined,
    )
    style = Style(request, RATE, 1, lines.append)
    style.predict()
    x = np.tile(INPUT, 3)[:, None]
    found = [style.step(x[k : k + RATE]) for k in range(0, len(x), RATE)]
    until = time.monotonic() + 10.0
    while not any(found) and time.monotonic() < until:
        found.append(style.step(x[:0]))
        time.sleep(0.01)
    assert any(presets and presets[0].name == "first" for presets in found)
    return style, lines


def wait(style: Style, ready) -> tuple[Preset, ...]:
    until, presets = time.monotonic() + 10.0, ()
    while not (presets or ready()) and time.monotonic() < until:
        presets = style.step(np.zeros((0, 1), np.float32))
        time.sleep(0.01)
    return presets


def test_the_prediction_plays_while_a_better_one_is_looked_for():
    go_on = threading.Event()

    def better(preset, x, reference, rate, reference_rate, stop, say):
        say("refining: 3 renders")
        go_on.wait(10.0)
        return Preset(name="better")

    style, _ = styled(better)
    wait(style, lambda: style.status() == "refining: 3 renders")
    assert style.busy and style.presets[0].name == "first"
    go_on.set()
    assert wait(style, lambda: False)[0].name == "better"
    assert not style.busy and style.presets[0].name == "better"


def test_a_new_capture_ends_the_search_and_a_failure_leaves_the_prediction():
    ended = threading.Event()

    def until_stopped(preset, x, reference, rate, reference_rate, stop, say):
        if stop.wait(10.0):
            ended.set()
        return Preset(name="too late")

    style, _ = styled(until_stopped)
    style.capture()
    assert ended.wait(10.0)
    assert style.step(np.zeros((0, 1), np.float32)) == ()

    def fails(preset, x, reference, rate, reference_rate, stop, say):
        raise PluginError("eq ended in mid-file")

    style, lines = styled(fails)
    assert wait(style, lambda: not style.busy) == () and style.presets[0].name == "first"
    assert "not refined, the prediction stays: eq ended in mid-file" in lines
