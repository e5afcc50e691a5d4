"""What the effects' model learns from: what is heard of clips, with and without the two effects.

A clip gives two examples for each of its targets, one for each half as the input. What is heard of
input and target is worked out once for all of them. A chunk that is there already is kept, so an
interrupted build goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from offline_train.chunks import write_whole
from offline_train.data import Library, Recording
from offline_train.effect_pairs import Effects, random_effects, with_effects
from offline_train.pairs import random_pair
from realtime import features
from realtime.effect_features import hear, looked_at
from realtime.effects_predictor import SET
from realtime.features import AudioError
from realtime.params import WORKING_LOUDNESS_LUFS

CHUNK = 50  # clips a file
VARIANTS = 3  # targets with an effect, beside the one without
PRESENT = 0.6  # of the targets have a distortion, and so many a reverb
SECONDS = (5.0, 12.0)  # of a clip
GENTLE_SHARE, SAME_SHARE = 0.25, 0.06  # as in `pool`
SAME_CHAIN, OTHER_CLIP = 0.06, 0.15  # of the examples, see `EffectsPool.draw`
REFERENCE = 0.25  # peak at which the distortion keeps the level, see realtime.dsp.distortion
_LOUDNESS = features.LAYOUT["loudness"].start
_DRIVE, _MIX, _WET = (SET.index(i) for i in ("dist.drive_db", "dist.mix", "reverb.wet"))


@dataclass(frozen=True)
class Examples:
    """input, reference (examples, LOOKED_AT); clean: the reference without effects; presence
    (examples, 2) of a distortion and of a reverb that the input lacks; settings (examples, SET)."""

    input: Tensor
    reference: Tensor
    clean: Tensor
    presence: Tensor
    settings: Tensor


class EffectsPool:
    """A built pool, in memory: 43 kB a clip."""

    def __init__(self, paths: Sequence[Path]) -> None:
        chunks = [np.load(path) for path in paths]
        # of a clip: both halves of the input, of the target without effects, of those with
        heard, effects = (
            np.concatenate([chunk[key] for chunk in chunks]) for key in ("heard", "effects")
        )
        self.heard, made = torch.from_numpy(looked_at(heard)), torch.from_numpy(effects)
        loudness = torch.from_numpy(heard[:, :, _LOUDNESS])
        before = loudness[:, 2:4].mean(1)
        told, moved_db = at_working_loudness(made[:, :, :-1], before[:, None])
        after = loudness[:, 4:].reshape(len(made), VARIANTS, 2) - made[:, :, -1:]
        apart = (loudness[:, 2:4] - before[:, None])[:, None]  # of the halves
        louder = after + moved_db[:, :, None] - apart - WORKING_LOUDNESS_LUFS
        self.settings = torch.cat(
            [told[:, :, None].expand(-1, -1, 2, -1), louder[..., None]], dim=3
        )

    def __len__(self) -> int:
        return len(self.heard)

    def draw(self, clips: Tensor, generator: torch.Generator, by_protocol: bool) -> Examples:
        """An example of each of `clips`, with any of its targets.

        Unless by_protocol, some inputs went through the very chain of the reference, which leaves
        nothing to do; others are from another clip.
        """
        count = len(clips)

        def drawn(top: int) -> Tensor:
            return torch.randint(top, (count,), generator=generator)

        side, variant, share = drawn(2), drawn(VARIANTS + 1), torch.rand(count, generator=generator)
        other = drawn(len(self))
        target = 2 + 2 * variant  # the first is the one without
        effects = (variant - 1).clamp_min(0)
        settings = self.settings[clips, effects, side]
        there = torch.stack([settings[:, _MIX] > 0.0, settings[:, _WET] > 0.0], 1)
        presence = there.float() * (variant > 0)[:, None]
        input = self.heard[clips, side]
        reference = self.heard[clips, target + 1 - side]
        clean = self.heard[clips, 3 - side]
        if not by_protocol:
            same = (share < SAME_CHAIN)[:, None]
            input = torch.where(same, self.heard[clips, target + side], input)
            clean = torch.where(same, reference, clean)
            presence = presence * ~same
            strange = (share > 1.0 - OTHER_CLIP)[:, None]
            input = torch.where(strange, self.heard[other, side], input)
        return Examples(input, reference, clean, presence, settings)


def at_working_loudness(effects: Tensor, loudness: Tensor) -> tuple[Tensor, Tensor]:
    """Settings (..., 7) that make the same sound of a signal at the working loudness as `effects`
    do of one at `loudness` LUFS, and what their output is then louder by in dB.

    The clipper meets the same level by its drive. Its level compensation goes by the drive, so
    clean and clipped sound stand otherwise to each other, which the mix takes back.
    """
    out = effects.clone()
    on = effects[..., _MIX] > 0.0
    up_db = torch.where(on, loudness - WORKING_LOUDNESS_LUFS, 0.0)
    out[..., _DRIVE] = effects[..., _DRIVE] + up_db
    clipped = _level(out[..., _DRIVE]) / _level(effects[..., _DRIVE])
    clean = 10.0 ** (-up_db / 20.0)
    mix = effects[..., _MIX]
    out[..., _MIX] = mix * clean / (mix * clean + (1.0 - mix) * clipped)
    scale = out[..., _MIX] * clipped / mix.clamp_min(1e-6)
    moved_db = torch.where(
        on, 20.0 * torch.log10(scale.clamp_min(1e-6)), WORKING_LOUDNESS_LUFS - loudness
    )
    return out, moved_db


def _level(drive_db: Tensor) -> Tensor:
    """The distortion's level compensation."""
    gain = 10.0 ** (drive_db / 20.0)
    return torch.sqrt(1.0 + (REFERENCE * gain).square()) / gain


