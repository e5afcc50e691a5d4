"""Safety limiter: always on, last in the chain, never above full scale, no latency."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.dsp.intrinsics import JIT
from realtime.dsp.units import one_pole

LIMITER_STATE = (1,)  # float64: 1 - gain, 0 at rest
RELEASE_MS = 50.0


def design_limiter(sample_rate: float) -> npt.NDArray[np.float64]:
    """Coefficients: float64 (1,): what is left of the reduction after one frame.

    The release time constant is 50 ms.
    """
    return np.array([one_pole(RELEASE_MS, sample_rate)])


@njit(**JIT)
def limiter_block(x, coefs, state):
    """Hold one block within +-1.0 in place, linked over the channels.

    [audio-thread] Allocates nothing. Changes `x` and `state`. Below full scale, and with no
    reduction left to release, the samples pass bit for bit. There is no look-ahead: a peak is
    turned down at once, by exactly what it takes.

    x: float32 (frames, channels 1..2); coefs: of design_limiter; state: float64 (1,)
    """
    frames, channels = x.shape
    last = channels - 1
    keep = coefs[0]
    reduction = state[0]
    one = np.float32(1.0)
    for i in range(frames):
        peak = np.float64(max(max(abs(x[i, 0]), abs(x[i, last])), one))
        reduction = max(reduction * keep, 1.0 - 1.0 / peak)
        for channel in range(channels):
            y = np.float32(x[i, channel] * (1.0 - reduction))
            x[i, channel] = min(max(y, -one), one)
    state[0] = reduction
