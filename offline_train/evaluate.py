"""How much of the difference from the target is left: model against untouched input.

    python -m offline_train.main evaluate --data DIR [--set speech|music|full] [--rate HZ]
                                          [--examples N] [--model FILE] [--page FILE] [--unjoined]

The model goes the way a user goes: `realtime.transfer` predicts with the ONNX file and renders
with the compiled chain. Protocol: the pairs of `examples` (the recipe, nothing gentle, nothing the
same). Untouched is the input as it is, at the recipe's -12 dBFS peak. Beside the model stand its
answer before that is rendered and heard, and the rule-based way of `baseline`. Intervals are 95 %
ones, by the bootstrap over examples. A failure is counted and left out, never scored.

The set `full` is half speech at 24 kHz and half music at 44.1 kHz, its targets behind the chain's
distortion and reverb as well, each of the two in half of the examples (`effect_pairs`); all three
tables are printed: speech, music, and both together.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from offline_train import baseline, page
from offline_train.checkpoint import progress_bars
from offline_train.data import DataError, Recording, scan, synthesised
from offline_train.examples import UNJOINED_SECONDS, Example, examples, select, unjoined
from offline_train.export import ParityError, export_checkpoint
from offline_train.metrics import (
    METRICS,
    PESQ,
    distances,
    knows_pesq,
    ratio_interval,
    speech_quality,
)
from realtime.params import SAMPLE_RATE_MAX, SAMPLE_RATE_MIN
from realtime.predictor import ModelError, Predictor
from realtime.transfer import answer, predict, render

Audio = npt.NDArray[np.float32]
Method = Callable[[Audio, Audio, int], Audio]  # input, reference, sample rate -> output

UNTOUCHED = "untouched"
HEARD = 4  # examples on the page
RATES = {"speech": 24_000, "music": 44_100}  # of the sets reported, in Hz
FULL = "full"


@dataclass
class Scores:
    """rows: method -> per example and metric, (examples, metrics), the same examples for all
    methods; failures: one line each; heard: name -> sound, of the first few examples."""

    rows: dict[str, list[list[float]]]
    failures: list[str] = field(default_factory=list)
    metrics: tuple[str, ...] = METRICS
    heard: list[dict[str, Audio]] = field(default_factory=list)

    def ratios(self, method: str) -> npt.NDArray[np.float64]:
        """Mean of a method over mean of the untouched input, a metric each; NaN without any."""
        return ratio_interval(self.rows[method], self.rows[UNTOUCHED])[0]


def evaluate(
    chosen: Sequence[Example],
    sample_rate: int,
    methods: Mapping[str, Method],
    advance: Callable[[], object] = lambda: None,
    speech: bool = False,
) -> Scores:
    """Score what each of `methods` makes of the examples, and the untouched input.

    speech: by PESQ also, where the package is there.
    """
    everything = {UNTOUCHED: lambda x, ref, rate: x, **methods}
    speech = speech and knows_pesq()
    metrics = (*METRICS, PESQ) if speech else METRICS
    scores = Scores({name: [] for name in everything}, metrics=metrics)
    for number, example in enumerate(chosen):
        try:
            outputs = {
                name: method(example.input, example.reference, sample_rate)
                for name, method in everything.items()
            }
            rows = {n: distances(y, example.target, sample_rate) for n, y in outputs.items()}
            if speech:
                for name, output in outputs.items():
                    rows[name].append(speech_quality(output, example.target, sample_rate))
        except ValueError as error:  # bad audio by our own rules; anything else is a bug
            scores.failures.append(f"example {number}: {error}")
        else:
            for name, row in rows.items():
                scores.rows[name].append(row)
            if len(scores.heard) < HEARD:
                made = {name: outputs[name] for name in methods}
                scores.heard.append({**dataclasses.asdict(example), **made})
        advance()
    return scores


def cells(scores: Scores) -> list[list[str]]:
    """The table's rows: means, and ratios with their intervals."""
    rows = [
        [name, *(f"{value:.3f}" for value in np.mean(found, axis=0))]
        for name, found in scores.rows.items()
        if found
    ]
    for name, found in scores.rows.items():
        if name != UNTOUCHED:
            ends = zip(*ratio_interval(found, scores.rows[UNTOUCHED]), strict=True)
            rows.append([f"{name}, ratio", *(f"{r:.3f} ({a:.3f}-{b:.3f})" for r, a, b in ends)])
    return rows


def table(scores: Scores, title: str) -> Table:
    """What is printed."""
    made = Table(title=title, caption=counted(scores))
    made.add_column("")
    for metric in scores.metrics:
        made.add_column(metric, justify="right")
    for row in cells(scores):
        made.add_row(*row)
    return made


