"""Tables of what the benchmarks measured, from benchmarks/results/, for `readme_tables.py`.

Nothing but Python's own library.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
SHOWN_RATE, SHOWN_CHANNELS = 48_000, 2


def latency() -> str:
    """The latency benchmark's figures for stereo at 48 kHz."""
    record = _result("latency")
    both, shown = ("chain", "pedalboard"), ("p50", "p99", "p99.9", "max", "steady p99.9")
    heads = ["frames", "deadline", *(f"{who} {p}" for who in both for p in shown)]
    lines = [f"| {' | '.join(heads)} |", "|---:" * len(heads) + "|"]
    for row in record["results"]:
        if (row["sample_rate"], row["channels"]) == (SHOWN_RATE, SHOWN_CHANNELS):
            cells = [str(row["block_size"]), f"{row['block_us']:.0f}"]
            for name in both:
                figures = row[name]
                told = ("p50", "p99", "p999", "max", "steady_p999")
                cells += [f"{figures[f'{p}_us']:.1f}" for p in told]
            lines.append(f"| {' | '.join(cells)} |")
    machine, versions = record["machine"], record["versions"]
    blocks = number(record["results"][0]["blocks"])
    lines += [
        "",
        f"Microseconds a block, stereo at 48 kHz, {blocks} blocks a row, nothing trimmed. Steady:",
        "the same blocks pass five times, and this is the p99.9 of each one's median over them,",
        "without what the machine does now and then;",
        f"{_processor(machine)}, {machine['scheduler']},",
        f"load {machine['load_1min']:.1f}; numba {versions['numba']},",
        f"pedalboard {versions['pedalboard']}; {record['date'][:10]}.",
    ]
    return "\n".join(lines)


def values() -> str:
    """What hostile values do to the time of a block."""
    heads = ("values", "p50", "p99.9", "over plain", "steady p99.9", "over plain")
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * 5]
    for name, row in _result("latency")["values"].items():
        cells = [name, f"{row['p50_us']:.1f}"]
        for figure in ("p999", "steady_p999"):
            cells += [f"{row[f'{figure}_us']:.1f}", f"{row[f'{figure}_of_plain']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", "Microseconds a block of 128 frames, stereo at 48 kHz."])


def limits() -> str:
    """How far each kernel is from what the machine could do at best."""
    record = _result("latency")["limits"]
    heads = ("kernel", "measured", "its recursion waits", "its operations take", "times the limit")
    lines = [f"| {' | '.join(heads)} |", "|---|---:|---:|---:|---:|"]
    for name, row in record["kernels"].items():
        figures = (row["ns_per_frame"], row["waits_ns"], row["works_ns"], row["times_limit"])
        lines.append(f"| {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |")
    pace = f"{record['wait_ns']:.2f} ns for a multiply-add that waits for the last"
    return "\n".join([*lines, "", f"Nanoseconds a stereo frame, in chunks of 512; {pace}."])


def gil() -> str:
    """What a busy Python leaves of a compiled and of a Python callback."""
    record = _result("gil")
    lines = ["| callback | blocks served | DSP p50 | p99 | p99.9 |", "|---|---:|---:|---:|---:|"]
    for name, row in record["results"].items():
        share = f"{row['served']} of {row['offered']}, {100 * row['served'] / row['offered']:.1f} %"
        dsp = row.get("dsp_us")  # pedalboard's stream does not say
        times = " | ".join(f"{dsp[p]:.0f}" if dsp else "" for p in ("p50", "p99", "p999"))
        lines.append(f"| {name} | {share} | {times} |")
    machine = record["machine"]
    lines += [
        "",
        "Microseconds; blocks of 128 frames at 48 kHz;",
        f"{_processor(machine)}; {record['date'][:10]}.",
    ]
    return "\n".join(lines)


def soak() -> str:
    """A long session in a storm of MIDI and presets."""
    record = _result("soak")
    row, machine = record["results"], record["machine"]
    heads = ("minutes", "MIDI messages", "blocks", "late blocks", "DSP p50", "p99.9", "max")
    times = (f"{row['dsp_us'][p]:.0f}" for p in ("p50", "p999", "max"))
    counts = (row["minutes"], row["messages"], row["blocks"], row["late_blocks"])
    cells = [*map(str, map(round, counts)), *times, f"{row['memory']['growth_kb']} kB"]
    lines = [f"| {' | '.join(heads)} | memory growth |", "|---:" * len(cells) + "|"]
    lines += [
        f"| {' | '.join(cells)} |",
        "",
        *_taken(row.get("processor")),
        f"Microseconds; blocks of {row['period']} frames at {number(row['sample_rate'])} Hz,",
        f"audio thread {row['priority']}, server {row['server']};",
        f"memory from minute {row['minutes'] / 3:.0f} on; {machine['cpu']} with",
        f"{machine['logical_cpus']} logical CPUs, load {machine['load_1min']:.1f};",
        f"{record['date'][:10]}.",
    ]
    return "\n".join(lines)


def _taken(processor: dict[str, float] | None) -> list[str]:
    """What was taken from the audio thread during a soak; older runs did not count it."""
    if processor is None:
        return []
    times, seconds = processor["preempted"], processor["stolen_s"]
    return [
        f"The kernel gave the audio thread's processor to another {times} times,",
        f"a hypervisor took {seconds:.1f} s of all processors.",
    ]


