"""Inference-time optimisation: from the network's answer to a better one, by listening.

There is no target to compare with, only a reference of other content. So the goal is a place in
the style space: the reference's, held near what the network's answer sounds like where the
reference says little. First the equaliser is set to what the spectra still lack, a few renders;
then an evolution strategy (CMA-ES) moves all that was predicted, rendering the input and
listening, until the time is up or it is told to stop. The best that was heard is kept.

Source: N. Hansen, "The CMA Evolution Strategy: A Tutorial" (2016), by way of the library `cma`.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from realtime.features import AudioError
from realtime.interpolate import with_amount
from realtime.measure import loudness_lufs
from realtime.params import BY_ID
from realtime.preset import Preset
from realtime.renders import loudest_piece, renders_of
from realtime.search import Progressed, Refined, Search
from realtime.style_space import Heard, StyleSpace

Progress = Callable[[Progressed], None]

RENDERS_MAX = 400
_AT_ONCE_SECONDS, _AT_ONCE_RENDERS = 5.0, 8  # it takes a tenth or two
WORKERS = 2
_ALIKE_DB = 2.0  # in shape; halves of one take are 3 to 5 apart


def refine(
    preset: Preset,
    input: npt.ArrayLike,
    reference: npt.ArrayLike,
    sample_rate: int,
    seconds: float,
    *,
    reference_rate: int | None = None,
    begin: Preset | None = None,
    fixed: Collection[str] = (),
    renders_max: int | None = None,
    stop: threading.Event | None = None,
    progress: Progress = lambda progressed: None,
) -> Refined:
    """A preset that brings `input` nearer to `reference` than `preset` does, by rendering.

    preset: the network's answer; its plugins are moved too, from where they stand. input,
    reference, sample_rate, reference_rate: as for `realtime.transfer.predict`. seconds: how long
    it may take; it may be ready earlier.
    begin: search from here instead, and move its plugins alone; what they play beside is left as
    it is. fixed: ids of plugins' parameters that stay. renders_max: RENDERS_MAX, and no limit
    with plugins, where None.
    stop: set it, and the best so far comes back. progress: called now and then, on the caller's
    thread.

    Raises: realtime.features.AudioError where a recording is too short, silent or not finite;
    realtime.plugins.setting.PluginError where a plugin cannot be used.
    """
    rate = reference_rate or sample_rate
    began = time.monotonic()
    space = StyleSpace((sample_rate, rate))
    wanted = space.hear(reference, rate, "the reference")
    x = loudest_piece(input, sample_rate)
    dry = space.hear(x, sample_rate, "the input")
    preset = _as_far_as_apart(preset, dry, loudest_piece(reference, rate), rate, space)
    start = preset if begin is None else begin
    plugins = start.plugins
    with (
        renders_of(x, sample_rate, plugins, WORKERS) as renders,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        search = Search(preset, begin, fixed, renders, sample_rate, space, began + seconds, stop)
        most = renders_max or (10**9 if plugins else RENDERS_MAX)
        search.set_goal(dry, wanted)
        progress(search.progressed(began))
        while plugins and search.goes_on(most - search.slope_renders) and search.descend(pool.map):
            progress(search.progressed(began))
        if begin is None and search.goes_on(most):
            search.match()
            progress(search.progressed(began))
        for generation in search.generations(most):
            search.tell(generation, list(pool.map(search.judge, generation)))
            progress(search.progressed(began))
        return search.refined(began)


def at_once(
    preset: Preset,
    input: npt.ArrayLike,
    reference: npt.ArrayLike,
    sample_rate: int,
    *,
    reference_rate: int | None = None,
) -> Refined:
    """The network's answer with what it is heard to lack set, after a few renders: what every
    prediction is given; the answer itself where there is too little sound to go by. As `refine`."""
    try:
        return refine(
            preset, input, reference, sample_rate, _AT_ONCE_SECONDS,
            reference_rate=reference_rate, renders_max=_AT_ONCE_RENDERS,
        )  # fmt: skip
    except AudioError:
        return Refined(0.0, 0, 0.0, 0.0, preset)


def _as_far_as_apart(
    preset: Preset, dry: Heard, reference: npt.NDArray[np.float32], rate: int, space: StyleSpace
) -> Preset:
    """An answer, but less of it and the reference's level where input and reference are one sound.

    The networks never heard just that, and set a little, where nothing is to be done.
    """
    louder = loudness_lufs(reference, rate) - dry.loudness_lufs
    if not math.isfinite(louder):  # one of them is too quiet to have a loudness
        return preset
    as_loud = reference * np.float32(10.0 ** (-louder / 20.0))
    try:
        amount = space.shape(dry, space.hear(as_loud, rate)) / _ALIKE_DB
    except AudioError:  # there is enough sound in all of it, and too little in its loudest piece
        return preset
    if amount >= 1.0:
        return preset
    less = with_amount(preset.with_plugins(()), amount).with_plugins(preset.plugins)
    level = BY_ID["output.gain_db"].clamp(less["output.gain_db"] + (1.0 - amount) * louder)
    return less.with_values({"output.gain_db": level})