def counted(scores: Scores) -> str:
    """How many examples there were."""
    return f"{len(scores.rows[UNTOUCHED])} examples, {len(scores.failures)} failed"


def by_model(model: Path | None) -> dict[str, Method]:
    """What an ONNX file (the shipped one where None), or a checkpoint of training exported here,
    makes of an input: by its answer alone, and as it is predicted with.

    Raises: ModelError where it cannot be used.
    """
    if model is not None and model.suffix == ".ckpt":
        with tempfile.TemporaryDirectory() as folder:
            made = Path(folder) / "style.onnx"
            export_checkpoint(model, made)
            predictor = Predictor(made)
    else:
        predictor = Predictor(model)
    return {
        "answer": lambda x, ref, rate: render(x, answer(x, ref, rate, predictor=predictor), rate),
        "model": lambda x, ref, rate: render(x, predict(x, ref, rate, predictor=predictor), rate),
    }


def run(
    recordings: Sequence[Recording],
    kind: str,
    sample_rate: int,
    count: int,
    model: Path | None,
    path: Path,
    full: bool = False,
    others: Mapping[str, Method] = MappingProxyType({}),
) -> Scores:
    """Evaluate a model, the baseline and `others` on recordings of one kind, print the table, write
    the page to `path`. full: with distortion and reverb."""
    methods = {"rules": baseline.transfer, **by_model(model), **others}
    chosen = examples(recordings, sample_rate, count, full=full)
    with progress_bars() as bars:
        bar = bars.add_task("evaluate", total=len(chosen), note="")
        scores = evaluate(chosen, sample_rate, methods, lambda: bars.advance(bar), kind == "speech")
    title = f"{kind}, {sample_rate} Hz{', full chain' if full else ''}"
    Console(width=140).print(table(scores, title))
    for failure in scores.failures:
        print(f"failed: {failure}")
    notes = (
        f"Model: {model or 'the shipped one'}. {counted(scores)}.",
        "Distances from the target; ratio: over the untouched input's, with its 95 % interval. "
        "Less is better, but for PESQ. Spectra are drawn at equal loudness.",
    )
    head = ("", *scores.metrics)
    page.write(path, title, notes, head, cells(scores), scores.heard, sample_rate)
    print(f"page: {path}")
    return scores


def together(parts: Sequence[Scores]) -> Scores:
    """The scores of several sets as those of one, by METRICS."""
    size = len(METRICS)
    return Scores(
        {n: [row[:size] for part in parts for row in part.rows[n]] for n in parts[0].rows},
        [failure for part in parts for failure in part.failures],
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m offline_train.main evaluate", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, help="recordings; synthesised where not given")
    parser.add_argument("--set", choices=(*RATES, FULL), default="speech", dest="kind")
    parser.add_argument("--rate", type=int, help="sample rate in Hz; speech's or music's own")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument(
        "--model", type=Path, help="an ONNX file or a checkpoint; the shipped model"
    )
    parser.add_argument("--page", type=Path, help="where to write the page; below runs/")
    parser.add_argument(
        "--unjoined", action="store_true", help="only clips that are one recording each"
    )
    options = parser.parse_args(arguments)
    full = options.kind == FULL
    kinds = tuple(RATES) if full else (options.kind,)
    scores, long = [], f" of {UNJOINED_SECONDS:g} s and more" if options.unjoined else ""
    try:
        runs = [_planned(options, kind, full) for kind in kinds]
        held_out = (scan(options.data) if options.data else synthesised())[1]
        for kind, rate, path in runs:
            chosen = select(held_out, kind, rate)
            chosen = unjoined(chosen) if options.unjoined else chosen
            if not chosen:
                raise DataError(f"no held-out {kind} at {rate} Hz{long}")
            count = -(-options.examples // len(kinds))
            scores.append(run(chosen, kind, rate, count, options.model, path, full))
        if full:
            Console(width=140).print(table(together(scores), "speech and music, full chain"))
    except (DataError, ModelError, ParityError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _planned(options: argparse.Namespace, kind: str, full: bool) -> tuple[str, int, Path]:
    """Kind, sample rate and page of one table. Raises: DataError where it cannot be made."""
    rate = RATES[kind] if options.rate is None else options.rate
    path = options.page or Path("runs") / f"evaluation-{kind}-{rate}.html"
    if full:
        path = path.with_stem(f"{path.stem}-{kind}" if options.page else f"{path.stem}-full")
    if options.page and path.exists():
        raise DataError(f"page {str(path)!r} is there already: name another")
    if options.examples < 1 or not SAMPLE_RATE_MIN <= rate <= SAMPLE_RATE_MAX:
        raise DataError(f"cannot evaluate {options.examples} examples at {rate} Hz")
    return kind, rate, path
