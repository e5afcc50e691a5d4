"""One TOML file a run: what `offline_train/configs/` holds, read into typed sections."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from realtime.params import PROFILES

CONFIGS = Path(__file__).resolve().parent / "configs"


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names file, key and what is wrong."""


@dataclass(frozen=True)
class Pools:
    """How many examples of each kind to make. audio_frames: length of a clip with audio."""

    features: int
    audio: int
    validation: int
    audio_frames: int
    music_share: float
    gentle_share: float
    same_share: float
    workers: int


@dataclass(frozen=True)
class Stage:
    """One stage of training. windows: of the MR-STFT in the loss, empty where it has none.

    frames: of each example's audio that a step hears, 0 for all; draws: how many of the windows
    it compares by, 0 for all. Fewer of both make more steps a minute.
    every: steps between validations. patience: validations without a better one before it ends.
    settings_weight: of the settings loss beside the audio loss.
    seconds: of processor time that its steps may take, 0 for as many as they need.
    """

    steps: int
    batch: int
    learning_rate: float
    weight_decay: float
    noise: float
    every: int
    patience: int
    windows: tuple[int, ...] = ()
    frames: int = 0
    draws: int = 0
    mae_weight: float = 0.0
    settings_weight: float = 1.0
    seconds: float = 0.0


class CurveStage(Stage):
    """A stage that trains the curve estimator alone, on the curves that it should aim at."""


@dataclass(frozen=True)
class Level:
    """The level head's training, see `level_training`. clips: rendered; steps: on pairs of which
    nothing is rendered, then rendered_steps on both."""

    clips: int
    steps: int
    rendered_steps: int
    batch: int
    learning_rate: float
    weight_decay: float


@dataclass(frozen=True)
class Proxies:
    """The neural proxies' size and training, for the strategies that use them.

    dilations: of the blocks, in samples; each block's kernel is that far spread.
    kernels, taps: of the long convolution before the blocks, how many are mixed and how long.
    """

    channels: int = 16
    kernel: int = 9
    dilations: tuple[int, ...] = (1, 8, 64, 256)
    kernels: int = 48
    taps: int = 2_047
    steps: int = 1_500
    batch: int = 8
    frames: int = 16_384
    learning_rate: float = 5e-3
    windows: tuple[int, ...] = (128, 512, 2048)


@dataclass(frozen=True)
class Config:
    """A run: seed, profile, size of the model, threads, pools, proxies, stages, evaluation.

    strategy: how the loss on sound gets back to the parameters, one of `offline_train.strategies`.
    examples: evaluated a set at the end, 0 for none.
    mixed_precision: the network trains in bfloat16 where that is precise enough; a GPU's matter.
    """

    seed: int
    profile: str
    strategy: str
    width: int
    dropout: float
    threads: int
    examples: int
    pools: Pools
    proxies: Proxies
    curve: CurveStage
    settings: Stage
    audio: Stage
    level: Level
    mixed_precision: bool = False


@dataclass(frozen=True)
class SeedExperiment:
    """The paper's own experiment, see `seed_experiment`. frames: of a clip; channels: of the
    encoder's first layer; patience: how often the validation loss may rise before it ends;
    settings_epochs: how many of the epochs train on settings alone, and come first, the learning
    rate falling to nothing."""

    seed: int
    strategy: str
    sample_rate: int
    frames: int
    tracks: int
    held_out: int
    channels: int
    batch: int
    epochs: int
    patience: int
    learning_rate: float
    windows: tuple[int, ...]
    threads: int
    proxies: Proxies
    profile: str = "seed"
    settings_epochs: int = 0


@dataclass(frozen=True)
class SideBySide:
    """All strategies beside each other, see `side_by_side`. audio: how each trains, with `seconds`
    of processor time."""

    seed: int
    profile: str
    width: int
    dropout: float
    threads: int
    pools: Pools
    proxies: Proxies
    audio: Stage