def midi() -> str:
    """From a knob to the sound, and what a storm of messages costs."""
    record = _result("midi")
    lines = ["| other messages a second | p50 | p99 | max |", "|---:|---:|---:|---:|"]
    for beside, row in record["latency"].items():
        times = " | ".join(f"{row['from_arrival_ms'][p]:.2f}" for p in ("p50", "p99", "max"))
        lines.append(f"| {number(int(beside))} | {times} |")
    lines += [
        "",
        "| player | messages | values stuck | late blocks | DSP p50 | p99 | p99.9 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, row in record["storm"].items():
        counts = [row["messages"], len(row["stuck"]), row["late_blocks"]]
        cells = [number(count) for count in counts]
        cells += [f"{row['dsp_us'][p]:.0f}" for p in ("p50", "p99", "p999")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    machine, block_ms = record["machine"], 1e3 * record["period"] / record["sample_rate"]
    lines += [
        "",
        f"Above, ms from a message's arrival to the sound; a block lasts {block_ms:.2f} ms.",
        "Below, us a block; twice two players side by side.",
        f"{_processor(machine)},",
        f"{machine['scheduler']}, load {machine['load_1min']:.1f}; {record['date'][:10]}.",
    ]
    return "\n".join(lines)


def plugins() -> str:
    """A hosted plugin: what it adds to the latency, costs the audio thread, and misses."""
    record = _result("plugins")
    heads = ("frames", "later by", "plugin", "p50", "p99", "p99.9", "max", "blocks without it")
    lines = [f"| {' | '.join(heads)} |", "|---:|---:|---|" + "---:|" * 5]
    for row in record["results"]:
        later = f"{1e3 * row['latency_frames'] / SHOWN_RATE:.2f} ms"
        for turn in ("without", "running", "stopped", "killed"):
            figures = row[turn]
            times = " | ".join(f"{figures['dsp_us'][p]:.0f}" for p in ("p50", "p99", "p999", "max"))
            missed = f"{figures['missed']} of {figures['blocks']}"
            lines.append(f"| {row['frames']} | {later} | {turn} | {times} | {missed} |")
    machine = record["machine"]
    lines += [
        "",
        f"{record['plugin']}, stereo at 48 kHz; microseconds a block, each at its time;",
        f"{_processor(machine)}, {machine['scheduler']},",
        f"load {machine['load_1min']:.1f}; {record['date'][:10]}.",
    ]
    return "\n".join(lines)


def transfer() -> str:
    """How near each way of setting the chain comes to the target."""
    record = _result("transfer")
    heads = ("set", "way", "pairs", "MR-STFT", "SCE", "RMS", "LUFS", "seconds", "renders")
    lines = [f"| {' | '.join(heads)} |", "|---|---|" + "---:|" * 7]
    for name, rows in record["results"].items():
        for way, row in rows.items():
            first = {key: row[key][0] for key in ("ratio", "low", "high")}
            others = (f"{ratio:.3f}" for ratio in row["ratio"][1:])
            cells = [name, way, str(row["pairs"]), _interval(first), *others]
            lines.append(f"| {' | '.join(cells)} | {row['seconds']:.2f} | {row['renders']:.0f} |")
    machine = record["machine"]
    lines += [
        "",
        "What is left of the untouched input's distance from the target, with the 95 % interval;",
        "medians of seconds and renders. Speech at 24 kHz, music at 44.1 kHz, held-out pairs.",
        f"{_processor(machine)}, {record['date'][:10]}.",
    ]
    return "\n".join(lines)


def conditions() -> str:
    """The model at other rates, with references that are alike, and with strangers'."""
    record = _result("conditions")
    first = next(iter(record["results"].values()))
    heads = ["set", *(f"{int(rate) / 1e3:g} kHz" for rate in first["rates"])]
    lines = [f"| {' | '.join(heads)} |", "|---|" + "---:|" * (len(heads) - 1)]
    for kind, rows in record["results"].items():
        lines.append(f"| {kind} | {' | '.join(map(_interval, rows['rates'].values()))} |")
    lines += [
        "",
        "| set | reference | band moved most | 90 % | loudness | 90 % |",
        "|---|---|" + "---:|" * 4,
    ]
    for kind, rows in record["results"].items():
        for name, row in rows["alike"].items():
            both = zip(row["median"], row["p90"], strict=True)
            cells = [f"{v:.2f}" for pair in both for v in pair]
            lines.append(f"| {kind} | {name} | {' | '.join(cells)} |")
    lines += ["", "| set | spectrum | loudness | crest |", "|---|---:|---:|---:|"]
    for kind, rows in record["results"].items():
        row = rows["unpaired"]
        cells = (f"{a:.1f} to {b:.1f}" for a, b in zip(row["before"], row["after"], strict=True))
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    taken, machine = record["seconds"], record["machine"]
    lines += [
        "",
        f"10 s of input and reference, one thread: {taken['model_ms']:.0f} ms by encoder and",
        f"controller, {taken['predict_ms']:.0f} ms in all;",
        f"{machine['cpu']}, {record['date'][:10]}.",
    ]
    return "\n".join(lines)


RESULT_TABLES: dict[str, Callable[[], str]] = {
    "latency": latency,
    "values": values,
    "limits": limits,
    "gil": gil,
    "soak": soak,
    "midi": midi,
    "plugins": plugins,
    "transfer": transfer,
    "conditions": conditions,
}


def number(value: float) -> str:
    """Three digits, thousands apart."""
    return f"{value:.3g}" if abs(value) < 1_000 else f"{value:,.0f}".replace(",", " ")


def _processor(machine: dict[str, Any]) -> str:
    """What a run was made on."""
    return f"{machine['cpu']} with {machine['logical_cpus']} logical CPUs"


def _interval(row: dict[str, Any]) -> str:
    """A ratio and its ends."""
    return f"{row['ratio']:.3f} ({row['low']:.3f}-{row['high']:.3f})"


def _result(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return record
