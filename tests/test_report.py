"""The report: all that happened, in words a tired person reads; the JSON, to the letter."""

from __future__ import annotations

import io
import itertools
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from realtime.measure import Sound
from realtime.midi.status import MidiStatus
from realtime.params import BY_ID, IDS, PROFILES
from realtime.plugins.lineup import mix_row
from realtime.plugins.setting import PluginSetting
from realtime.plugins.status import PluginStatus
from realtime.preset import Preset
from realtime.report import print_report, report_sections, write_stats
from realtime.session import Session, predicted_ids
from tests.plugins.settings import row

COUNTERS = {
    "blocks": 2_812, "frames": 359_936, "late_blocks": 3, "nonfinite_resets": 7,
    "input_underflows": 1, "output_underflows": 2, "input_overflows": 4, "output_overflows": 8,
}  # fmt: skip
TIMES = {"p50": 9.1, "p99": 12.25, "p999": 130.4, "max": 1_234.5}


def session(preset: Preset | None = None, predicted: frozenset[str] = frozenset()) -> Session:
    return Session(
        place="system, JACK Audio Connection Kit",
        sample_rate=48_000,
        channels=2,
        preset=preset
        or Preset({"comp.threshold_db": -31.25, "comp.ratio": 4.0, "eq1.gain_db": 3.0}),
        origin="predicted from 'style.wav'",
        predicted=predicted,
        seconds=7.5,
        latency_ms=5.333,
        priority="real-time (SCHED_FIFO, priority 5)",
        sounds={
            "input": Sound(7.5, -23.06, 1_234.4, 14.2),
            "output": Sound(7.5, -math.inf, math.nan, math.nan),
        },
        counters=COUNTERS,
        dsp_us=TIMES,
        notes=["something to know"],
    )


def plain(of: Session) -> str:
    file = io.StringIO()
    print_report(of, file)
    return file.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_stats_are_the_promised_json(tmp_path: Path) -> None:
    write_stats(session(), tmp_path / "stats.json")
    stats = json.loads((tmp_path / "stats.json").read_text())
    assert stats == {
        "blocks": 2_812,
        "frames": 359_936,
        "late_blocks": 3,
        "underflows": 3,
        "overflows": 12,
        "nonfinite_resets": 7,
        "dsp_us": TIMES,
        "latency_ms": 5.333,
        "priority": "real-time (SCHED_FIFO, priority 5)",
        "plugins": [],
        "preset": dict(session().preset),
    }
    assert list(stats["preset"]) == list(IDS)


def test_the_report_says_it_all() -> None:
    text = plain(session())
    for words in (
        "predicted from 'style.wav'", "threshold -31.2 dBFS", "ratio 4:1", "gain +3.0 dB",
        "eq 1 low shelf", "loudness -23.1 LUFS", "centroid 1234 Hz", "silent over 7.5 s",
        "2812 of 128 frames (2.67 ms)", "late blocks", "underflows", "overflows",
        "p50 9.1 us", "p99 12.2 us", "p99.9 130 us", "max 1234 us", "5.3 ms", "7 silenced",
        "real-time (SCHED_FIFO, priority 5)", "something to know", "nothing leaves",
        "48000 Hz, stereo",
    ):  # fmt: skip
        assert words in text, words
    assert "\x1b" not in text


def test_on_a_terminal_the_same_words_are_there() -> None:
    file = Terminal()
    print_report(session(), file)
    text = re.sub(r"\x1b\[[0-9;]*m|\s", "", file.getvalue())  # no colours, no line breaks
    for title, rows in report_sections(session()):
        for words in (title, *itertools.chain(*rows)):
            assert re.sub(r"\s", "", words) in text, words


def test_every_parameter_with_its_unit_is_in_the_report() -> None:
    on = {"eq1.gain_db": 1.0, "comp.ratio": 2.0, "dist.mix": 0.5, "reverb.wet": 0.3}
    text = plain(session(Preset(on)))
    for param in BY_ID.values():
        key = param.id.split(".")[1].removesuffix("_db").removesuffix("_hz").removesuffix("_ms")
        assert f"{key.replace('_', ' ')} " in text, param.id
    for unit in (" dB", " Hz", " ms", ":1", " dBFS"):
        assert unit in text


@pytest.mark.parametrize("profile", PROFILES)
def test_what_the_model_chose_is_marked_and_nothing_else(profile: str) -> None:
    preset = Preset({"dist.mix": 0.5, "reverb.wet": 0.3}, profile=profile)
    chosen = predicted_ids(preset)
    text = plain(session(preset, chosen))
    parameters = text.split("\nSound")[0].split("\n", 2)[2]
    assert parameters.count("*") == len(chosen)
    assert plain(session(preset)).count("*") == 0


