"""An evaluation as one HTML file: the table, some examples to listen to, their spectra.

Sounds and pictures are inside the file, so that it can be sent or kept as it is.
"""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from realtime.features import BAND_HZ, LAYOUT, AudioError, analyse

Audio = npt.NDArray[np.float32]

SECONDS = 6.0  # of each example
LOOKS = {
    "input": ("#9aa5b1", "--", 1.5),
    "reference": ("#d9822b", ":", 1.5),
    "target": ("#d9822b", "-", 4.0),
}
OTHERS = ("#1f5f8b", "#5b8c5a", "#8b3a62", "#444444")
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .3rem .8rem; text-align: right; border-bottom: 1px solid #e4e7eb }
th:first-child, td:first-child { text-align: left }
figure { margin: 2rem 0 } img { max-width: 100% } audio { height: 2rem; vertical-align: middle }
.sounds { display: grid; grid-template-columns: 8rem 1fr; gap: .3rem; align-items: center }
"""


def write(
    path: Path,
    title: str,
    notes: Sequence[str],
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    examples: Sequence[Mapping[str, Audio]],
    sample_rate: int,
) -> None:
    """Write the page atomically.

    notes: sentences under the title. head, rows: of the table. examples: name -> sound (frames,),
    `input`, `reference` and `target` among them.
    """
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        f"<title>{html.escape(title)}</title><style>{STYLE}</style><h1>{html.escape(title)}</h1>",
        *(f"<p>{html.escape(note)}</p>" for note in notes),
        _table(head, rows),
        "<h2>Examples</h2>" if examples else "",
        *(_example(number, sounds, sample_rate) for number, sounds in enumerate(examples, 1)),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text("\n".join(parts), encoding="utf-8")
    os.replace(temporary, path)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str], kind: str) -> str:
        return "<tr>" + "".join(f"<{kind}>{html.escape(c)}</{kind}>" for c in cells) + "</tr>"

    return f"<table>{line(head, 'th')}{''.join(line(row, 'td') for row in rows)}</table>"


def _example(number: int, sounds: Mapping[str, Audio], sample_rate: int) -> str:
    listed = "".join(
        f"<span>{html.escape(name)}</span>"
        f"<audio controls preload=none src='{_flac(x, sample_rate)}'></audio>"
        for name, x in sounds.items()
    )
    picture = _spectra(sounds, sample_rate)
    return (
        f"<figure><h3>{number}</h3><div class=sounds>{listed}</div>"
        f"<img alt='spectra of example {number}' src='{picture}'></figure>"
    )


def _flac(x: Audio, sample_rate: int) -> str:
    file = io.BytesIO()
    start = x[: round(SECONDS * sample_rate)].clip(-1.0, 1.0)
    soundfile.write(file, start, sample_rate, format="FLAC", subtype="PCM_16")
    return _inside("audio/flac", file.getvalue())


def _spectra(sounds: Mapping[str, Audio], sample_rate: int) -> str:
    """Band levels at equal loudness, so that it is the colour that is compared."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.0, 3.6), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    others = iter(OTHERS)
    for name, x in sounds.items():
        colour, line, width = LOOKS[name] if name in LOOKS else (next(others), "-", 1.8)
        try:
            seen = analyse(x, sample_rate, name)
        except AudioError:
            continue  # nothing in it to draw
        inside = seen[LAYOUT["mask"]] > 0.0
        axes.semilogx(
            BAND_HZ[inside], seen[LAYOUT["mean"]][inside], line, color=colour, linewidth=width,
            label=name, alpha=0.5 if width > 3.0 else 1.0,
        )  # fmt: skip
    axes.set_xlabel("frequency (Hz)")
    axes.set_ylabel("density (dB re 1/Hz)")
    axes.grid(color="#e4e7eb")
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return _inside("image/png", file.getvalue())


def _inside(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
