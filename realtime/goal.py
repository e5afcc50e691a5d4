"""What a rendering still lacks of its reference, told by a model from how the two sound.

There is no target: the reference says other words, or plays other notes. The model has heard many
renderings whose targets were known, and tells from a `comparison.Comparison` what an equaliser
and a gain would have to add; what the reference cannot say, it leaves as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.comparison import OF_A_BAND, OF_ALL, Comparison, fingerprint
from realtime.model_file import MODEL_FOLDER, ModelFile
from realtime.style_space import BANDS

Vector = npt.NDArray[np.float64]

MODEL_NAME = "goal.onnx"
BANDS_INPUT, WHOLE_INPUT = INPUTS = ("bands", "whole")
BANDS_DB, LOUDNESS_DB = OUTPUTS = ("bands_db", "loudness_db")


@dataclass(frozen=True)
class Lack:
    """What is to be added, in dB. bands_db: to each band of `style_space`, (BANDS,)."""

    bands_db: Vector
    loudness_db: float


class GoalModel:
    """A loaded model; keeps no state.

    Raises: ModelError where the file is missing, no ONNX, or made for other numbers.
    """

    def __init__(self, path: Path) -> None:
        self._model = ModelFile(path)
        self._model.metadata(("comparison",), {"comparison": ("comparison", fingerprint())})
        self._model.check_shapes(
            {BANDS_INPUT: OF_A_BAND, WHOLE_INPUT: OF_ALL}, {BANDS_DB: BANDS, LOUDNESS_DB: 1}
        )

    def answers(
        self, bands: npt.NDArray[np.float32], whole: npt.NDArray[np.float32]
    ) -> list[npt.NDArray[np.float32]]:
        """(pairs, BANDS, OF_A_BAND), (pairs, OF_ALL) -> dB (pairs, BANDS) and (pairs, 1)."""
        return self._model.run(OUTPUTS, dict(zip(INPUTS, (bands, whole), strict=True)))

    def lack(self, compared: Comparison) -> Lack:
        """What a rendering lacks."""
        bands, loudness = self.answers(compared.bands[None], compared.whole[None])
        return Lack(bands[0].astype(np.float64), float(loudness[0, 0]))


@lru_cache(maxsize=1)
def shipped_goal() -> GoalModel:
    """The model in `realtime/model`."""
    return GoalModel(MODEL_FOLDER / MODEL_NAME)
