"""The main job on sound made on the spot: one synthetic voice takes the sound of another.

`afx-live --demo FOLDER`, or `make demo`. Writes a voice and a reference, which is another voice
with other words through a factory preset that the model is not told; runs `afx-live` on the two
as a user would; draws the spectra before and after.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np

from realtime.audio_files import AudioFileError, read_audio
from realtime.measure import THIRD_OCTAVES_HZ, third_octaves_db
from realtime.output_files import write_audio
from realtime.preset import load_preset
from realtime.synthesis import speech
from realtime.transfer import render

SAMPLE_RATE = 48_000
SECONDS = 12.0
STYLE = "telephone"


class DemoError(ValueError):
    """Something the demo needs is missing; the message is one line."""


def run(folder: str | os.PathLike[str]) -> int:
    """Make the sounds, style one after the other, draw the spectra into `folder`.

    Returns the exit status of `afx-live`.

    Raises: AudioFileError where the folder cannot be written, DemoError without matplotlib.
    """
    from realtime.cli import main as afx_live  # cli knows the demo, so the demo asks late

    if importlib.util.find_spec("matplotlib") is None:
        raise DemoError("the demo draws with matplotlib: pip install 'afx-live[demo]'")
    target = Path(folder)
    paths = {name: target / f"{name}.wav" for name in ("input", "reference", "output")}
    voice = speech(SECONDS, SAMPLE_RATE, seed=1, pitch_hz=115.0)
    other = speech(SECONDS, SAMPLE_RATE, seed=2, pitch_hz=130.0)
    reference = render(other, load_preset(STYLE), SAMPLE_RATE)
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AudioFileError(f"cannot make the folder {str(target)!r}: {error.strerror}") from None
    write_audio(paths["input"], voice[:, None], SAMPLE_RATE)
    write_audio(paths["reference"], reference[:, None], SAMPLE_RATE)

    names = {name: str(path) for name, path in paths.items()}
    command = ["--ref", names["reference"], "--input", names["input"], "--output", names["output"]]
    command.append("--overwrite")
    print(f"a synthetic voice, and as reference another one heard through {STYLE!r}:")
    print("afx-live " + " ".join(command), flush=True)
    status = afx_live(command)
    if status:
        return status

    levels = {name: third_octaves(*read_audio(path)) for name, path in paths.items()}
    picture = target / "spectra.png"
    draw(levels, picture)
    before, after = (distance_db(levels[name], levels["reference"]) for name in ("input", "output"))
    print(f"third-octave distance to the reference: {before:.1f} dB before, {after:.1f} dB after")
    print(f"listen to {names['output']}, look at {picture}")
    return 0


def third_octaves(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Level in dB of each band of `THIRD_OCTAVES_HZ`, over the mean of all bands.

    audio: (frames, channels), full scale +-1.0
    """
    levels = third_octaves_db(audio, sample_rate)
    return levels - levels.mean()


def distance_db(levels: np.ndarray, reference: np.ndarray) -> float:
    """Root mean square difference of two `third_octaves` in dB."""
    return float(np.sqrt(np.mean((levels - reference) ** 2)))


def draw(levels: dict[str, np.ndarray], path: Path) -> None:
    """Draw third-octave levels of "input", "reference" and "output" over frequency, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, NullLocator

    figure = Figure(figsize=(8.0, 4.2), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    looks: dict[str, dict[str, Any]] = {
        "input": {"color": "#9aa5b1", "linestyle": "--", "linewidth": 1.8},
        "reference": {"color": "#d9822b", "linewidth": 5.0, "alpha": 0.45},
        "output": {"color": "#1f5f8b", "linewidth": 2.2},
    }
    axes.fill_between(
        THIRD_OCTAVES_HZ,
        levels["input"],
        levels["output"],
        color="#1f5f8b",
        alpha=0.07,
        linewidth=0,
    )
    for name, look in looks.items():
        axes.plot(THIRD_OCTAVES_HZ, levels[name], label=name, solid_capstyle="round", **look)
    axes.set_xscale("log")
    axes.set_xticks([125, 250, 500, 1_000, 2_000, 4_000, 8_000, 16_000])
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda hz, _: f"{hz / 1000:g} k" if hz >= 1000 else f"{hz:g}")
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(THIRD_OCTAVES_HZ[0], THIRD_OCTAVES_HZ[-1])
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("third-octave level (dB)")
    axes.set_title("The input takes the reference's sound", loc="left")
    axes.grid(color="#e4e7eb")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path)
