"""Neural proxies: one network an effect, trained to sound like it, with a gradient everywhere.

A temporal convolutional network hears the sound, and the effect's settings scale and shift its
channels. Causal, like the effects.

Source of the network: C. J. Steinmetz, J. D. Reiss, "Efficient neural networks for real-time
modeling of analog dynamic range compression", AES 152nd Convention (2022); of the conditioning:
E. Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI (2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from offline_train.checkpoint import progress_bars, save
from offline_train.config import Proxies
from offline_train.effects import EFFECT_IDS, TWINS, Effect
from offline_train.losses import audio_loss, mr_stft
from realtime.features import LAYOUT
from realtime.params import BY_ID, WORKING_LOUDNESS_LUFS, BandType, Profile

if TYPE_CHECKING:
    from offline_train.strategies import Workshop

ProxyEffects = Mapping[str, Effect]
LEVEL_SPREAD_DB = 6.0  # around working loudness, of what a proxy is trained on
JUDGED_ON = 32  # examples, for the error table


class Proxy(nn.Module):
    """One effect's proxy: an `effects.Effect` that learns."""

    def __init__(self, effect: str, size: Proxies) -> None:
        super().__init__()
        self.effect = effect
        channels, kernel = size.channels, size.kernel
        controls = len(EFFECT_IDS[effect]) + 1  # and the sample rate
        self.dilations = size.dilations
        self.kernel = kernel
        self.heard = nn.Sequential(nn.Linear(controls, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())
        self.enter = nn.Conv1d(1, channels, 1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d) for d in size.dilations
        )
        self.films = nn.ModuleList(nn.Linear(64, 2 * channels) for _ in size.dilations)
        self.leave = nn.Conv1d(channels, 1, 1)
        with torch.no_grad():
            self.leave.weight.mul_(0.1)
            self.leave.bias.zero_()

    def forward(
        self, x: Tensor, values: Tensor, kinds: Sequence[BandType], sample_rate: Tensor
    ) -> Tensor:
        """As `effects.Effect` says; the bands' kinds are learnt, not heard."""
        controls = self.heard(_controls(self.effect, values, sample_rate))
        sound = self.enter(x[:, None])
        for dilation, block, film in zip(self.dilations, self.blocks, self.films, strict=True):
            before = nn.functional.pad(sound, ((self.kernel - 1) * dilation, 0))
            scale, shift = film(controls)[:, :, None].chunk(2, dim=1)
            sound = sound + nn.functional.silu(block(before) * (1.0 + scale) + shift)
        return x + self.leave(sound)[:, 0]


def _controls(effect: str, values: Tensor, sample_rate: Tensor) -> Tensor:
    """Settings as -1..1 over the table's ranges, and the rate in octaves around 32 kHz."""
    columns = []
    for column, param_id in enumerate(EFFECT_IDS[effect]):
        param, value = BY_ID[param_id], values[:, column]
        low, high = param.minimum, param.maximum
        if param.taper == "log":
            unit = torch.log(value / low) / float(np.log(high / low))
        else:
            unit = (value - low) / (high - low)
        columns.append(2.0 * unit - 1.0)
    columns.append(torch.log2(sample_rate / 32_000.0))
    return torch.stack(columns, 1)


def trained(workshop: Workshop) -> ProxyEffects:
    """Proxies of all effects that the profile moves, frozen: from the run's folder, or trained
    now and left there. Prints how far each is from its effect."""
    made: dict[str, Effect] = {}
    rows: dict[str, tuple[float, ...]] = {}
    for effect, ids in EFFECT_IDS.items():
        if not set(ids) & set(workshop.profile.predicted):
            continue
        torch.manual_seed(workshop.seed)
        proxy = Proxy(effect, workshop.proxies)
        path = workshop.out / f"proxy-{effect}.ckpt"
        if path.exists():
            proxy.load_state_dict(torch.load(path))
        else:
            _train(proxy, workshop)
            save(proxy.state_dict(), path)
        proxy.requires_grad_(False).eval()
        made[effect] = proxy
        rows[effect] = errors(proxy, workshop)
    Console().print(_table(rows))
    return made


def _train(proxy: Proxy, workshop: Workshop) -> None:
    size = workshop.proxies
    optimiser = torch.optim.Adam(proxy.parameters(), lr=size.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, size.steps)
    with progress_bars() as bars:
        bar = bars.add_task(f"proxy of the {proxy.effect}", total=size.steps, note="")
        for step in range(size.steps):
            x, values, rate = draw(proxy.effect, workshop, size.batch, step)
            kinds = workshop.profile.band_types
            wanted = TWINS[proxy.effect](x, values, kinds, rate)
            loss = audio_loss(proxy(x, values, kinds, rate), wanted, size.windows, 1.0)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(proxy.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            bars.update(bar, advance=1, note=f"loss {float(loss.detach()):.3f}")


def draw(effect: str, workshop: Workshop, count: int, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sound (count, frames) at about working loudness, settings of one effect (count, ids) all
    over the profile's ranges, sample rates (count,)."""
    pool, frames = workshop.pool, workshop.proxies.frames
    rng = np.random.default_rng([workshop.seed, step])
    batch = pool.batch(np.sort(rng.choice(len(pool), min(count, len(pool)), replace=False)))
    start = int(rng.integers(batch["input_audio"].shape[1] - frames + 1))
    level = WORKING_LOUDNESS_LUFS - batch["input"][:, LAYOUT["loudness"]]
    level = level + LEVEL_SPREAD_DB * torch.from_numpy(rng.standard_normal(level.shape)).float()
    x = batch["input_audio"][:, start : start + frames] * 10.0 ** (level / 20.0)
    columns = [_drawn(i, workshop.profile, len(x), rng) for i in EFFECT_IDS[effect]]
    return x, torch.tensor(np.stack(columns, 1), dtype=torch.float32), batch["sample_rate"]


def _drawn(param_id: str, profile: Profile, count: int, rng: np.random.Generator) -> list[float]:
    if param_id not in profile.predicted:
        return [profile.values()[param_id]] * count
    return [profile.from_unit(param_id, unit) for unit in rng.random(count)]


@torch.no_grad()
def errors(proxy: Proxy, workshop: Workshop) -> tuple[float, ...]:
    """MR-STFT from the effect's sound, of the proxy's and of the untouched; then both errors'
    RMS over the sound's, in dB."""
    name = proxy.effect
    x, values, rate = draw(name, workshop, JUDGED_ON, workshop.proxies.steps)
    kinds = workshop.profile.band_types
    wanted = TWINS[name](x, values, kinds, rate)
    given = proxy(x, values, kinds, rate)
    far = [float(mr_stft(y, wanted, workshop.proxies.windows).mean()) for y in (given, x)]
    off = [((y - wanted).square().mean() / wanted.square().mean()).log10() for y in (given, x)]
    return (*far, *(10.0 * float(o) for o in off))


def _table(rows: Mapping[str, tuple[float, ...]]) -> Table:
    made = Table(title="proxies: how far from their effects, with settings at random")
    heads = ("effect", "MR-STFT", "untouched", "error dB", "untouched dB")
    for head in heads:
        made.add_column(head, justify="left" if head == "effect" else "right")
    for effect, values in rows.items():
        made.add_row(effect, *(f"{v:.3f}" for v in values[:2]), *(f"{v:.1f}" for v in values[2:]))
    return made
