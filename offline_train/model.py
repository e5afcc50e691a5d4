"""Encoder and controller: two feature vectors in, the profile's parameters out.

The same encoder reads input and reference. Beside its embeddings the controller sees the plain
evidence, the difference of the two vectors, and starts from an analytic guess: the equaliser
gains that would best undo the difference of the mean spectra. What it learns comes on top.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from offline_train.effects.peq import design, power_response_db
from realtime.features import BAND_HZ, BANDS, LAYOUT, SIZE
from realtime.params import BY_ID, EQ_BANDS, WORKING_LOUDNESS_LUFS, Profile

EMBEDDING = 96
STYLE = SIZE - 1  # all but the loudness, which stands last
GAIN_STEP_DB = 12.0  # what a logit of 1 moves a +-24 dB gain, near 0 dB


class StyleModel(nn.Module):
    """input, reference (batch, features.SIZE) -> parameters in 0..1 (batch, predicted ids).

    profile: names the outputs and their order. width: of the hidden layers.
    """

    feature_mean: Tensor
    feature_std: Tensor
    difference_std: Tensor
    match: Tensor

    def __init__(self, profile: Profile, width: int = 384, dropout: float = 0.1) -> None:
        super().__init__()
        self.profile = profile
        self.register_buffer("feature_mean", torch.zeros(STYLE))
        self.register_buffer("feature_std", torch.ones(STYLE))
        self.register_buffer("difference_std", torch.ones(STYLE))
        self.register_buffer("match", _matching_gains(profile))
        self.encoder = nn.Sequential(
            nn.Linear(STYLE, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, EMBEDDING)
        )
        self.trunk = nn.Sequential(
            nn.Linear(STYLE + 2 * EMBEDDING, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(),
        )  # fmt: skip
        self.curve = nn.Linear(width, BANDS)
        self.controller = nn.Sequential(
            nn.Linear(width + 2 * BANDS, width), nn.SiLU(), nn.Dropout(dropout),
            nn.Linear(width, width), nn.SiLU(),
        )  # fmt: skip
        self.out = nn.Linear(width, len(profile.predicted))
        with torch.no_grad():
            self.curve.weight.mul_(0.1)
            self.out.weight.mul_(0.1)
            self.out.bias.copy_(_starting_logits(profile))

    def set_statistics(self, inputs: Tensor, references: Tensor) -> None:
        """Take the normalisation from training features, each (examples, SIZE)."""
        both = torch.cat([inputs, references])[:, :STYLE]
        difference = (references - inputs)[:, :STYLE]
        self.feature_mean.copy_(both.mean(0))
        self.feature_std.copy_(both.std(0).clamp_min(0.1))
        self.difference_std.copy_(difference.std(0).clamp_min(0.1))

    def forward(self, input: Tensor, reference: Tensor) -> Tensor:
        return self.predict(input, reference)[0]

    def predict(self, input: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
        """The parameters and, for the loss, the equaliser curve in dB that is aimed at
        (batch, BANDS)."""
        style_in, style_ref = input[:, :STYLE], reference[:, :STYLE]
        codes = [
            self.encoder(((style - self.feature_mean) / self.feature_std).clamp(-5.0, 5.0))
            for style in (style_in, style_ref)
        ]
        mask = input[:, LAYOUT["mask"]] * reference[:, LAYOUT["mask"]]
        evidence = ((style_ref - style_in) / self.difference_std).clamp(-5.0, 5.0)
        hidden = self.trunk(torch.cat([evidence, *codes], dim=1))
        measured = (style_ref - style_in)[:, LAYOUT["mean"]].clamp(-48.0, 48.0)
        curve = (measured + 10.0 * self.curve(hidden)) * mask
        logits = self.out(self.controller(torch.cat([hidden, curve / 10.0, mask], dim=1)))
        logits = logits + curve @ self.match
        return torch.cat(self._units(logits, reference), dim=1), curve

    def _units(self, logits: Tensor, reference: Tensor) -> list[Tensor]:
        """Sigmoid, but for the output gain, which follows the reference's loudness linearly."""
        units = []
        for index, param_id in enumerate(self.profile.predicted):
            logit = logits[:, index : index + 1]
            if param_id == "output.gain_db":
                low, high = self.profile.range_of(param_id)
                gain_db = reference[:, STYLE:] - WORKING_LOUDNESS_LUFS + 10.0 * logit
                units.append(((gain_db - low) / (high - low)).clamp(0.0, 1.0))
            else:
                units.append(torch.sigmoid(logit))
        return units


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


def _starting_logits(profile: Profile) -> Tensor:
    """Where training starts: each parameter at its default, the ratio just above 1."""
    units = []
    for param_id in profile.predicted:
        param = BY_ID[param_id]
        low, high = profile.range_of(param_id)
        default = min(max(param.default, low), high)
        if param.taper == "log":
            units.append(np.log(default / low) / np.log(high / low))
        else:
            units.append((default - low) / (high - low))
    logits = torch.logit(torch.tensor(units, dtype=torch.float32).clamp(0.12, 0.88))
    if "output.gain_db" in profile.predicted:
        logits[profile.predicted.index("output.gain_db")] = 0.0
    return logits


def _matching_gains(profile: Profile) -> Tensor:
    """(BANDS, outputs): the map from a curve in dB to the logits of the gains that best give it.

    Least squares over the bands' responses at their middle frequency and a broad Q, curve and
    responses taken without their means, for the mean is the output gain's business.
    """
    bands = range(1, EQ_BANDS + 1)
    middle = [float(np.sqrt(np.prod(profile.range_of(f"eq{b}.freq_hz")))) for b in bands]
    frozen = [profile.frozen.get(f"eq{b}.freq_hz", m) for b, m in zip(bands, middle, strict=True)]
    rate = 48_000.0
    omega = torch.tensor(2.0 * np.pi * BAND_HZ / rate, dtype=torch.float64)[None]
    columns = []
    for band in range(EQ_BANDS):
        gains = torch.zeros(1, EQ_BANDS, dtype=torch.float64)
        gains[0, band] = 1.0
        sos = design(
            profile.band_types,
            torch.tensor([frozen], dtype=torch.float64),
            gains,
            torch.full((1, EQ_BANDS), 0.5, dtype=torch.float64),
            torch.tensor([rate], dtype=torch.float64),
        )
        response = power_response_db(sos, omega)[0]
        columns.append(response - response.mean())
    responses = torch.stack(columns, 1)
    square = responses.T @ responses
    solve = torch.linalg.solve(square + 0.5 * torch.eye(EQ_BANDS, dtype=torch.float64), responses.T)
    solve = solve - solve.mean(1, keepdim=True)
    out = torch.zeros(BANDS, len(profile.predicted))
    for band in bands:
        out[:, profile.predicted.index(f"eq{band}.gain_db")] = (
            solve[band - 1] / GAIN_STEP_DB
        ).float()
    return out
