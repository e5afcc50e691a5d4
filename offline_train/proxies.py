"""Neural proxies: one network an effect, trained to sound like it, with a gradient everywhere.

A convolutional network hears the sound: first one long convolution, whose kernel is a mix of learnt
ones, then a temporal convolutional network. The effect's settings choose the mix, and scale and
shift the channels. Causal, like the effects.

An equaliser's settings are told as a picture: where on an axis of octaves below the sample rate a
band lifts, and how much. Told as plain numbers it learns next to nothing of what a frequency does.

Sources: of the network, C. J. Steinmetz, J. D. Reiss, "Efficient neural networks for real-time
modeling of analog dynamic range compression", AES 152nd Convention (2022); of the mixed kernel,
B. Yang et al., "CondConv: Conditionally Parameterized Convolutions", NeurIPS (2019); of the other
conditioning, E. Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", AAAI
(2018).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from offline_train.checkpoint import progress_bars, save
from offline_train.config import Proxies
from offline_train.effects import EFFECT_IDS, TWINS, Effect
from offline_train.effects.peq import EQ_MAX_FRACTION
from offline_train.losses import audio_loss, mr_stft
from offline_train.model import to_unit
from realtime.features import LAYOUT
from realtime.params import (
    BAND_TYPES,
    EQ_BANDS,
    FULL,
    WORKING_LOUDNESS_LUFS,
    BandType,
    Profile,
)

if TYPE_CHECKING:
    from offline_train.strategies import Workshop

ProxyEffects = Mapping[str, Effect]
LEVEL_SPREAD_DB = 6.0  # around working loudness, of what a proxy is trained on
JUDGED_ON = 32  # examples, for the error table
HIDDEN = 128  # of what hears the settings
RINGING_OCTAVES = (-9.5, -1.05)  # of the kernels at first, from the sample rate
SKETCH_OCTAVES = (-11.0, -1.0)
SKETCH_PLACES = 24
SKETCH = len(BAND_TYPES) * 4 * SKETCH_PLACES


class Proxy(nn.Module):
    """One effect's proxy: an `effects.Effect` that learns."""

    ringing: Tensor

    def __init__(self, effect: str, size: Proxies) -> None:
        super().__init__()
        self.effect = effect
        channels, kernel = size.channels, size.kernel
        controls = SKETCH if effect == "peq" else len(EFFECT_IDS[effect]) + 1  # and the rate
        self.dilations = size.dilations
        self.kernel = kernel
        self.heard = nn.Sequential(
            nn.Linear(controls, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, HIDDEN), nn.SiLU()
        )
        self.register_buffer("ringing", _ringing(size.kernels, size.taps), persistent=False)
        self.shape = nn.Parameter(torch.ones(size.kernels, size.taps))  # of each tap's own size
        self.mix = nn.Linear(HIDDEN, size.kernels)
        self.enter = nn.Conv1d(1, channels, 1)
        self.blocks = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d) for d in size.dilations
        )
        self.films = nn.ModuleList(nn.Linear(HIDDEN, 2 * channels) for _ in size.dilations)
        self.leave = nn.Conv1d(channels, 1, 1)
        with torch.no_grad():
            for layer in (self.mix, self.leave):
                layer.weight.mul_(0.1)
                layer.bias.zero_()

    def forward(
        self, x: Tensor, values: Tensor, kinds: Sequence[BandType], sample_rate: Tensor
    ) -> Tensor:
        """As `effects.Effect` says."""
        if self.effect == "peq":
            controls = self.heard(_sketch(values, kinds, sample_rate))
        else:
            controls = self.heard(_controls(self.effect, values, sample_rate))
        y = x + _convolved(x, self.mix(controls) @ (self.ringing * self.shape))
        sound = self.enter(y[:, None])
        for dilation, block, film in zip(self.dilations, self.blocks, self.films, strict=True):
            before = nn.functional.pad(sound, ((self.kernel - 1) * dilation, 0))
            scale, shift = film(controls)[:, :, None].chunk(2, dim=1)
            sound = sound + nn.functional.silu(block(before) * (1.0 + scale) + shift)
        return y + self.leave(sound)[:, 0]


