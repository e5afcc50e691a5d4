"""Train the model: data, train, evaluate, export, from the first recording to the ONNX file.

    python -m offline_train.main [--data DIR] [--out DIR] [--config FILE] [--smoke] [--ship]
                                 [--strategy {ad,np,np-fh,np-hh,spsa}]
    python -m offline_train.main evaluate --help

Without --data it trains on audio that it synthesises. Everything is written below --out; a run
that was interrupted goes on where it stopped when started again with the same --out.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from offline_train import (
    deepafx_experiment,
    effects_experiment,
    evaluate,
    goal_experiment,
    parallel,
    pool,
    seed_experiment,
    side_by_side,
    strategies,
)
from offline_train.config import (
    CONFIGS,
    STAGES,
    AnyConfig,
    Config,
    ConfigError,
    DeepAFxExperiment,
    EffectsExperiment,
    GoalExperiment,
    SeedExperiment,
    SideBySide,
    in_small,
    read,
)
from offline_train.data import DataError, Recording, scan, synthesised
from offline_train.examples import select
from offline_train.export import ParityError, export
from offline_train.level_training import teach_level
from offline_train.model import StyleModel
from offline_train.parallel import Team, TeamError
from offline_train.pool import Pool
from offline_train.train import train_stage
from realtime.model_file import MODEL_FOLDER
from realtime.params import PROFILES, table_hash
from realtime.predictor import MODEL_NAME

RUNS: dict[type, Callable[..., object]] = {  # what each experiment is run by
    SeedExperiment: seed_experiment.run,
    DeepAFxExperiment: deepafx_experiment.run,
    EffectsExperiment: effects_experiment.run,
    GoalExperiment: goal_experiment.run,
    SideBySide: side_by_side.run,
}
STATISTICS = 16_384  # examples that say how features are spread


class RunError(ValueError):
    """A run that cannot start; the message says why in one line."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["evaluate"]:
        return evaluate.main(given[1:])
    parser = argparse.ArgumentParser(
        prog="python -m offline_train.main", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, help="recordings; synthesised where not given")
    parser.add_argument("--out", type=Path, default=Path("runs/latest"), help="the run's folder")
    parser.add_argument("--config", type=Path, help="a TOML file; configs/default.toml")
    parser.add_argument("--smoke", action="store_true", help="all stages of it, in two minutes")
    ways = strategies.names()
    parser.add_argument("--strategy", choices=ways, help="how the loss reaches the parameters")
    parser.add_argument("--resume", action="store_true", help="fail unless --out holds a run")
    parser.add_argument("--ship", action="store_true", help="put the model into realtime/model")
    options = parser.parse_args(given)
    try:
        own = CONFIGS / ("smoke.toml" if options.smoke else "default.toml")
        config = read(options.config or own)
        if options.smoke and options.config:
            config = in_small(config)
        if options.strategy and hasattr(config, "strategy"):
            config = dataclasses.replace(config, strategy=options.strategy)
        strategy = getattr(config, "strategy", "ad")
        if strategy not in strategies.names():
            known = ", ".join(strategies.names())
            raise ConfigError(f"unknown strategy {strategy!r}, known are {known}")
        train, val = scan(options.data) if options.data else synthesised()
        team = parallel.join()
        with team.one_after_the_leader():
            out = open_run(options.out, config, train + val, options.resume)
        torch.set_num_threads(config.threads)
        if not isinstance(config, Config):
            if team.size > 1:
                raise TeamError("an experiment is one process's work")
            made = RUNS[type(config)](config, train, val, out)
            if options.ship and isinstance(made, Path):
                ship(made)
            return 0
        model_path = run(config, train, val, out, team)
    except (ConfigError, DataError, RunError, ParityError, TeamError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        parallel.leave()
    if options.ship and team.rank == 0:
        ship(model_path)
    return 0


def run(
    config: Config, train: list[Recording], val: list[Recording], out: Path, team: Team
) -> Path:
    """All stages in order; each leaves its result in `out`. Returns the ONNX file's path.

    The leader makes what all train on, and what training is for, and is alone in saying so.
    """
    started = time.monotonic()
    torch.manual_seed(config.seed)
    say = print if team.rank == 0 else lambda *words: None
    say(f"data: {len(train)} recordings to train on, {len(val)} held out; run in {out}")

    # data: pairs with their features, some with audio
    with team.one_after_the_leader():
        features = pool.of_run("features", train, out, config.pools, config.seed)
        sounds = pool.of_run("audio", train, out, config.pools, config.seed)
        held_out = pool.of_run("validation", val, out, config.pools, config.seed)
    pairs = Pool(*features.parts, *sounds.parts)

    # train: first the curve to aim at, then all settings, both cheap; then what it sounds like; at
    # last the level
    profile = PROFILES[config.profile]
    with team.one_after_the_leader():
        workshop = strategies.Workshop(out, profile, sounds, config.proxies, config.seed)
        strategy = strategies.load(config.strategy, workshop)
    model = StyleModel(profile, config.width, config.dropout, config.mixed_precision)
    known = pairs.some(STATISTICS)
    model.set_statistics(known["input"], known["reference"])
    for name in STAGES:
        stage = getattr(config, name)
        taught = sounds if stage.windows else pairs
        best = train_stage(
            name, model, taught, held_out, stage, config.seed, out, strategy, say, team
        )
    path = out / MODEL_NAME
    if team.rank > 0:
        return path
    model.cpu()
    teach_level(model, train, pairs, config.level, config.seed, say)

    # export: checked against torch on features of held-out recordings
    told = held_out.some(len(held_out))
    notes = {"validation_mr_stft": f"{best:.4f}", "seed": str(config.seed)}
    difference = export(model, told["input"], told["reference"], path, notes)
    size = path.stat().st_size / 1e6
    say(f"export: {path} ({size:.2f} MB), onnxruntime within {difference:.1e} of torch")

    # evaluate: the file just written, through the real chain
    for kind, rate in evaluate.RATES.items():
        chosen = select(val, kind, rate)
        if chosen and config.examples:
            page = out / f"evaluation-{kind}-{rate}.html"
            evaluate.run(chosen, kind, rate, config.examples, path, page)
    say(f"done in {(time.monotonic() - started) / 60.0:.1f} min")
    return path


def open_run(out: Path, config: AnyConfig, recordings: Sequence[Recording], resume: bool) -> Path:
    """The run's folder, new or of the same run. Raises: RunError where it holds another run."""
    told = hashlib.sha256("\n".join(sorted(str(r.path) for r in recordings)).encode()).hexdigest()
    identity = json.dumps(
        {"config": repr(config), "data": told[:16], "table": table_hash()}, indent=1
    )
    marker = out / "run.json"
    if not marker.exists():
        if resume:
            raise RunError(f"nothing to resume in {str(out)!r}")
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise RunError(f"{str(out)!r} is no run of ours: name a new folder with --out")
        out.mkdir(parents=True, exist_ok=True)
        marker.write_text(identity, encoding="utf-8")
    elif marker.read_text(encoding="utf-8") != identity:
        raise RunError(
            f"{str(out)!r} holds a run of another configuration or other data: name a new folder"
        )
    return out


def ship(path: Path) -> None:
    """Put a model into the package, atomically."""
    temporary = MODEL_FOLDER / f".{path.name}.{os.getpid()}"
    shutil.copyfile(path, temporary)
    os.replace(temporary, MODEL_FOLDER / path.name)
    print(f"shipped as {MODEL_FOLDER / path.name}")


if __name__ == "__main__":
    sys.exit(main())
