"""The latency benchmark's figures as a picture: time over frames, both chains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

SHOWN_RATE, SHOWN_CHANNELS = 48_000, 2


def plot_latency(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write a PNG of p50 and p99.9 over frames, with the line through the chain's p50.

    Raises: ImportError without matplotlib, OSError where the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [r for r in rows if (r["sample_rate"], r["channels"]) == (SHOWN_RATE, SHOWN_CHANNELS)]
    frames = np.array([row["block_size"] for row in shown])
    figure = Figure(figsize=(7.0, 4.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, colour in (("chain", "tab:blue"), ("pedalboard", "tab:orange")):
        for figure_name, style in (("p50", "o-"), ("p999", "o:")):
            times = [row[name][f"{figure_name}_us"] for row in shown]
            label = f"{name} {figure_name.replace('999', '99.9')}"
            axes.plot(frames, times, style, color=colour, label=label)
    slope, fixed = np.polyfit(frames, [row["chain"]["p50_us"] for row in shown], 1)
    axes.plot(frames, fixed + slope * frames, "k--", linewidth=1.0,
              label=f"{fixed:.1f} us + {1e3 * slope:.1f} ns a frame")  # fmt: skip
    axes.plot(frames, 1e6 * frames / SHOWN_RATE, color="tab:red", label="deadline")
    axes.set(xscale="log", yscale="log", xlabel="frames a block", ylabel="us a block")
    axes.set_xticks(frames, [str(n) for n in frames])
    axes.set_title(f"one block, all effects, stereo, {SHOWN_RATE / 1e3:g} kHz")
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=110)