def _ringing(kernels: int, taps: int) -> Tensor:
    """Where the kernels' training starts: decaying tones, broad, spread by octaves; (kernels,
    taps)."""
    tone = 2.0 ** torch.linspace(*RINGING_OCTAVES, kernels)[:, None]  # of the sample rate
    time = torch.arange(taps)
    seconds = (0.9 / tone).clamp_max(taps / 2.2)
    return torch.exp(-1.2 * time / seconds) * torch.cos(2.0 * torch.pi * tone * time) / seconds


def _convolved(x: Tensor, kernel: Tensor) -> Tensor:
    """x (batch, frames) through a kernel each (batch, taps), causally."""
    size = scipy.fft.next_fast_len(x.shape[1] + kernel.shape[1], real=True)
    spectrum = torch.fft.rfft(x, size) * torch.fft.rfft(kernel, size)
    return torch.fft.irfft(spectrum, size)[:, : x.shape[1]]


def _sketch(values: Tensor, kinds: Sequence[BandType], sample_rate: Tensor) -> Tensor:
    """An equaliser's settings (batch, ids) as a picture of its curve, (batch, SKETCH): at each
    place on an axis of octaves, for each kind of band, how much is lifted there and how wide."""
    freq_hz, gain_db, q = values.reshape(len(values), EQ_BANDS, 3).unbind(2)
    rate = sample_rate[:, None]
    octaves = torch.log2(torch.minimum(freq_hz, EQ_MAX_FRACTION * rate) / rate)
    places = torch.linspace(*SKETCH_OCTAVES, SKETCH_PLACES)
    near = torch.exp(-2.0 * (octaves[..., None] - places).square())
    gain, narrow = gain_db / 24.0, torch.log(q)
    told = torch.stack([gain, gain.abs(), gain * narrow, gain * narrow.square()], 2)
    alike = torch.tensor([[kind == of for kind in kinds] for of in BAND_TYPES], dtype=near.dtype)
    return torch.einsum("kb,nbt,nbp->nktp", alike, told, near).flatten(1)


def _controls(effect: str, values: Tensor, sample_rate: Tensor) -> Tensor:
    """Settings as -1..1 over the table's ranges, and the rate in octaves around 32 kHz."""
    columns = [
        2.0 * to_unit(values[:, column], param_id, FULL) - 1.0
        for column, param_id in enumerate(EFFECT_IDS[effect])
    ]
    columns.append(torch.log2(sample_rate / 32_000.0))
    return torch.stack(columns, 1)


def trained(workshop: Workshop) -> ProxyEffects:
    """Proxies of all effects that the profile moves, frozen: from the run's folder, or trained
    now and left there; then it prints how far each is from its effect."""
    made: dict[str, Effect] = {}
    news = False
    for effect, ids in EFFECT_IDS.items():
        if not set(ids) & set(workshop.profile.predicted):
            continue
        torch.manual_seed(workshop.seed)
        proxy = Proxy(effect, workshop.proxies)
        path = workshop.out / f"proxy-{effect}.ckpt"
        if path.exists():
            proxy.load_state_dict(torch.load(path)["proxy"])
        else:
            began = time.process_time()
            _train(proxy, workshop)
            seconds = time.process_time() - began
            far = errors(proxy, workshop)
            save({"proxy": proxy.state_dict(), "errors": far, "seconds": seconds}, path)
            news = True
        made[effect] = proxy.requires_grad_(False).eval()
    if news:
        Console().print(table(workshop.out))
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


def table(out: Path) -> Table:
    """How far the proxies in a run's folder are from their effects, and what they took."""
    made = Table(title="proxies: how far from their effects, with settings at random")
    heads = ("effect", "MR-STFT", "untouched", "error dB", "untouched dB", "CPU s")
    for head in heads:
        made.add_column(head, justify="left" if head == "effect" else "right")
    for effect in EFFECT_IDS:
        path = out / f"proxy-{effect}.ckpt"
        if path.exists():
            state = torch.load(path)
            near, far, error, without = state["errors"]
            told = (f"{near:.3f}", f"{far:.3f}", f"{error:.1f}", f"{without:.1f}")
            made.add_row(effect, *told, f"{state['seconds']:.0f}")
    return made
