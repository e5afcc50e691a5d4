"""Safety limiter: always on, last in the chain, never above full scale, no latency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.blocks import CHUNK, join, split
from realtime.dsp.intrinsics import JIT, scratch_f64
from realtime.dsp.lookahead import falling_peak_f64
from realtime.dsp.simd import (
    LANES_F32,
    LANES_F64,
    first_half,
    halves,
    larger,
    load,
    magnitude,
    outside,
    second_half,
    smaller,
    store,
)
from realtime.dsp.units import one_pole

LIMITER_STATE = (2, LANES_F64)  # float64: needed and held reduction (1 - gain), 0 at rest
RELEASE_MS = 50.0
# 1 less a reduction up to this is 1 in float32, and the smallest that a sample over full scale
# needs is four times it: such a reduction changes nothing, now or later, and may stay as it is.
_UNHEARD = 2.0**-25
_BUFFER = CHUNK + LANES_F64


def design_limiter(sample_rate: float) -> npt.NDArray[np.float64]:
    """Coefficients: float64 (1,): what is left of the reduction after one frame.

    The release time constant is 50 ms.
    """
    return np.array([one_pole(RELEASE_MS, sample_rate)])


@njit(**JIT)
def limiter_chunk(audio, frames, coefs, state):
    """Hold one chunk within +-1.0 in place, linked over the channels.

    [audio-thread] Allocates nothing. Changes `audio` and `state`. Below full scale, and with no
    reduction left to release, the samples pass bit for bit. There is no look-ahead: a peak is
    turned down at once, by what it takes; the last bit of float32 that rounding may leave over
    full scale is clipped.

    audio: a chunk of 1 or 2 channels, of so many frames; coefs: of design_limiter
    """
    channels = audio.shape[0]
    needed = scratch_f64(_BUFFER)
    held = scratch_f64(_BUFFER)
    one = np.float32(1.0)
    left, right = audio[0], audio[channels - 1]  # the same of one channel: written twice, alike
    for i in range(0, frames, LANES_F32):
        peak = larger(magnitude(load(left, i)), magnitude(load(right, i)))
        enough = one / larger(peak, one)
        store(needed, LANES_F64 + i, 1.0 - first_half(enough))
        store(needed, 2 * LANES_F64 + i, 1.0 - second_half(enough))
    falling_peak_f64(state, needed, held, coefs[0], frames)
    for i in range(0, frames, LANES_F32):
        gain = halves(1.0 - load(held, LANES_F64 + i), 1.0 - load(held, 2 * LANES_F64 + i))
        v, w = gain * load(left, i), gain * load(right, i)
        store(left, i, smaller(larger(v, -one), one))
        store(right, i, smaller(larger(w, -one), one))


@njit(inline="always", **JIT)
def limit(audio, x, gain, gain_end, coefs, state):
    """Block = chunk, turned up by a gain that goes linearly and held within +-1.0.

    [audio-thread] Allocates nothing. Changes `audio`, `x` and `state`. With nothing over full
    scale, and nothing left to release, limiter_chunk would change nothing and is passed by.
    """
    if join(audio, x, gain, gain_end) == 0 and outside(load(state[1], 0), _UNHEARD) == 0:
        return
    split(x, audio)
    limiter_chunk(audio, x.shape[0], coefs, state)
    join(audio, x, 1.0, 1.0)
