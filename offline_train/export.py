"""A trained model as ONNX, with what its numbers mean in the metadata, checked against torch."""

from __future__ import annotations

import io
import json
import os
import pickle
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import torch

from offline_train.model import StyleModel
from offline_train.synth import SAMPLE_RATE, make
from realtime.features import SIZE, analyse, fingerprint
from realtime.model_file import Rows
from realtime.params import PROFILES, table_hash
from realtime.predictor import INPUTS, OUTPUT, ModelError, Predictor

# Of a unit output, torch against onnxruntime. The curve fit carries rounding on where bands stand
# in for each other: 5e-5 on a trained model, up to 1e-3 on one that was never trained.
PARITY_BOUND = 3e-3
OPSET = 17
HALVE_FROM = 1_024  # numbers in a tensor


class ParityError(RuntimeError):
    """onnxruntime does not give what torch gives: the export is not to be used."""


def export(
    model: StyleModel,
    inputs: torch.Tensor,
    references: torch.Tensor,
    path: Path,
    notes: Mapping[str, str],
) -> float:
    """Write `model` to `path` atomically and return the largest difference from torch.

    Weights are rounded to half precision, in `model` too, and stored so: half the file. They
    are computed with in single precision.

    inputs, references: real feature vectors (pairs, SIZE) to compare on. notes: more metadata.

    Raises: ParityError where a unit output differs by more than PARITY_BOUND; nothing is written.
    """
    told = {
        **notes,
        "table": table_hash(),
        "features": fingerprint(),
        "profile": model.profile.name,
        "outputs": json.dumps(model.profile.predicted),
    }
    example = (torch.zeros(2, SIZE), torch.zeros(2, SIZE))
    return write_checked(
        model, example, INPUTS, (OUTPUT,), told, path,
        lambda made: parity(model, made, inputs, references), PARITY_BOUND,
    )  # fmt: skip


def write_checked(
    model: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    metadata: Mapping[str, str],
    path: Path,
    off: Callable[[Path], float],
    bound: float,
) -> float:
    """Write a model as ONNX that takes any number of rows, atomically; returns what `off` says of
    the file: its largest difference from torch. Its weights are rounded to half precision, in
    `model` too, and stored so.

    Raises: ParityError where that is more than `bound`; nothing is written.
    """
    model.eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.half())
    made = _traced(model, example, inputs, outputs)
    _store_as_half(made.graph)
    onnx.helper.set_model_props(made, dict(metadata))
    onnx.checker.check_model(made)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    try:
        onnx.save(made, str(temporary))
        difference = off(temporary)
        if not difference <= bound:
            raise ParityError(
                f"onnxruntime differs from torch by {difference:g}, more than {bound:g}"
            )
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return difference


def _traced(
    model: torch.nn.Module,
    example: tuple[torch.Tensor, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
) -> onnx.ModelProto:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The tracing exporter: forty times as fast here as the newer one, and smaller files.
        torch.onnx.export(
            model,
            example,
            file,
            input_names=list(inputs),
            output_names=list(outputs),
            opset_version=OPSET,
            dynamic_axes={name: {0: "pairs"} for name in (*inputs, *outputs)},
            dynamo=False,
        )
    made = onnx.load_from_string(file.getvalue())
    for node in made.graph.node:
        del node.metadata_props[:]  # the exporter's notes of its own stack frames
        node.doc_string = ""
    return made


def off_by_spreads(ours: Sequence[Rows], theirs: Sequence[Rows]) -> float:
    """Largest difference of any output, (pairs, numbers) each, over the spread of each number."""
    return max(
        float((np.abs(a - b).max(axis=0) / (a.std(axis=0) + 1e-3)).max())
        for a, b in zip(ours, theirs, strict=True)
    )


def export_checkpoint(checkpoint: Path, path: Path) -> None:
    """Write the best weights of a training's checkpoint as ONNX.

    Raises: ModelError where the file is no such checkpoint; ParityError as `export`.
    """
    try:
        state = torch.load(checkpoint, map_location="cpu", weights_only=False)
        weights, profile = state["best_weights"], PROFILES[state["profile"]]
        model = StyleModel(profile, width=len(weights["trunk.0.bias"]))
        model.load_state_dict(weights)
    except (OSError, EOFError, pickle.UnpicklingError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"checkpoint {str(checkpoint)!r} cannot be read: {reason}") from None
    heard, wanted = (_likely(seed) for seed in range(2))
    export(model, heard, wanted, path, {})


def _likely(seed: int) -> torch.Tensor:
    """Feature vectors (2, SIZE) of sounds that are made up."""
    made = [analyse(make(kind, seed), SAMPLE_RATE) for kind in ("speech", "music")]
    return torch.from_numpy(np.stack(made))


def parity(model: StyleModel, path: Path, inputs: torch.Tensor, references: torch.Tensor) -> float:
    """Largest difference of any unit output, torch against onnxruntime through `Predictor`."""
    with torch.no_grad():
        ours = model(inputs, references).numpy()
    theirs = Predictor(path).units(inputs.numpy(), references.numpy())
    return float(np.abs(ours - theirs).max())


def _store_as_half(graph: onnx.GraphProto) -> None:
    """Keep large tensors that half precision holds exactly as such, and cast them where used."""
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < HALVE_FROM:
            continue
        halved = values.astype(np.float16)
        if np.array_equal(halved.astype(np.float32), values):
            name = tensor.name
            stored = f"{name}.half"
            tensor.CopyFrom(onnx.numpy_helper.from_array(halved, stored))
            casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
