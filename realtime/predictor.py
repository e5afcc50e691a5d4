"""From two recordings to parameters: features, the ONNX encoder-controller, plain values.

The model knows the parameters by their order only, so the file says in its metadata which table
and which features it was made for; one made for others is refused. onnxruntime, no torch.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from realtime.features import SIZE, analyse, fingerprint
from realtime.params import BY_ID, PROFILES, WORKING_LOUDNESS_LUFS, Profile, table_hash

if TYPE_CHECKING:
    import onnxruntime

MODEL_FOLDER = Path(__file__).resolve().parent / "model"
INPUTS = ("input_features", "reference_features")
OUTPUT = "units"
METADATA_KEYS = ("table", "features", "profile", "outputs")


class ModelError(ValueError):
    """A model file that cannot be used; the message names it and why in one line."""


@dataclass(frozen=True)
class Prediction:
    """values: id -> plain value of what the model (and the gain staging) sets.

    profile: name of the profile, which also says what each EQ band is.
    """

    values: dict[str, float]
    profile: str


class Predictor:
    """A loaded model. Call `predict` from any thread but the audio thread; keeps no state.

    model_path: an ONNX file, by default the one shipped in `realtime/model`.

    Raises: ModelError where the file is missing, no ONNX, or made for another table.
    """

    def __init__(self, model_path: str | os.PathLike[str] | None = None) -> None:
        self.path = Path(model_path) if model_path is not None else shipped_model()
        self._session = _open(self.path)
        self.profile = _checked_profile(self.path, self._session)

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
        heard = analyse(input_audio, input_rate, "the input")
        wanted = analyse(
            reference_audio,
            input_rate if reference_rate is None else reference_rate,
            "the reference",
        )
        return self.from_features(heard, wanted)

    def from_features(
        self, heard: npt.NDArray[np.float32], wanted: npt.NDArray[np.float32]
    ) -> Prediction:
        """The same from what `analyse` says of the input and of the reference.

        For a reference that many inputs share. heard, wanted: (features.SIZE,)
        """
        units = self.units(heard[None], wanted[None])[0]
        values = {
            param_id: self.profile.from_unit(param_id, float(unit))
            for param_id, unit in zip(self.profile.predicted, units, strict=True)
        }
        # The model saw the input at working loudness; the chain must hear it there too.
        if "input.gain_db" not in self.profile.predicted:
            to_working = WORKING_LOUDNESS_LUFS - float(heard[-1])
            values["input.gain_db"] = BY_ID["input.gain_db"].clamp(to_working)
        return Prediction(values, self.profile.name)

    def units(
        self, inputs: npt.NDArray[np.float32], references: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Feature vectors (pairs, features.SIZE) -> outputs in 0..1 (pairs, predicted ids)."""
        feeds = dict(zip(INPUTS, (inputs, references), strict=True))
        return self._session.run([OUTPUT], feeds)[0]


def shipped_model() -> Path:
    """The model in `realtime/model`. Raises: ModelError unless there is exactly one."""
    found = sorted(MODEL_FOLDER.glob("*.onnx"))
    if len(found) != 1:
        raise ModelError(f"{len(found)} models in {str(MODEL_FOLDER)!r}, there must be one")
    return found[0]


def _open(path: Path) -> onnxruntime.InferenceSession:
    if not path.is_file():
        raise ModelError(f"model {str(path)!r} is not there")
    import onnxruntime  # takes a tenth of a second, which only who predicts should pay

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, none of them public
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"model {str(path)!r} cannot be read: {reason}") from None


def _checked_profile(path: Path, session: onnxruntime.InferenceSession) -> Profile:
    """The model's profile, once all that its metadata says is what this version means."""
    meta = session.get_modelmeta().custom_metadata_map
    missing = [key for key in METADATA_KEYS if key not in meta]
    if missing:
        raise ModelError(
            f"model {str(path)!r} is none of ours: no {', '.join(missing)} in its metadata"
        )
    for key, ours in (("table", table_hash()), ("features", fingerprint())):
        if meta[key] != ours:
            what = "parameter table" if key == "table" else "feature layout"
            raise ModelError(
                f"model {str(path)!r} was made for {what} {meta[key]}, this version has {ours}: "
                "train or fetch a model that fits"
            )
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
    _check_shapes(path, session, len(outputs))
    return profile


def _check_shapes(path: Path, session: onnxruntime.InferenceSession, outputs: int) -> None:
    takes = {node.name: node.shape[-1] for node in session.get_inputs()}
    gives = {node.name: node.shape[-1] for node in session.get_outputs()}
    if takes != dict.fromkeys(INPUTS, SIZE) or gives.get(OUTPUT) != outputs:
        raise ModelError(f"model {str(path)!r} takes {takes} and gives {gives}, which does not fit")
