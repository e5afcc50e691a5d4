"""How much of the difference from the target is left: model against untouched input.

    python -m offline_train.evaluate --data DIR [--set speech|music] [--rate 24000] [--examples N]

Goes the way a user goes: `realtime.transfer` predicts with the ONNX file and renders with the
compiled chain. Protocol: the pairs of `pairs` (the recipe, nothing gentle, nothing the same) on
held-out speakers, clips of 262,144 samples (524,288 at 44.1 kHz and above): the speaker's
recordings joined in random order and cut in half, a half that is too short repeated to length,
so that reference and input never share content. Untouched is the input as it is, at the
recipe's -12 dBFS peak. A failure is counted and left out, never scored.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from rich.console import Console
from rich.table import Table

from offline_train.checkpoint import progress_bars
from offline_train.data import DataError, Library, Recording, scan, synthesised
from offline_train.losses import mr_stft
from offline_train.pairs import Pair, make_pair, usable
from realtime.measure import centroid_hz, loudness_lufs
from realtime.params import SAMPLE_RATE_MAX, SAMPLE_RATE_MIN
from realtime.predictor import ModelError, Predictor
from realtime.preset import Preset
from realtime.transfer import predict, render

Audio = npt.NDArray[np.float32]
Transfer = Callable[[Audio, Audio, int], Preset]

SEED = 42
CLIP_FRAMES = 262_144  # below 44.1 kHz, twice that from there on
MIN_SPEAKER_SECONDS = 3.0
METRICS = ("MR-STFT", "SCE Hz", "RMS dB", "LUFS dB")


@dataclass
class Scores:
    """Per example and metric, (examples, 4) each; failures: one line each."""

    untouched: list[list[float]] = field(default_factory=list)
    model: list[list[float]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def ratios(self) -> npt.NDArray[np.float64]:
        """Mean of the model over mean of the untouched input, a metric each; NaN without any."""
        if not self.model:
            return np.full(len(METRICS), np.nan)
        return np.mean(self.model, axis=0) / np.mean(self.untouched, axis=0)


@dataclass(frozen=True)
class Example:
    """input, target (frames,): the same half; reference (frames,): the other half."""

    input: Audio
    target: Audio
    reference: Audio


def examples(
    recordings: Sequence[Recording], sample_rate: int, count: int, seed: int = SEED
) -> list[Example]:
    """`count` examples by the protocol, speakers in turn.

    Raises: DataError where no speaker is usable.
    """
    library = Library(recordings)
    frames = CLIP_FRAMES * (2 if sample_rate >= 44_100 else 1)
    made: list[Example] = []
    for turn in range(20 * count):
        if len(made) == count:
            break
        rng = np.random.default_rng([seed, turn])
        speaker = library.names[turn % len(library.names)]
        clip = library.clip(speaker, frames / sample_rate, sample_rate, rng)
        if not usable(clip, sample_rate, MIN_SPEAKER_SECONDS):
            continue
        half = len(clip) // 2
        sides = [np.resize(part, frames // 2) for part in (clip[:half], clip[half : 2 * half])]
        pair = make_pair(np.concatenate(sides), sample_rate, rng)
        made.append(_cut(pair, swap=rng.random() < 0.5))
    if not made:
        raise DataError(f"no speaker has {MIN_SPEAKER_SECONDS:g} s of sound to evaluate on")
    return made


def _cut(pair: Pair, swap: bool) -> Example:
    half = len(pair.input) // 2
    first, second = slice(0, half), slice(half, 2 * half)
    if swap:
        first, second = second, first
    return Example(pair.input[first], pair.target[first], pair.target[second])


def evaluate(
    chosen: Sequence[Example],
    sample_rate: int,
    transfer: Transfer,
    advance: Callable[[], object] = lambda: None,
) -> Scores:
    """Score `transfer` (input, reference, sample_rate) -> preset, and the untouched input."""
    scores = Scores()
    for number, example in enumerate(chosen):
        try:
            preset = transfer(example.input, example.reference, sample_rate)
            output = render(example.input, preset, sample_rate)
        except ValueError as error:  # bad audio by our own rules; anything else is a bug
            scores.failures.append(f"example {number}: {error}")
        else:
            scores.untouched.append(distances(example.input, example.target, sample_rate))
            scores.model.append(distances(output, example.target, sample_rate))
        advance()
    return scores


def distances(output: Audio, target: Audio, sample_rate: int) -> list[float]:
    """METRICS of output against target, (frames,) each: absolute differences, real dB."""
    pair = (torch.from_numpy(output)[None], torch.from_numpy(target)[None])
    rms = [
        20.0 * np.log10(np.sqrt(np.mean(np.square(x, dtype=np.float64))) + 1e-9)
        for x in (output, target)
    ]
    centroids = [centroid_hz(x[:, None], sample_rate) for x in (output, target)]
    loudness = [max(-70.0, loudness_lufs(x[:, None], sample_rate)) for x in (output, target)]
    return [
        float(mr_stft(*pair)),
        abs(centroids[0] - centroids[1]),
        float(abs(rms[0] - rms[1])),
        abs(loudness[0] - loudness[1]),
    ]


def table(scores: Scores, title: str) -> Table:
    """What `python -m offline_train.evaluate` prints."""
    made = Table(
        title=title, caption=f"{len(scores.model)} examples, {len(scores.failures)} failed"
    )
    made.add_column("")
    for metric in METRICS:
        made.add_column(metric, justify="right")
    if scores.model:
        for name, rows in (("untouched", scores.untouched), ("model", scores.model)):
            made.add_row(name, *(f"{value:.3f}" for value in np.mean(rows, axis=0)))
    made.add_row("ratio", *(f"{value:.3f}" for value in scores.ratios()))
    return made


def run(
    recordings: Sequence[Recording], sample_rate: int, count: int, model: Path | None, title: str
) -> Scores:
    """Evaluate a model file (the shipped one where None) and print the table."""
    predictor = Predictor(model)
    chosen = examples(recordings, sample_rate, count)
    with progress_bars() as bars:
        bar = bars.add_task("evaluate", total=len(chosen), note="")
        scores = evaluate(
            chosen,
            sample_rate,
            lambda x, ref, rate: predict(x, ref, rate, predictor=predictor),
            lambda: bars.advance(bar),
        )
    Console().print(table(scores, title))
    for failure in scores.failures:
        print(f"failed: {failure}")
    return scores


def select(recordings: Sequence[Recording], kind: str, sample_rate: int) -> list[Recording]:
    """Those of one kind whose own rate reaches (nearly) the evaluation's."""
    return [r for r in recordings if r.kind == kind and r.rate * 1.1 >= sample_rate]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m offline_train.evaluate", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, help="recordings; synthesised where not given")
    parser.add_argument("--set", choices=("speech", "music"), default="speech", dest="kind")
    parser.add_argument("--rate", type=int, default=24_000, help="sample rate in Hz")
    parser.add_argument("--examples", type=int, default=200)
    parser.add_argument("--model", type=Path, help="an ONNX file; the shipped one where not given")
    options = parser.parse_args(arguments)
    try:
        if options.examples < 1 or not SAMPLE_RATE_MIN <= options.rate <= SAMPLE_RATE_MAX:
            raise DataError(f"cannot evaluate {options.examples} examples at {options.rate} Hz")
        held_out = (scan(options.data) if options.data else synthesised())[1]
        chosen = select(held_out, options.kind, options.rate)
        if not chosen:
            raise DataError(f"no held-out {options.kind} at {options.rate} Hz")
        run(
            chosen,
            options.rate,
            options.examples,
            options.model,
            f"{options.kind}, {options.rate} Hz",
        )
    except (DataError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