@dataclass(frozen=True)
class DeepAFxExperiment:
    """DeepAFx-ST's AD on our recordings, see `deepafx_experiment`. frames: of each half of a clip;
    every: steps between checkpoints."""

    seed: int
    sample_rate: int
    frames: int
    batch: int
    steps: int
    every: int
    learning_rate: float
    windows: tuple[int, ...]
    examples: int
    threads: int


@dataclass(frozen=True)
class EffectsExperiment:
    """The model for distortion and reverb, see `effects_experiment`. clips, held_out: heard to
    train and to validate; width, dropout: of the network; noise: on its inputs, in spreads;
    every: steps between validations; thresholds: presence from
    which on a distortion and a reverb are set."""

    seed: int
    clips: int
    held_out: int
    width: int
    dropout: float
    noise: float
    batch: int
    steps: int
    every: int
    learning_rate: float
    weight_decay: float
    thresholds: tuple[float, ...]
    threads: int


@dataclass(frozen=True)
class GoalExperiment:
    """The model that hears what a rendering lacks, see `goal_experiment`. examples, held_out:
    renderings to train on and to validate with; workers: processes that make them; width,
    dropout: of the network."""

    seed: int
    examples: int
    held_out: int
    workers: int
    width: int
    dropout: float
    batch: int
    steps: int
    learning_rate: float
    weight_decay: float
    threads: int


AnyConfig = (
    Config | SeedExperiment | DeepAFxExperiment | EffectsExperiment | GoalExperiment | SideBySide
)
EXPERIMENTS = {
    None: Config,
    "seed": SeedExperiment,
    "deepafx": DeepAFxExperiment,
    "effects": EffectsExperiment,
    "goal": GoalExperiment,
    "strategies": SideBySide,
}
STAGES = ("curve", "settings", "audio")  # of training, in their order
SECTIONS: dict[str, Any] = {
    "pools": Pools, "proxies": Proxies, "curve": CurveStage, "settings": Stage, "audio": Stage,
    "level": Level,
}  # fmt: skip


def read(path: Path) -> AnyConfig:
    """Read a configuration. Raises: ConfigError naming the file and what is wrong with it."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        experiment = data.pop("experiment", None)
        if experiment not in EXPERIMENTS:
            raise ValueError(f"unknown experiment {experiment!r}")
        kind: Any = EXPERIMENTS[experiment]
        wanted = SECTIONS.keys() & {field.name for field in fields(kind)}
        made = {name: _section(SECTIONS[name], data.pop(name, {}), name) for name in wanted}
        config = _section(kind, {**data, **made}, "")
        profile = getattr(config, "profile", None)
        if profile is not None and profile not in PROFILES:
            raise ValueError(f"unknown profile {profile!r}")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigError(f"configuration {str(path)!r}: {reason}") from None
    return config


def in_small(config: AnyConfig) -> Config:
    """A run of the same kind in the sizes of `smoke.toml`, which shows in two minutes whether it
    works. Raises: ConfigError where the configuration is an experiment's."""
    if not isinstance(config, Config):
        raise ConfigError("an experiment has no small run")
    small = read(CONFIGS / "smoke.toml")
    assert isinstance(small, Config)
    stages = {}
    for name in STAGES:
        ours, sizes = getattr(config, name), getattr(small, name)
        keys = ("steps", "batch", "every", "frames")
        stages[name] = replace(ours, **{key: getattr(sizes, key) for key in keys})
        fit = tuple(w for w in ours.windows if w <= small.pools.audio_frames)
        stages[name] = replace(stages[name], windows=fit)
    return replace(
        config, width=small.width, threads=small.threads, examples=small.examples,
        pools=small.pools, proxies=small.proxies, level=small.level, **stages,
    )  # fmt: skip


def _section(kind: Any, values: dict[str, Any], name: str) -> Any:
    known = {field.name for field in fields(kind)}
    where = f"[{name}] " if name else ""
    if unknown := values.keys() - known:
        raise ValueError(f"{where}unknown key {', '.join(sorted(unknown))}")
    values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{where}{error}".replace("__init__() ", "")) from None