def build(
    recordings: Sequence[Recording],
    directory: Path,
    seed: int,
    clips: int,
    advance: Callable[[int], object] = lambda clips: None,
) -> EffectsPool:
    """Make what is missing of a pool and open it. advance: told of clips as they are ready."""
    directory.mkdir(parents=True, exist_ok=True)
    library = Library(recordings)
    paths = [directory / f"seed{seed}-{n:05d}.npz" for n in range(-(-clips // CHUNK))]
    for number, path in enumerate(paths):
        size = min(CHUNK, clips - number * CHUNK)
        if not path.exists():
            rng = np.random.default_rng([seed, number])
            made = [_clip(library, rng) for _ in range(size)]
            heard, effects = (np.stack(side) for side in zip(*made, strict=True))
            write_whole(path, partial(np.savez, heard=heard, effects=effects))
        advance(size)
    return EffectsPool(paths)


def _clip(
    library: Library, rng: np.random.Generator
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """What is heard of a clip's halves, (4 + 2 VARIANTS, HEARD), and the effects that were there
    with the gain behind them, (VARIANTS, 8)."""
    while True:
        pair = random_pair(library, rng, SAME_SHARE, GENTLE_SHARE, rng.uniform(*SECONDS))
        half = len(pair.input) // 2
        chosen: list[tuple[float, ...]] = []
        try:
            rows = [*_halves(pair.input, half, pair.sample_rate)]
            rows += _halves(pair.target, half, pair.sample_rate)
            while len(chosen) < VARIANTS:
                effects = random_effects(rng, PRESENT)
                if effects == Effects():
                    continue
                made, gain_db = with_effects(pair, effects)
                rows += _halves(made.target, half, pair.sample_rate)
                chosen.append((*astuple(effects), gain_db))
        except AudioError:  # a half that the random chain left silent teaches nothing
            continue
        return np.stack(rows), np.array(chosen, np.float32)


def _halves(x: npt.NDArray[np.float32], half: int, rate: int) -> list[npt.NDArray[np.float32]]:
    return [hear(x[side], rate) for side in (slice(0, half), slice(half, 2 * half))]
