"""An ONNX file opened, and refused where its numbers mean something else than this version's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.float32]

MODEL_FOLDER = Path(__file__).resolve().parent / "model"


class ModelError(ValueError):
    """A model file that cannot be used; the message names it and why in one line."""


class ModelFile:
    """A model on one thread; keeps no state.

    Raises: ModelError where the file is missing or no ONNX.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise ModelError(f"model {str(path)!r} is not there")
        import onnxruntime  # takes a tenth of a second, which only who predicts should pay

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime raises classes of its own, none of them public
            reason = " ".join(str(error).split())[:200]
            raise ModelError(f"model {str(path)!r} cannot be read: {reason}") from None

    def metadata(
        self, keys: Sequence[str], fingerprints: Mapping[str, tuple[str, str]]
    ) -> dict[str, str]:
        """What it says of itself.

        keys: what it must say. fingerprints: key -> what it names, for a person, and this
        version's.

        Raises: ModelError where a key is missing or a fingerprint another.
        """
        meta: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        missing = [key for key in keys if key not in meta]
        if missing:
            raise ModelError(
                f"model {str(self.path)!r} is none of ours: no {', '.join(missing)} in its metadata"
            )
        for key, (what, ours) in fingerprints.items():
            if meta[key] != ours:
                raise ModelError(
                    f"model {str(self.path)!r} was made for {what} {meta[key]}, "
                    f"this version has {ours}: train or fetch a model that fits"
                )
        return meta

    def check_shapes(self, takes: Mapping[str, int], gives: Mapping[str, int]) -> None:
        """Raises: ModelError where inputs and outputs are not (name -> numbers in a row) these."""
        found_in = {node.name: node.shape[-1] for node in self._session.get_inputs()}
        found_out = {node.name: node.shape[-1] for node in self._session.get_outputs()}
        if found_in != dict(takes) or any(found_out.get(k) != size for k, size in gives.items()):
            raise ModelError(
                f"model {str(self.path)!r} takes {found_in} and gives {found_out}, "
                "which does not fit"
            )

    def run(self, outputs: Sequence[str], feeds: Mapping[str, Rows]) -> list[Rows]:
        """The outputs by name, a row for each row of the inputs."""
        found: list[Rows] = self._session.run(list(outputs), dict(feeds))
        return found
