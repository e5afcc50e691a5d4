"""Encoder and controller: two feature vectors in, the profile's parameters out.

The same encoder reads input and reference. Beside its embeddings the controller sees the plain
evidence, the difference of the two vectors. It works like a person with a match equaliser:
first the curve that the equaliser should have, measured and then corrected by what was learnt;
then settings, from an analytic first guess over a few rounds of looking at what is left, and at
last by a solver's steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
from torch import Tensor, nn

from offline_train import curve_fit
from offline_train.curve_estimator import CurveEstimator, shared_bands
from offline_train.effects.peq import kind_masks, response_db
from offline_train.first_guess import matching_gains, starting_logits
from offline_train.level_head import LevelHead
from offline_train.loudness import k_weight, louder_db
from offline_train.parallel import Dropout
from realtime.features import BAND_HZ, BANDS, LAYOUT, STATISTICS
from realtime.params import BY_ID, EQ_BANDS, WORKING_LOUDNESS_LUFS, Profile

EMBEDDING = 96
STYLE = STATISTICS  # what the encoder reads
GAIN_DB_PER_LOGIT = 10.0  # of the output gain, which has no sigmoid
ROUNDS = 4  # of looking at what the equaliser leaves over and correcting it
QUIET = slice(LAYOUT["percentiles"].start, LAYOUT["percentiles"].start + BANDS)  # the lowest
TOP_HZ = 0.99 * float(BAND_HZ[-1])
EQ_KEYS = ("freq_hz", "gain_db", "q")
FIT_STEPS_TRAINING = 3  # of the curve fit: most of the way, for less than a third of the time
EQ_LOGIT_MAX = 4.0  # further out a sigmoid's slope leaves the solver nothing to go by
BY_HERTZ = 0.7  # of the fit's weight goes by width in Hz, as MR-STFT counts; the rest by octaves


class StyleModel(nn.Module):
    """input, reference (batch, features.SIZE) -> parameters in 0..1 (batch, predicted ids).

    profile: names the outputs and their order. width: of the hidden layers. mixed_precision:
    the networks, not the arithmetic around them, train in bfloat16.
    """

    feature_mean: Tensor
    feature_std: Tensor
    difference_std: Tensor
    match: Tensor
    start: Tensor

    def __init__(
        self,
        profile: Profile,
        width: int = 256,
        dropout: float = 0.1,
        mixed_precision: bool = False,
    ) -> None:
        super().__init__()
        self.profile = profile
        self.mixed_precision = mixed_precision
        outputs = len(profile.predicted)
        self.register_buffer("feature_mean", torch.zeros(STYLE))
        self.register_buffer("feature_std", torch.ones(STYLE))
        self.register_buffer("difference_std", torch.ones(STYLE))
        self.register_buffer("match", matching_gains(profile))
        self.register_buffer("start", starting_logits(profile))
        self.register_buffer("band_hz", torch.tensor(BAND_HZ, dtype=torch.float32))
        low, span = eq_ranges(profile)
        self.register_buffer("eq_low", low)
        self.register_buffer("eq_span", span)
        is_peak, is_high = kind_masks(profile.band_types)
        self.register_buffer("is_peak", is_peak)
        self.register_buffer("is_high", is_high)
        self.register_buffer("loudness_weight", self.band_hz * k_weight())
        self.encoder = nn.Sequential(
            nn.Linear(STYLE, width), nn.SiLU(), Dropout(dropout), nn.Linear(width, EMBEDDING)
        )
        self.trunk = nn.Sequential(
            nn.Linear(STYLE + 2 * EMBEDDING, width), nn.SiLU(), Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(),
        )  # fmt: skip
        self.curve = CurveEstimator()
        self.level = LevelHead(profile)
        self.rounds = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width + 3 * BANDS + outputs, width), nn.SiLU(),
                nn.Linear(width, width // 2), nn.SiLU(), nn.Linear(width // 2, outputs),
            )
            for _ in range(ROUNDS)
        )  # fmt: skip
        with torch.no_grad():
            for network in self.rounds:
                network[-1].weight.mul_(0.1)
                network[-1].bias.zero_()

    def set_statistics(self, inputs: Tensor, references: Tensor) -> None:
        """Take the normalisation from training features, each (examples, SIZE)."""
        both = torch.cat([inputs, references])[:, :STYLE]
        difference = (references - inputs)[:, :STYLE]
        self.feature_mean.copy_(both.mean(0))
        self.feature_std.copy_(both.std(0).clamp_min(0.1))
        self.difference_std.copy_(difference.std(0).clamp_min(0.1))
        self.curve.set_statistics(both)

    def forward(self, input: Tensor, reference: Tensor) -> Tensor:
        """The parameters."""
        return self.predict(input, reference)[0]

    def predict(self, input: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """The parameters and, for the loss, the equaliser curve in dB that is aimed at
        (batch, BANDS)."""
        style_in = input[:, :STYLE]
        scaled, evidence = self.hear(input, reference)
        mask = shared_bands(input, reference)
        with self._precision():
            codes = [self.encoder(style) for style in scaled]
            hidden = self.trunk(torch.cat([evidence, *codes], dim=1)).float()
        curve, sights = self.aim(input, reference)
        logits = self.start + curve @ self.match
        rate = self._rate(mask)
        for correct in self.rounds:
            left = self._left_over(logits, curve, mask, rate)
            known = torch.cat([hidden, left / 10.0, curve / 10.0, mask, logits / 3.0], dim=1)
            with self._precision():
                correction = correct(known).float()
            logits = logits + correction
        logits = self._solve(logits, curve, mask, rate)
        louder = self._louder(logits, style_in, mask, rate)
        with self._precision():
            level = self.level(scaled, evidence, torch.sigmoid(logits), louder, sights).float()
        return torch.cat(self._units(logits, reference, louder, level), dim=1), curve

    def hear(self, input: Tensor, reference: Tensor) -> tuple[list[Tensor], Tensor]:
        """Both styles and their difference, each (batch, STYLE) in units of its spread."""
        styles = [side[:, :STYLE] for side in (input, reference)]
        scaled = [((s - self.feature_mean) / self.feature_std).clamp(-5.0, 5.0) for s in styles]
        return scaled, ((styles[1] - styles[0]) / self.difference_std).clamp(-5.0, 5.0)

    def aim(self, input: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """The equaliser curve in dB that is aimed at, (batch, BANDS), and what two sights tell of
        how much louder than the reference the output should become, in dB (batch, 2): the sounds
        that both recordings have, and the quiet moments."""
        mask = shared_bands(input, reference)
        with self._precision():
            curve, gain = (part.float() for part in self.curve(input, reference, mask))
        count = mask.sum(1, keepdim=True)
        level = (curve * mask).sum(1, keepdim=True) / count
        shape = (curve - level) * mask
        louder = louder_db(input[:, LAYOUT["mean"]], self.loudness_weight * mask, shape)
        quiet = (reference - input)[:, QUIET] - shape
        quiet = (quiet * mask).sum(1, keepdim=True) / count
        return curve, louder + torch.cat([gain, quiet], 1)

    def _precision(self) -> AbstractContextManager[object]:
        if self.mixed_precision and self.training:
            return torch.autocast(self.start.device.type, torch.bfloat16)
        return nullcontext()

    def _solve(self, logits: Tensor, curve: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        """Logits whose equaliser comes as close to `curve` as its bands allow."""
        by_hertz = mask * self.band_hz
        weight = BY_HERTZ * by_hertz / by_hertz.sum(1, keepdim=True)
        weight = weight + (1.0 - BY_HERTZ) * mask / mask.sum(1, keepdim=True)
        hz = torch.minimum(self.band_hz, 0.5 * rate[:, None])
        columns = list(logits.unbind(1))
        still = torch.zeros_like(columns[0])
        at = {i: n for n, i in enumerate(self.profile.predicted)}
        ids = [[f"eq{band}.{key}" for key in EQ_KEYS] for band in range(1, EQ_BANDS + 1)]
        start = torch.stack(
            [torch.stack([columns[at[i]] if i in at else still for i in row], 1) for row in ids], 1
        )
        fitted = curve_fit.fit(
            start.clamp(-EQ_LOGIT_MAX, EQ_LOGIT_MAX),
            self.eq_low, self.eq_span, self.is_peak, self.is_high, curve, weight, hz, rate,
            FIT_STEPS_TRAINING if self.training else curve_fit.STEPS,
        )  # fmt: skip
        for band, row in enumerate(ids):
            for key, param_id in enumerate(row):
                if param_id in at:
                    columns[at[param_id]] = fitted[:, band, key]
        return torch.stack(columns, 1)

    def _rate(self, mask: Tensor) -> Tensor:
        """About the sample rate, (batch,): from the highest band that both recordings reach."""
        highest = (mask * self.band_hz).amax(1)
        return torch.where(highest > TOP_HZ, 48_000.0, 2.2 * highest)

    def _response(self, logits: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        """Gain in dB of the equaliser as set by `logits`, (batch, BANDS)."""
        values = to_plain(torch.sigmoid(logits), self.profile)
        hz = torch.minimum(self.band_hz, 0.5 * rate[:, None])
        return eq_response_db(values, self.profile, rate, hz) * mask

    def _left_over(self, logits: Tensor, curve: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        """What of `curve` the equaliser as set now leaves over, without its mean, in dB."""
        left = (curve - self._response(logits, mask, rate)) * mask
        mean = left.sum(1, keepdim=True) / mask.sum(1, keepdim=True)
        return (left - mean) * mask

    def _louder(self, logits: Tensor, style_in: Tensor, mask: Tensor, rate: Tensor) -> Tensor:
        """How many dB louder the equaliser makes the input, (batch, 1)."""
        density = style_in[:, LAYOUT["mean"]]
        response = self._response(logits, mask, rate)
        return louder_db(density, self.loudness_weight * mask, response)

    def _units(
        self, logits: Tensor, reference: Tensor, louder: Tensor, level: Tensor
    ) -> list[Tensor]:
        """Sigmoid, but for what follows a level: the threshold the equalised input's, the output
        gain what brings that to the reference's and `level` dB from there, each linearly."""
        units = []
        for index, param_id in enumerate(self.profile.predicted):
            logit = logits[:, index : index + 1]
            low, high = self.profile.range_of(param_id)
            if param_id == "output.gain_db":
                gain_db = (
                    reference[:, LAYOUT["loudness"]]
                    - WORKING_LOUDNESS_LUFS
                    - louder
                    + GAIN_DB_PER_LOGIT * logit
                    + level
                )
                units.append(((gain_db - low) / (high - low)).clamp(0.0, 1.0))
            elif param_id == "comp.threshold_db":
                moved = torch.sigmoid(logit) + louder / (high - low)
                units.append(moved.clamp(0.0, 1.0))
            else:
                units.append(torch.sigmoid(logit))
        return units


