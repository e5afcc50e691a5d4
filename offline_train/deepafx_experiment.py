"""DeepAFx-ST's AD, trained on the recordings that our model trains on: the row to compare by.

    python -m offline_train.main --config offline_train/configs/deepafx.toml --data DIR [--out DIR]

Its protocol, from the paper and the project's notes: halves of one clip, all six windows of MR-STFT
plus 100 times the MAE, Adam falling tenfold at 80 and at 95 % of the steps, sounds at 24 kHz. Fresh
pairs every step, of the speakers and pieces as often as ours. Then its row beside the shipped
model's on every set. `deepafx.toml` is for a GPU, `deepafx-cpu.toml` for the time our model had.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soxr
import torch

from offline_train import evaluate
from offline_train.checkpoint import progress_bars, save
from offline_train.config import DeepAFxExperiment
from offline_train.data import DataError, Library, Recording
from offline_train.deepafx import DeepAFxST, effects
from offline_train.evaluate import Audio, Method
from offline_train.examples import MIN_SPEAKER_SECONDS, Example, draw, select
from offline_train.losses import audio_loss
from offline_train.metrics import ratio_interval

ROW = "DeepAFx-ST's AD"
MAE_WEIGHT = 100.0
CLIP_NORM = 4.0
TRIES = 100  # clips drawn for an example, before there is said to be none
FALLS = (0.8, 0.95)  # of the steps, where the learning rate falls to a tenth


def run(
    config: DeepAFxExperiment, train: Sequence[Recording], val: Sequence[Recording], out: Path
) -> None:
    """Train as long as the configuration says; evaluate on every set, as `evaluate` does."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    model = DeepAFxST(float(config.sample_rate))
    model.to(device, memory_format=torch.channels_last)  # half the time of a convolution
    seconds = fit(model, [r for r in train if r.rate * 1.1 >= config.sample_rate], config, out)
    print(f"{ROW}: {config.steps} steps of {config.batch}, {seconds:.0f} s of processor time")
    for kind, rate in evaluate.RATES.items():
        held_out = select(val, kind, rate)
        if not held_out:
            continue
        page = out / f"evaluation-{kind}-{rate}.html"
        others = {ROW: by_network(model)}
        scores = evaluate.run(held_out, kind, rate, config.examples, None, page, others=others)
        ends = zip(*ratio_interval(scores.rows["model"], scores.rows[ROW]), strict=True)
        told = (f"{r:.3f} ({low:.3f}-{high:.3f})" for r, low, high in ends)
        pairs = zip(scores.metrics, told, strict=True)
        print(f"model over {ROW}: " + ", ".join(" ".join(pair) for pair in pairs))


def fit(
    model: DeepAFxST, recordings: Sequence[Recording], config: DeepAFxExperiment, out: Path
) -> float:
    """Train `model` in place, going on from OUT/deepafx.ckpt; returns what that took, in seconds
    of processor time."""
    device = next(model.parameters()).device
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    path = out / "deepafx.ckpt"
    state: dict[str, Any] = {"step": 0, "seconds": 0.0}
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=False)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
    model.train()
    library = Library(recordings)
    with progress_bars() as bars:
        bar = bars.add_task("deepafx", total=config.steps, completed=state["step"], note="")
        while state["step"] < config.steps:
            began = time.process_time()
            fallen = sum(state["step"] >= share * config.steps for share in FALLS)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * 0.1**fallen
            some = batch(library, config, state["step"])
            input, target, reference = (
                torch.from_numpy(np.stack([getattr(e, side) for e in some]))
                for side in ("input", "target", "reference")
            )
            output = model(input.to(device), reference.to(device))
            loss = audio_loss(output, target.to(device), config.windows, MAE_WEIGHT)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimiser.step()
            state["step"] += 1
            state["seconds"] += time.process_time() - began
            bars.update(bar, completed=state["step"], note=f"loss {float(loss.detach()):.3f}")
            if state["step"] % config.every == 0 or state["step"] == config.steps:
                state.update(model=model.state_dict(), optimiser=optimiser.state_dict())
                save(state, path)
    return float(state["seconds"])


def batch(library: Library, config: DeepAFxExperiment, step: int) -> list[Example]:
    """The examples of one step, of speakers and pieces drawn by their weight.

    Raises: DataError where none has enough sound.
    """
    rng = np.random.default_rng([config.seed, step])
    made: list[Example] = []
    for _ in range(TRIES * config.batch):
        if len(made) == config.batch:
            return made
        speaker = library.draw(rng)
        one = draw(library, speaker, 2 * config.frames, config.sample_rate, rng)
        made += [one] if one is not None else []
    seconds = min(MIN_SPEAKER_SECONDS, 2 * config.frames / config.sample_rate)
    raise DataError(f"no recordings to train on have {seconds:.1f} s of sound")


def by_network(model: DeepAFxST) -> Method:
    """What the trained network makes of an input: it hears both sides at its own rate, and its
    effects render at the sound's."""
    device = next(model.parameters()).device
    model.eval()

    @torch.no_grad()
    def method(x: Audio, reference: Audio, sample_rate: int) -> Audio:
        sides = (soxr.resample(side, sample_rate, model.sample_rate) for side in (x, reference))
        units = model.settings(*(torch.from_numpy(side)[None].to(device) for side in sides))
        heard: Audio = effects(torch.from_numpy(x).to(device), units[0], sample_rate).cpu().numpy()
        return heard

    return method
