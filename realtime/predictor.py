"""From two recordings to parameters: features, the ONNX encoder-controller, plain values.

One model sets the equaliser, the compressor and the output gain. Another beside it, where there is
one, tells whether the reference has a distortion or a reverb that the input lacks, sets them, and
gives the first model the reference's features without them.

A model knows the parameters by their order only, so the file says in its metadata which table
and which features it was made for; one made for others is refused. onnxruntime, no torch.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from realtime.effect_features import hear
from realtime.effects_predictor import EffectsPredictor
from realtime.features import LAYOUT, SIZE, fingerprint
from realtime.model_file import MODEL_FOLDER, ModelError, ModelFile
from realtime.params import ALL_EFFECTS, BY_ID, PROFILES, WORKING_LOUDNESS_LUFS, Profile, table_hash

__all__ = ["ModelError", "Prediction", "Predictor", "shipped_model"]

MODEL_NAME, EFFECTS_NAME = "style.onnx", "effects.onnx"
INPUTS = ("input_features", "reference_features")
OUTPUT = "units"
METADATA_KEYS = ("table", "features", "profile", "outputs")


@dataclass(frozen=True)
class Prediction:
    """values: id -> plain value of what the model (and the gain staging) sets.

    profile: name of the profile, which also says what each EQ band is.
    """

    values: dict[str, float]
    profile: str


class Predictor:
    """A loaded model. Call `predict` from any thread but the audio thread; keeps no state.

    model_path: an ONNX file, by default the one shipped in `realtime/model`. The model for
    distortion and reverb is `effects.onnx` in the same folder, if that is there.

    Raises: ModelError where a file is missing, no ONNX, or made for another table.
    """

    def __init__(self, model_path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(model_path) if model_path is not None else shipped_model()
        self._model = ModelFile(self.path)
        self.profile = _checked_profile(self._model)
        beside = self.path.with_name(EFFECTS_NAME)
        self._effects = EffectsPredictor(beside) if beside.is_file() else None

    def predict(
        self,
        input_audio: npt.ArrayLike,
        reference_audio: npt.ArrayLike,
        input_rate: int,
        reference_rate: int | None = None,
    ) -> Prediction:
        """Parameters that bring the input's sound to the reference's.

        input_audio, reference_audio: (frames,) or (frames, channels), full scale +-1.0, at
        least half a second; a few seconds are better. reference_rate: the input's where None.

        Raises: realtime.features.AudioError where one of them is too short, silent or not finite.
        """
        heard = hear(input_audio, input_rate, "the input")
        rate = input_rate if reference_rate is None else reference_rate
        return self.from_features(heard, hear(reference_audio, rate, "the reference"))

    def from_features(
        self, heard: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]
    ) -> Prediction:
        """The same from what `effect_features.hear` says of the input and of the reference.

        For a reference that many inputs share. heard, wanted: (effect_features.HEARD,)
        """
        effects = None if self._effects is None else self._effects.effects(heard, wanted)
        reference = wanted[:SIZE] if effects is None else effects.reference
        units = self.units(heard[None, :SIZE], reference[None])[0]
        values = {
            param_id: self.profile.from_unit(param_id, float(unit))
            for param_id, unit in zip(self.profile.predicted, units, strict=True)
        }
        # The model saw the input at working loudness; the chain must hear it there too.
        if "input.gain_db" not in self.profile.predicted:
            to_working = WORKING_LOUDNESS_LUFS - float(heard[LAYOUT["loudness"]][0])
            values["input.gain_db"] = BY_ID["input.gain_db"].clamp(to_working)
        if effects is None:
            return Prediction(values, self.profile.name)
        return Prediction(effects.behind(values), ALL_EFFECTS.name)

    def units(
        self, inputs: npt.NDArray[np.float32], references: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Feature vectors (pairs, features.SIZE) -> outputs in 0..1 (pairs, predicted ids)."""
        feeds = dict(zip(INPUTS, (inputs, references), strict=True))
        return self._model.run([OUTPUT], feeds)[0]


def shipped_model() -> Path:
    """The model in `realtime/model`."""
    return MODEL_FOLDER / MODEL_NAME


def _checked_profile(model: ModelFile) -> Profile:
    """The model's profile, once all that its metadata says is what this version means."""
    fingerprints = {
        "table": ("parameter table", table_hash()),
        "features": ("feature layout", fingerprint()),
    }
    meta = model.metadata(METADATA_KEYS, fingerprints)
    path = model.path
    profile = PROFILES.get(meta["profile"])
    if profile is None:
        known = ", ".join(PROFILES)
        raise ModelError(
            f"model {str(path)!r} is for profile {meta['profile']!r}, known are {known}"
        )
    try:
        outputs = tuple(json.loads(meta["outputs"]))
    except (json.JSONDecodeError, TypeError):
        outputs = ()
    if outputs != profile.predicted:
        raise ModelError(
            f"model {str(path)!r} predicts other parameters than profile {profile.name!r}"
        )
    model.check_shapes(dict.fromkeys(INPUTS, SIZE), {OUTPUT: len(outputs)})
    return profile