def eq_response_db(
    values: Mapping[str, Tensor], profile: Profile, rate: Tensor, hz: Tensor
) -> Tensor:
    """Gain in dB of a profile's equaliser at `hz` (batch, points) for `rate` (batch,)."""
    stacked = []
    for key in ("freq_hz", "gain_db", "q"):
        ids = [f"eq{band}.{key}" for band in range(1, EQ_BANDS + 1)]
        columns = [
            values[i] if i in values else torch.full_like(rate, profile.values()[i]) for i in ids
        ]
        stacked.append(torch.stack(columns, 1))
    freq_hz, gain_db, q = stacked
    return response_db(profile.band_types, freq_hz, gain_db, q, rate, hz)


def to_plain(units: Tensor, profile: Profile) -> dict[str, Tensor]:
    """Model outputs (batch, ids) in 0..1 -> id -> plain values (batch,), by range and taper."""
    plain = {}
    for index, param_id in enumerate(profile.predicted):
        low, high = profile.range_of(param_id)
        unit = units[:, index]
        if BY_ID[param_id].taper == "log":
            plain[param_id] = low * (high / low) ** unit
        else:
            plain[param_id] = low + (high - low) * unit
    return plain


def to_unit(value: Tensor, param_id: str, profile: Profile) -> Tensor:
    """A plain value -> 0..1, the way back from `to_plain`."""
    low, high = profile.range_of(param_id)
    if BY_ID[param_id].taper == "log":
        return torch.log(value / low) / float(np.log(high / low))
    return (value - low) / (high - low)


def eq_ranges(profile: Profile) -> tuple[Tensor, Tensor]:
    """Where each band's log frequency, gain and log Q begin, and how far they reach, (bands, 3)
    each; what the profile does not predict reaches nowhere."""
    low, span = torch.zeros(EQ_BANDS, 3), torch.zeros(EQ_BANDS, 3)
    for band in range(EQ_BANDS):
        for column, key in enumerate(EQ_KEYS):
            param_id = f"eq{band + 1}.{key}"
            ends = (profile.values()[param_id],) * 2
            if param_id in profile.predicted:
                ends = profile.range_of(param_id)
            if key != "gain_db":
                ends = (float(np.log(ends[0])), float(np.log(ends[1])))
            low[band, column], span[band, column] = ends[0], ends[1] - ends[0]
    return low, span
