"""Whether a reference has a distortion or a reverb that the input lacks, and how to set them.

Beside the settings the model says what the reference's features would be without the two; the
model that sets equaliser and compressor is given those. Where it hears neither, nothing is changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime import effect_features, exemplars, features
from realtime.model_file import ModelError, ModelFile
from realtime.params import BY_ID, WORKING_LOUDNESS_LUFS, table_hash

INPUTS = ("input_heard", "reference_heard")
PRESENCE, SETTINGS, CLEANED = OUTPUTS = ("presence", "settings", "cleaned")
DISTORTION = ("dist.drive_db", "dist.tone_hz", "dist.mix")
REVERB = ("reverb.room_size", "reverb.damping", "reverb.predelay_ms", "reverb.wet")
EFFECTS = (DISTORTION, REVERB)
LOUDER = "louder_db"  # by how much both together raise what stands at the working loudness
SET = (*DISTORTION, *REVERB, LOUDER)
METADATA_KEYS = ("table", "features", "settings", "thresholds")

_MEAN, _EXEMPLARS = features.LAYOUT["mean"], features.LAYOUT["exemplars"]
_MAKEUP, _OUT = "comp.makeup_gain_db", "output.gain_db"


@dataclass(frozen=True)
class Effects:
    """values: id -> plain value of what is to be heard of the two, of a sound that comes to them
    at the working loudness. louder_db: what they add to it. reference: its features without them.
    """

    values: Mapping[str, float]
    louder_db: float
    reference: npt.NDArray[np.float32]

    def behind(self, values: Mapping[str, float]) -> dict[str, float]:
        """The settings of equaliser, compressor and output with the two behind them: as loud as
        before, and with a distortion that is reached at the loudness it was set for."""
        wanted = float(self.reference[features.LAYOUT["loudness"]][0])
        reached = wanted - values[_OUT]  # what the output gain was to bring to the reference's
        makeup = 0.0
        if "dist.mix" in self.values:
            makeup = BY_ID[_MAKEUP].clamp(WORKING_LOUDNESS_LUFS - reached)
        out = values[_OUT] - makeup - self.louder_db
        return {**values, **self.values, _MAKEUP: makeup, _OUT: BY_ID[_OUT].clamp(out)}


class EffectsPredictor:
    """A loaded model; keeps no state.

    Raises: ModelError where the file is missing, no ONNX, or made for other features or tables.
    """

    def __init__(self, path: Path) -> None:
        self._model = ModelFile(path)
        fingerprints = {
            "table": ("parameter table", table_hash()),
            "features": ("feature layout", effect_features.fingerprint()),
        }
        meta = self._model.metadata(METADATA_KEYS, fingerprints)
        try:
            told = tuple(json.loads(meta["settings"]))
            self._thresholds = tuple(map(float, json.loads(meta["thresholds"])))
        except (ValueError, TypeError):
            told = self._thresholds = ()
        if told != SET or len(self._thresholds) != len(EFFECTS):
            raise ModelError(f"model {str(path)!r} sets other parameters than {', '.join(SET)}")
        self._model.check_shapes(
            dict.fromkeys(INPUTS, effect_features.LOOKED_AT),
            {PRESENCE: 2, SETTINGS: len(SET), CLEANED: effect_features.STATISTICS},
        )

    def answers(
        self, inputs: npt.NDArray[np.float32], references: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[np.float32]]:
        """What is looked at (pairs, LOOKED_AT) -> presence in 0..1 (pairs, 2), settings in plain
        units (pairs, SET), the reference's statistics without the effects (pairs, STATISTICS)."""
        feeds = dict(zip(INPUTS, (inputs, references), strict=True))
        return self._model.run(OUTPUTS, feeds)

    def effects(
        self, heard: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]
    ) -> Effects | None:
        """What the reference has and the input lacks, or None where that is neither of the two.

        heard, wanted: (HEARD,)
        """
        sides = (effect_features.looked_at(side)[None] for side in (heard, wanted))
        presence, settings, statistics = (a[0] for a in self.answers(*sides))
        told = dict(zip(SET, settings.tolist(), strict=True))
        heard_of = zip(EFFECTS, presence, self._thresholds, strict=True)
        there = [ids for ids, p, threshold in heard_of if p >= threshold]
        if not there:
            return None
        values = {i: BY_ID[i].clamp(told[i]) for ids in there for i in ids}
        reference = wanted[: features.SIZE].copy()
        reference[: effect_features.STATISTICS] = statistics
        reference[_EXEMPLARS] += np.tile(reference[_MEAN] - wanted[_MEAN], exemplars.COUNT)
        return Effects(values, told[LOUDER], reference)
