"""DeepAFx-ST's AD, trained on the recordings that our model trains on: the row to compare by.

    python -m offline_train.main --config offline_train/configs/deepafx.toml --data DIR [--out DIR]

Its protocol, from the paper and the project's notes: halves of clips of 262,144 samples, all six
windows of MR-STFT plus 100 times the MAE, Adam at 1e-4 falling tenfold at 80 and at 95 % of the
steps. Fresh pairs every step. Then the table: its row beside the shipped model's, speech at 24 kHz.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from offline_train import evaluate, page
from offline_train.checkpoint import progress_bars, save
from offline_train.config import DeepAFxExperiment
from offline_train.data import Recording
from offline_train.deepafx import DeepAFxST
from offline_train.evaluate import Audio, Method
from offline_train.losses import audio_loss
from realtime.features import AudioError

MAE_WEIGHT = 100.0
CLIP_NORM = 4.0
FALLS = (0.8, 0.95)  # of the steps, where the learning rate falls to a tenth


def run(
    config: DeepAFxExperiment, train: Sequence[Recording], val: Sequence[Recording], out: Path
) -> evaluate.Scores:
    """Train as long as the configuration says, evaluate, print the table and write the page."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(config.seed)
    model = DeepAFxST(float(config.sample_rate)).to(device)
    seconds = fit(model, evaluate.select(train, "speech", 0), config, out)
    held_out = evaluate.select(val, "speech", config.sample_rate)
    chosen = evaluate.examples(held_out, config.sample_rate, config.examples)
    methods = {"DeepAFx-ST's AD": by_network(model), "model": evaluate.by_model(None)}
    scores = evaluate.evaluate(chosen, config.sample_rate, methods, speech=True)
    title = f"speech, {config.sample_rate} Hz"
    Console(width=140).print(evaluate.table(scores, title))
    note = f"DeepAFx-ST's AD after {config.steps} steps of {config.batch}, {seconds:.0f} s here."
    print(note)
    path = out / "evaluation-deepafx.html"
    rows = evaluate.cells(scores)
    head = ("", *scores.metrics)
    page.write(path, title, [note], head, rows, scores.heard, config.sample_rate)
    return scores


def fit(
    model: DeepAFxST, recordings: Sequence[Recording], config: DeepAFxExperiment, out: Path
) -> float:
    """Train `model` in place, going on from OUT/deepafx.ckpt; returns the seconds that took."""
    device = next(model.parameters()).device
    optimiser = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
    path = out / "deepafx.ckpt"
    state: dict[str, Any] = {"step": 0, "seconds": 0.0}
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=False)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
    model.train()
    with progress_bars() as bars:
        bar = bars.add_task("deepafx", total=config.steps, completed=state["step"], note="")
        while state["step"] < config.steps:
            began = time.monotonic()
            fallen = sum(state["step"] >= share * config.steps for share in FALLS)
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * 0.1**fallen
            seed = config.seed + 1_000_003 * (state["step"] + 1)
            some = evaluate.examples(recordings, config.sample_rate, config.batch, seed)
            input, target, reference = (
                torch.from_numpy(np.stack([getattr(e, side)[: config.frames] for e in some]))
                for side in ("input", "target", "reference")
            )
            output = model(input.to(device), reference.to(device))
            loss = audio_loss(output, target.to(device), config.windows, MAE_WEIGHT)
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
            optimiser.step()
            state["step"] += 1
            state["seconds"] += time.monotonic() - began
            bars.update(bar, completed=state["step"], note=f"loss {float(loss.detach()):.3f}")
            if state["step"] % config.every == 0 or state["step"] == config.steps:
                state.update(model=model.state_dict(), optimiser=optimiser.state_dict())
                save(state, path)
    return float(state["seconds"])


def by_network(model: DeepAFxST) -> Method:
    """What the trained network makes of an input, as its own effects render it."""
    device = next(model.parameters()).device
    model.eval()

    def method(x: Audio, reference: Audio, sample_rate: int) -> Audio:
        if sample_rate != model.sample_rate:
            raise AudioError(f"DeepAFx-ST was trained at {model.sample_rate:g} Hz")
        with torch.no_grad():
            sides = (torch.from_numpy(side)[None].to(device) for side in (x, reference))
            heard: Audio = model(*sides)[0].cpu().numpy()
        return heard

    return method
