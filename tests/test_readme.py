"""README and docs say what is so: their tables, options, example and links."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from realtime.audio_files import read_audio
from realtime.cli import parser
from realtime.output_files import write_audio
from realtime.preset import Preset, load_preset
from realtime.synthesis import speech
from realtime.transfer import render
from tests.conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "benchmarks/README.md",
    ROOT / "presets/README.md",
]
# Where a person reads how to play; decisions tell of options that are no more.
FOR_PLAYERS = [
    page for page in PAGES if page.name != "decisions.md" and "benchmarks" not in str(page)
]


def test_the_tables_are_those_of_the_code() -> None:
    command = [sys.executable, "scripts/readme_tables.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def training_options() -> set[str]:
    """The options of `python -m offline_train.main`, read without importing torch."""
    text = (ROOT / "offline_train" / "main.py").read_text(encoding="utf-8")
    return set(re.findall(r'add_argument\("(--[a-z-]+)"', text))


def test_every_option_that_a_page_names_is_one() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in FOR_PLAYERS)
    commands = re.findall(r"^ *afx-live (.*?)(?:#|$)", text, re.M)
    assert len(commands) >= 10
    known = set(re.findall(r"--[a-z-]+", parser().format_help()))
    named = set(re.findall(r"--[a-z-]+", "\n".join(commands)))
    assert named <= known
    training = re.findall(r"offline_train\.main (--[a-z-]+)", text)
    assert set(training) <= training_options()
    assert set(re.findall(r"`(--[a-z-]+)", text)) <= known | training_options()


def test_links_to_sections_lead_to_one() -> None:
    for page in PAGES:
        for at, section in re.findall(r"\]\(([^):]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            target = (page.parent / at) if at else page
            heads = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.M)
            anchors = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
            assert section in anchors, f"{page.name}: {at}#{section}"


def test_the_python_example_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    voice, other = (speech(5.0, 24_000, seed)[:, None] for seed in (1, 2))
    write_audio(tmp_path / "in.wav", voice, 24_000)
    styled = render(other, load_preset("telephone"), 24_000)
    write_audio(tmp_path / "style.wav", styled, 24_000)
    check = "\nassert audio.shape == input.shape and audio.dtype == 'float32'\n"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}{check}"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    preset = Preset.from_toml((tmp_path / "mine.toml").read_text(encoding="utf-8"))
    assert preset["comp.ratio"] == 2.0
    heard, _ = read_audio(tmp_path / "in.wav")
    assert abs(heard - render(heard, preset, 24_000)).max() > 0.01


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))
    broken = [at for at in links if "://" not in at and not (page.parent / at).exists()]
    assert not broken
