"""The model under other conditions than its three sets: rates, likeness, strangers, time.

    python -m benchmarks.conditions --data DIR [--examples N] [--json FILE]

Held-out recordings, all of them through `realtime.transfer.predict` and the compiled chain:

- rates: pairs by the recipe of `offline_train.pairs`, the same recordings at 16 to 96 kHz; what is
  left of the MR-STFT distance.
- alike: the reference is the input itself, or the other half of the same untouched recording, one
  of 8 s and more at its own rate: how far the output leaves the input, in thirds of an octave and
  in loudness, where nothing is to be done.
- unpaired: the reference is a pair's, of another speaker or instrument: how far spectrum, loudness
  and crest are from the reference before and after.
- seconds: from 10 s of input and reference to parameters, on one thread, median of several.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import torch
from rich.table import Table

from benchmarks import command_line
from benchmarks.machine import describe, write_json
from offline_train.data import DataError, Library, Recording, scan
from offline_train.examples import SEED, Example, in_turn, select, unjoined
from offline_train.metrics import distances, ratio_interval
from offline_train.pairs import usable
from realtime.demo import distance_db, third_octaves
from realtime.features import AudioError
from realtime.measure import crest_db, loudness_lufs, third_octaves_db
from realtime.predictor import EFFECTS_NAME, MODEL_NAME, Predictor, shipped_model
from realtime.transfer import predict, render

Audio = npt.NDArray[np.float32]
Row = dict[str, Any]

KINDS = ("speech", "music")
RATES = (16_000, 24_000, 44_100, 48_000, 96_000)
WIDE_HZ = 44_100  # of recordings that are heard at all of RATES
RATE = 48_000  # of the rest
SECONDS = 262_144 / 24_000  # of a clip, two halves
TIMED_SECONDS, TIMED_RUNS = 10.0, 20
ALIKE = ("the input itself", "the same recording's other half")
STYLE = ("spectrum dB", "loudness LU", "crest dB")
MOVES = ("third octave dB", "loudness LU")
HEARD_DB = 50.0  # so far under the loudest a third of an octave still counts


def pairs(recordings: Sequence[Recording], rate: int, count: int) -> Iterator[tuple[str, Example]]:
    """Speakers in turn and an example of each, by the recipe; the same clips at every rate."""
    for speaker, made in islice(in_turn(recordings, 2 * round(SECONDS * rate / 2), rate), count):
        if made is not None:
            yield speaker, made


def rates(recordings: Sequence[Recording], count: int) -> dict[str, Row]:
    """MR-STFT's ratio to the untouched input at every rate, with its 95 % interval."""
    rows: dict[str, Row] = {}
    for rate in RATES:
        left, before = [], []
        for _, one in pairs(recordings, rate, count):
            made = render(one.input, predict(one.input, one.reference, rate), rate)
            left.append(distances(made, one.target, rate))
            before.append(distances(one.input, one.target, rate))
        ratio, low, high = (float(side[0]) for side in ratio_interval(left, before))
        rows[str(rate)] = {"pairs": len(left), "ratio": ratio, "low": low, "high": high}
    return rows


def alike(recordings: Sequence[Recording], count: int) -> dict[str, Row]:
    """How far an output leaves its input that has the reference's style already: quantiles of the
    band that moved most, and of the loudness. recordings: of which each is used once at most."""
    library = Library(recordings)
    moved: dict[str, list[list[float]]] = {name: [] for name in ALIKE}
    for turn, speaker in enumerate(library.names[:count]):
        rate = library.native_rate(speaker)
        clip = library.clip(speaker, SECONDS, rate, np.random.default_rng([SEED, turn]))
        if usable(clip, rate):
            x, other = np.array_split(clip, 2)
            for name, reference in zip(ALIKE, (x, other), strict=True):
                moved[name].append(_move(x, render(x, predict(x, reference, rate), rate), rate))
    return {
        name: {
            "pairs": len(rows),
            "median": np.median(rows, axis=0).tolist(),
            "p90": np.quantile(rows, 0.9, axis=0).tolist(),
        }
        for name, rows in moved.items()
    }


def unpaired(recordings: Sequence[Recording], count: int) -> Row:
    """Mean distance in STYLE of input and output from a stranger's reference."""
    having = list(pairs(recordings, RATE, count))
    before, after = [], []
    for turn, (speaker, one) in enumerate(having):
        others = [other for other in having[turn:] + having[:turn] if other[0] != speaker]
        if others:
            reference = others[0][1].reference
            made = render(one.input, predict(one.input, reference, RATE), RATE)
            before.append(_apart(one.input, reference))
            after.append(_apart(made, reference))
    nearer = np.mean(np.array(after) < np.array(before), axis=0)
    means = (np.mean(rows, axis=0).tolist() for rows in (before, after))
    return {"pairs": len(after), **dict(zip(("before", "after"), means, strict=True)),
            "share_nearer": nearer.tolist()}  # fmt: skip


