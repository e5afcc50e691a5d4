"""The library's front door: make one recording sound like another.

    from realtime.transfer import predict, render

    preset = predict(input, reference, sample_rate)
    audio = render(input, preset, sample_rate)

Arrays are float32 (frames,) or (frames, channels), one or two channels, full scale +-1.0.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from realtime.chain import Chain
from realtime.features import AudioError
from realtime.plugins.offline import waited_for
from realtime.predictor import Predictor
from realtime.preset import Preset

Audio = npt.NDArray[np.float32]

MAX_CHANNELS = 2
_BLOCK_FRAMES = 1024  # to a plugin's process and back


def predict(
    input: npt.ArrayLike,
    reference: npt.ArrayLike,
    sample_rate: int,
    *,
    reference_rate: int | None = None,
    predictor: Predictor | None = None,
    refine_seconds: float = 0.0,
) -> Preset:
    """The settings that bring the input's sound to the reference's.

    The model's answer, rendered and heard: what that lacks of the reference is then set. Some
    tenths of a second in all.

    input, reference: (frames,) or (frames, channels), at least half a second; a few seconds are
    better. sample_rate: of both, in Hz, 8 kHz to 192 kHz. reference_rate: the reference's own
    where it differs. predictor: another model than the shipped one. refine_seconds: for so long
    at most, go on looking for something better (`realtime.refine`); 0 for not at all.

    Raises: realtime.features.AudioError where a recording is too short, silent or not finite;
    realtime.predictor.ModelError where the model is unusable.
    """
    from realtime.refine import at_once, refine

    preset = answer(
        input, reference, sample_rate, reference_rate=reference_rate, predictor=predictor
    )
    if refine_seconds > 0.0:
        found = refine(
            preset, input, reference, sample_rate, refine_seconds, reference_rate=reference_rate
        )
    else:
        found = at_once(preset, input, reference, sample_rate, reference_rate=reference_rate)
    return found.preset


def answer(
    input: npt.ArrayLike,
    reference: npt.ArrayLike,
    sample_rate: int,
    *,
    reference_rate: int | None = None,
    predictor: Predictor | None = None,
) -> Preset:
    """What the model says before anything is rendered. As `predict`."""
    found = (predictor or _shipped()).predict(input, reference, sample_rate, reference_rate)
    return Preset(found.values, name="predicted", profile=found.profile)


def render(input: npt.ArrayLike, preset: Preset, sample_rate: int) -> Audio:
    """The input through the chain as `preset` sets it, from rest: float32 of the input's shape.

    Runs the compiled function that live audio runs, and the preset's plugins in processes of
    their own; their latency is compensated. The input is left as it is.

    Raises: ValueError where its shape (as realtime.features.AudioError) or the sample rate is
    not one that the chain takes; realtime.plugins.setting.PluginError where a plugin cannot be
    used.
    """
    array = np.asarray(input, dtype=np.float32)
    block = array[:, None] if array.ndim == 1 else array
    if block.ndim != 2 or not 1 <= block.shape[1] <= MAX_CHANNELS:
        raise AudioError(
            f"audio has shape {array.shape}, not (frames,) or (frames, 1..{MAX_CHANNELS} channels)"
        )
    output = np.array(block, dtype=np.float32, order="C", copy=True)
    if len(output):
        chain = Chain(sample_rate, output.shape[1], _followed(preset, sample_rate))
        if preset.plugins:
            output = _with_plugins(chain, output)
        else:
            chain.process(output)
    return output.reshape(array.shape)


def _followed(preset: Preset, sample_rate: int) -> Preset:
    """With the values of plugins in an effect's place as the effect's own have them now."""
    if not any(plugin.replaces for plugin in preset.plugins):
        return preset
    from realtime.plugins.rack import describe_rack
    from realtime.plugins.requested import request

    said: list[str] = []  # of versions and ranges; there is nobody to tell
    rack = describe_rack(request((), (), [(preset.name, preset)], said.append), said.append)
    return rack.follow(rack.begin(preset), sample_rate)


def _with_plugins(chain: Chain, x: Audio) -> Audio:
    """x through the chain and its preset's plugins, without their latency."""
    settings = chain.preset.plugins
    with waited_for(settings, chain.sample_rate, chain.channels, _BLOCK_FRAMES) as plugins:
        chain.insert(plugins.inserts())
        late = plugins.latency_frames
        y = np.concatenate([x, np.zeros((late, chain.channels), np.float32)])
        for start in range(0, len(y), _BLOCK_FRAMES):
            chain.process(y[start : start + _BLOCK_FRAMES])
            plugins.wait()
    return y[late:]


@lru_cache(maxsize=1)
def _shipped() -> Predictor:
    return Predictor()
