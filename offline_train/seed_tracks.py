"""The clips of the paper's experiment: half a second each, and what they are to become.

Targets are made three ways: by the equaliser and compressor of profile `seed`, by a reverb and by a
distortion that it has not; each by the compiled chain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from offline_train.config import SeedExperiment
from offline_train.data import Library, Recording
from offline_train.live import render_batch
from offline_train.model import to_unit
from realtime.features import AudioError, analyse
from realtime.params import EQ_BANDS, NEUTRAL, SEED, WORKING_LOUDNESS_LUFS, Profile

Audio = npt.NDArray[np.float32]

PEAK_MAX = 0.5  # of a clip brought to working loudness
BATCH = 50  # of rendering, when nothing is learnt
OWN = "PEQ and compressor"  # the way that profile `seed` has itself
KNOBS = {  # what each way moves, and between what
    OWN: {i: SEED.range_of(i) for i in SEED.predicted},
    "reverb": {
        "reverb.room_size": (0.2, 0.8), "reverb.damping": (0.0, 1.0), "reverb.wet": (0.2, 0.8),
    },
    "distortion": {
        "dist.drive_db": (12.0, 42.0), "dist.tone_hz": (2_000.0, 12_000.0), "dist.mix": (0.5, 1.0),
    },
}  # fmt: skip
# What stands at neutral where another way made the target; the rest of an effect does not matter
# then.
SWITCHES = (
    *(f"eq{band}.gain_db" for band in range(1, EQ_BANDS + 1)), "comp.ratio",
    "comp.makeup_gain_db", "dist.mix", "reverb.wet", "reverb.dry", "input.gain_db",
    "output.gain_db",
)  # fmt: skip


@dataclass(frozen=True)
class Tracks:
    """Clips and what they are to become: (tracks, frames) each, reference of other content.

    other: what the reference was made of. features: of each clip, for what the proxies want to know
    of it. ways: which of KNOBS made the target, by number. values: with what, id -> (tracks,),
    NaN where another way did.
    """

    clip: Tensor
    other: Tensor
    features: Tensor
    ways: Tensor
    values: dict[str, Tensor]
    target: Tensor
    reference: Tensor
    sample_rate: float

    def __len__(self) -> int:
        return len(self.clip)

    def batch(self, indices: npt.NDArray[np.integer]) -> dict[str, Tensor]:
        """Rows, named as a `pool.Pool` names them."""
        rows = torch.from_numpy(np.asarray(indices))
        return {
            "input": self.features[rows],
            "input_audio": self.clip[rows],
            "target_audio": self.target[rows],
            "reference_audio": self.reference[rows],
            "sample_rate": torch.full((len(rows),), self.sample_rate),
        }

    def units(self, profile: Profile) -> Tensor:
        """What made the targets in `profile`'s terms, (tracks, ids) in 0..1; NaN where that does
        not matter."""
        still = SEED.values()
        effects = [{_effect(i) for i in knobs} for knobs in KNOBS.values()]
        columns = []
        for i in profile.predicted:
            source = _source(i, profile)
            value = self.values.get(source, torch.full((len(self),), torch.nan))
            at_work = torch.tensor([_effect(source) in those for those in effects])[self.ways]
            value = torch.where(at_work & value.isnan(), still.get(source, torch.nan), value)
            if i in SWITCHES:
                value = torch.where(value.isnan(), NEUTRAL[i], value)
            columns.append(to_unit(value, i, profile))
        return torch.stack(columns, 1)

    def again(self, rng: np.random.Generator) -> Tracks:
        """The same clips, made by fresh settings in the same ways."""
        return _made(self.clip, self.other, self.features, self.ways, self.sample_rate, rng)


def _source(param_id: str, profile: Profile) -> str:
    """Which parameter of profile `seed` says what one of another is; "" for none.

    Where the outer bands are shelves, its upper four are the four peaks.
    """
    effect, _, key = param_id.partition(".")
    if profile.band_types == SEED.band_types or not effect.startswith("eq"):
        return param_id
    band = int(effect[2:])
    return f"eq{band + 1}.{key}" if profile.band_types[band - 1] == "peak" else ""


def _effect(param_id: str) -> str:
    """Bands are all of one effect."""
    return param_id.partition(".")[0].rstrip("123456")


def make_tracks(
    recordings: Sequence[Recording],
    count: int,
    ways: Sequence[str],
    config: SeedExperiment,
    seed: int,
) -> Tracks:
    """`count` clips at working loudness, each through the compiled chain with settings at random.

    ways: of KNOBS, which settings those are, in turn.
    """
    library = Library(recordings)
    rng = np.random.default_rng(seed)
    rate, frames = config.sample_rate, config.frames
    pairs: list[Audio] = []
    features: list[npt.NDArray[np.float32]] = []
    while len(pairs) < count:
        both = library.clip(library.draw(rng), 2 * frames / rate, rate, rng)
        if len(both) < 2 * frames:
            continue
        try:
            heard = [analyse(half, rate) for half in (both[:frames], both[frames:])]
        except AudioError:
            continue
        gain = 10.0 ** ((WORKING_LOUDNESS_LUFS - float(heard[0][-1])) / 20.0)
        if np.abs(both).max() * gain > PEAK_MAX:
            continue
        pairs.append((gain * both).astype(np.float32).reshape(2, frames))
        features.append(heard[0])
        features[-1][-1] = WORKING_LOUDNESS_LUFS
    clip, other = torch.from_numpy(np.stack(pairs)).unbind(1)
    numbers = torch.tensor([list(KNOBS).index(way) for way in ways])
    in_turn = numbers[torch.arange(count) % len(numbers)]
    heard_as = torch.from_numpy(np.stack(features))
    return _made(clip, other, heard_as, in_turn, float(rate), rng)


def _made(
    clip: Tensor,
    other: Tensor,
    features: Tensor,
    ways: Tensor,
    sample_rate: float,
    rng: np.random.Generator,
) -> Tracks:
    values: dict[str, Tensor] = {}
    for number, knobs in enumerate(KNOBS.values()):
        rows = ways == number
        for i, (low, high) in knobs.items() if rows.any() else ():
            values.setdefault(i, torch.full((len(clip),), torch.nan))
            drawn = rng.uniform(low, high, int(rows.sum())).astype(np.float32)
            values[i][rows] = torch.from_numpy(drawn)
    if "reverb.wet" in values:
        values["reverb.dry"] = 1.0 - values["reverb.wet"]
    still = SEED.values()
    plain = {i: torch.where(v.isnan(), still[i], v) for i, v in values.items()}
    target, reference = (rendered(side, plain, SEED, sample_rate) for side in (clip, other))
    return Tracks(clip, other, features, ways, values, target, reference, sample_rate)


def rendered(
    x: Tensor, values: Mapping[str, Tensor], profile: Profile, sample_rate: float
) -> Tensor:
    """x (tracks, frames) through the compiled chain as `values` set it."""
    rates = torch.full((len(x),), sample_rate)
    parts = [slice(n, n + BATCH) for n in range(0, len(x), BATCH)]
    return torch.cat(
        [render_batch(x[p], {i: v[p] for i, v in values.items()}, profile, rates[p]) for p in parts]
    )