def test_stages_that_do_nothing_are_off() -> None:
    text = plain(session(Preset.neutral()))
    for stage in ("eq 1 low shelf", "eq 4 peak", "compressor", "distortion", "reverb"):
        line = next(line for line in text.splitlines() if line.strip().startswith(stage))
        assert line.split() == [*stage.split(), "off"]


def test_a_file_has_a_speed_and_no_deadline() -> None:
    rendered = session()
    rendered.render_seconds = 0.05
    text = plain(rendered)
    assert "150 times real time" in text and "late" not in text and "latency" not in text


@pytest.mark.parametrize(("change", "words"), [
    ({"late_blocks": 3}, "3 late blocks: a longer period of the JACK"),
    ({"output_underflows": 2, "input_overflows": 1}, "2 device gaps: a longer"),
    ({"late_blocks": 1, "input_underflows": 1}, "1 late block and 1 device gap: a longer"),
])  # fmt: skip
def test_trouble_comes_with_advice(change: dict[str, int], words: str) -> None:
    troubled, calm = session(), session()
    calm.counters = dict.fromkeys(COUNTERS, 0) | {"blocks": 100, "frames": 6_400}
    troubled.counters = {**calm.counters, **change}
    assert words in plain(troubled) and "dropouts          none" in plain(calm)
    troubled.place = "Scarlett 2i2 USB, ALSA"
    assert "a larger --block-size helps" in plain(troubled)


def test_a_session_without_a_block_has_a_report() -> None:
    nothing = session()
    nothing.counters = dict.fromkeys(COUNTERS, 0)
    nothing.sounds = {}
    assert "none" in plain(nothing)


def test_what_a_hand_has_set_is_marked_and_midi_is_counted() -> None:
    preset = Preset({"comp.threshold_db": -31.25, "comp.ratio": 4.0})
    moved = replace(
        session(preset, predicted=frozenset({"comp.threshold_db"})),
        by_hand=frozenset({"comp.ratio", "dist.drive_db"}),
        midi=MidiStatus(ports=("Knobs",), missing=("Pads",), messages=1_234, ignored=5),
    )
    text = plain(moved)
    for words in (
        "* chosen by the model, # set by hand", "threshold -31.2 dBFS*", "ratio 4:1#",
        "drive 12.0 dB#", "Knobs", "Pads", "1234 messages, 5 ",
    ):  # fmt: skip
        assert words in text, words
    assert "MIDI" not in plain(session()) and "set by hand" not in plain(session())


# --- plugins -----------------------------------------------------------------------------------
COMP = PluginSetting(
    "comp-x2", "/x/Comp.vst3", "before-eq", "VST3-1", "4.1", values=(("attack", 7.5), ("mode", 0.0))
)
VERB = PluginSetting("verb", "/x/Verb.vst3", mix=0.0, values=(("size", 3.0),))
ROWS = (
    row("comp-x2.attack"), row("comp-x2.mode", texts=("fast", "slow")), row("verb.size"),
    mix_row("comp-x2"), mix_row("verb"),
)  # fmt: skip
HOSTED = replace(
    session(Preset(plugins=[COMP, VERB])),
    plugins=(
        PluginStatus("comp-x2", "running", 5, 2, 1, 1, 240),
        PluginStatus("verb", "bypassed", latency_frames=240),
    ),
    plugin_params={param.id: param for param in ROWS},
    by_hand=frozenset({"comp-x2.attack"}),
)


def test_plugins_are_told_of_with_what_went_wrong_and_what_they_cost() -> None:
    sections = dict(report_sections(HOSTED))
    plugins = dict(sections["Plugins"])
    assert plugins["comp-x2"] == (
        "before-eq: running, 5 blocks dry, 2 of them late, 1 with faulty samples, 1 restart"
    )
    assert plugins["verb"] == "before-reverb: given up, it stays dry"
    assert plugins["latency"] == "plugins add 480 frames, 10.0 ms"
    style = next(rows for title, rows in sections.items() if title.startswith("Style"))
    assert dict(style)["comp-x2"] == "attack 7.5 ms#" and dict(style)["verb"] == "off"
    assert "Plugins" not in dict(report_sections(session()))


def test_stats_name_plugins_and_their_parameters(tmp_path: Path) -> None:
    write_stats(HOSTED, tmp_path / "stats.json")
    stats = json.loads((tmp_path / "stats.json").read_text())
    first, second = stats["plugins"]
    assert first["path"] == "/x/Comp.vst3" and first["version"] == "4.1"
    assert (first["state"], first["dry_blocks"], first["restarts"]) == ("running", 5, 1)
    assert (second["slot"], second["latency_frames"]) == ("before-reverb", 240)
    assert stats["preset"]["comp-x2.attack"] == 7.5 and stats["preset"]["verb.mix"] == 0.0