def seconds(recordings: Sequence[Recording]) -> Row:
    """What a prediction takes: by the encoder and controller, features included, and in all."""
    library = Library(recordings)
    name = max(library.names, key=lambda speaker: sum(r.seconds for r in library.speakers[speaker]))
    clip = library.clip(name, 2 * TIMED_SECONDS, RATE, np.random.default_rng(SEED))
    x, reference = np.resize(clip, (2, round(TIMED_SECONDS * RATE)))
    predictor = Predictor()
    times: dict[str, list[float]] = {"model_ms": [], "predict_ms": []}
    for _ in range(TIMED_RUNS):
        for key, call in (("model_ms", predictor.predict), ("predict_ms", predict)):
            began = time.perf_counter()
            call(x, reference, RATE)
            times[key].append(1e3 * (time.perf_counter() - began))
    folder = shipped_model().parent
    return {
        **{key: float(np.median(some)) for key, some in times.items()},
        "parameters": {name: _parameters(folder / name) for name in (MODEL_NAME, EFFECTS_NAME)},
    }


def _parameters(path: Path) -> int:
    """Numbers that a model's file holds: weights, and the few constants of its graph."""
    tensors = onnx.load(str(path)).graph.initializer
    return sum(math.prod(t.dims) for t in tensors)


def _loudness(x: Audio, rate: int) -> float:
    return max(-70.0, loudness_lufs(x[:, None], rate))


def _move(x: Audio, y: Audio, rate: int) -> list[float]:
    """MOVES of an output from its input; of the bands that are heard, the one that moved most."""
    before, after = (third_octaves_db(side[:, None], rate) for side in (x, y))
    heard = before > before.max() - HEARD_DB
    return [
        float(np.abs(after - before)[heard].max()),
        abs(_loudness(y, rate) - _loudness(x, rate)),
    ]


def _apart(x: Audio, reference: Audio) -> list[float]:
    """STYLE of two sounds apart."""
    shapes = [third_octaves(side[:, None], RATE) for side in (x, reference)]
    crests = [crest_db(side[:, None]) for side in (x, reference)]
    return [
        distance_db(*shapes),
        abs(_loudness(x, RATE) - _loudness(reference, RATE)),
        abs(crests[0] - crests[1]),
    ]


def tables(record: Row) -> list[Table]:
    """For a terminal."""
    at = _table(
        "MR-STFT left, of 1 for the untouched input", "", *(f"{r / 1e3:g} kHz" for r in RATES)
    )
    near = _table("what a reference moves that is alike", "", "reference", *_twice(MOVES))
    far = _table("from a stranger's reference, before and after", "", *STYLE)
    for kind, rows in record["results"].items():
        cells = (
            f"{r['ratio']:.3f} ({r['low']:.3f}-{r['high']:.3f})" for r in rows["rates"].values()
        )
        at.add_row(kind, *cells)
        for name, row in rows["alike"].items():
            near.add_row(kind, name, *(f"{v:.2f}" for v in (*row["median"], *row["p90"])))
        row = rows["unpaired"]
        both = zip(row["before"], row["after"], row["share_nearer"], strict=True)
        far.add_row(kind, *(f"{a:.1f} -> {b:.1f}, {100 * c:.0f} % nearer" for a, b, c in both))
    return [at, near, far]


def _twice(names: Sequence[str]) -> list[str]:
    return [*(f"{name}, median" for name in names), *(f"{name}, 90 %" for name in names)]


def _table(title: str, *heads: str) -> Table:
    made = Table(title=title)
    for head in heads:
        made.add_column(head)
    return made


def main(argv: list[str] | None = None) -> int:
    """Measure, print the tables, write the JSON. Returns the exit status."""
    parser = command_line.parser("conditions", __doc__)
    parser.add_argument("--data", type=Path, required=True, help="recordings, as for evaluate")
    parser.add_argument("--examples", type=int, default=40, help="pairs a row (default 40)")
    args = parser.parse_args(argv)
    if args.examples < 1:
        parser.error(f"--examples is {args.examples}, must be 1 or more")
    torch.set_num_threads(1)
    record: Row = {**describe(("numpy", "numba", "onnxruntime")), "results": {}}
    try:
        held_out = scan(args.data)[1]
        for kind in KINDS:
            wide = select(held_out, kind, WIDE_HZ)
            if not wide:
                raise DataError(f"no {kind} of {WIDE_HZ} Hz or more under {str(args.data)!r}")
            record["results"][kind] = {
                "rates": rates(wide, args.examples),
                "alike": alike(unjoined(select(held_out, kind, RATES[0])), args.examples),
                "unpaired": unpaired(wide, args.examples),
            }
        record["seconds"] = seconds(select(held_out, KINDS[0], WIDE_HZ))
    except (AudioError, DataError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    command_line.show(*tables(record), width=150)
    taken = record["seconds"]
    print(
        f"10 s of input and of reference on one thread: {taken['model_ms']:.0f} ms by encoder and "
        f"controller, {taken['predict_ms']:.0f} ms in all"
    )
    if args.json:
        write_json(args.json, record)
    return 0


if __name__ == "__main__":
    sys.exit(main())
