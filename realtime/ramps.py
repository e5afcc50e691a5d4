"""The ways of the coefficients: from where they are to where they shall be, each in its own time.

Coefficients that belong together (a section of the equaliser, the reverb's room) form a group,
which moves along a straight line: half-way between two stable filters lies a stable one. A group
whose target stays is not held up by others that move, however often. [audio-thread]
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.coefficients import (
    CHAIN_COEFS,
    COMPRESSOR,
    DISTORTION,
    LIMITER,
    OUTPUT_GAIN,
    PEQ,
    PREDELAY,
    REVERB,
    WET,
)
from realtime.dsp.blocks import STEP
from realtime.dsp.intrinsics import JIT
from realtime.dsp.room import NO_ROOM_GAIN

# Where each group begins: the sections, the compressor's coefficients each for itself, drive and
# its compensation, the room with the level into it.
_GROUPS = np.array(
    [
        0, *range(PEQ, COMPRESSOR, 5), *range(COMPRESSOR, DISTORTION), DISTORTION,
        *range(DISTORTION + 2, REVERB), REVERB, *range(WET, PREDELAY), PREDELAY, OUTPUT_GAIN,
        LIMITER, CHAIN_COEFS,
    ]
)  # fmt: skip

_FAR = 2**62
RAMPS = np.dtype(
    [
        ("now", np.float64, (CHAIN_COEFS,)),
        ("step", np.float64, (CHAIN_COEFS,)),  # a frame
        ("target", np.float64, (CHAIN_COEFS,)),
        ("left", np.int64, (CHAIN_COEFS,)),  # frames until each is there; a group's are alike
        ("nearest", np.int64),  # the least that is not 0; 0 where none moves: `now` is `target`
    ],
    align=True,
)


def prepare_ramps(ramps: np.void, coefs: npt.NDArray[np.float64]) -> None:
    """Set up one record of RAMPS: arrived at `coefs`."""
    ramps["now"] = ramps["target"] = coefs
    ramps["step"] = ramps["left"] = ramps["nearest"] = 0


@njit(**JIT)
def set_target(ramps, coefs, frames):
    """Begin the way from where the coefficients are now to `coefs`, over `frames` frames.

    A way under way to somewhere else is not cut short: the new one takes at least what was left
    of it. frames = 0 is a jump. Where `coefs` send nothing to the reverb, its room and pre-delay
    stay, so that what rings there goes on as it was; room size 0, which the neutral chain has,
    empties it all the same. ramps: record of RAMPS; coefs: float64 (69,)
    """
    room_stays = coefs[WET] == 0.0 and coefs[REVERB] > NO_ROOM_GAIN
    nearest = _FAR
    for group in range(len(_GROUPS) - 1):
        first, end = _GROUPS[group], _GROUPS[group + 1]
        stays = (first == REVERB and room_stays) or (first == PREDELAY and coefs[WET] == 0.0)
        left = ramps.left[first]
        changes = frames == 0
        for i in range(first, end):
            target = ramps.now[i] if stays else coefs[i]
            changes |= target != ramps.target[i]
            ramps.target[i] = target
        if changes:
            left = max(frames, left) if frames > 0 else 0
            for i in range(first, end):
                ramps.left[i] = left
                if frames > 0:
                    ramps.step[i] = (ramps.target[i] - ramps.now[i]) / left
                else:
                    ramps.now[i] = ramps.target[i]
        if left > 0:
            nearest = min(nearest, left)
    ramps.nearest = nearest if nearest < _FAR else 0


@njit(**JIT)
def advance(ramps, most, then):
    """Go as far as the next group's arrival, rounded up to whole STEPs, and at most `most` frames.

    Returns how many frames that are, and sets then = the coefficients there, which is where `now`
    has to be put behind them. A group that arrives in between has the whole time for it. The
    reverb fades from one pre-delay to the other by itself: that is the target's.
    """
    frames = min(most, (ramps.nearest + STEP - 1) // STEP * STEP)
    nearest = _FAR
    # Without branches, whatever moves: it is the first thing that a block after a change runs.
    for i in range(CHAIN_COEFS):
        left = ramps.left[i] - frames
        there = left <= 0
        on_the_way = ramps.now[i] + ramps.step[i] * frames
        then[i] = ramps.target[i] if there else on_the_way
        ramps.left[i] = 0 if there else left
        nearest = min(nearest, _FAR if there else left)
    then[PREDELAY] = ramps.target[PREDELAY]
    ramps.nearest = nearest if nearest < _FAR else 0
    return frames
