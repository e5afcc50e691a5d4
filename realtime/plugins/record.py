"""What a plugin's process and the audio thread share: two rings and the words between them.

One segment of memory per plugin. The audio thread writes the `host` side, which the plugin's
process has for reading only: the dry sound is out of a wild plugin's reach. The process writes
the `plugin` side. Positions count frames of the chain's sound since the plugin was inserted and
only grow; frame p of either ring lies at p modulo RING_FRAMES. The plugin's answer to frame p
lies at p too, its reported latency compensated.
"""

from __future__ import annotations

from typing import Any

import numpy as np

RING_FRAMES = 1 << 17  # 2.7 s at 48 kHz
CHANNELS_MAX = 2
RESERVE = 32  # frames that the plugin is ahead of its deadline: what a fade out needs
RISE = 512  # frames of the fade back in, which has time
RETAP = 512  # frames of the fade from one delay to another
LOUDEST = 1000.0  # +60 dBFS: beyond it is no sound, nor is what is not finite
DELAY_MAX = RING_FRAMES // 2
PARAMETERS_MAX = 2048  # of one plugin; some show every MIDI control change as one
NEVER = 1 << 62

# Words that the control side writes for the audio thread, which reads them atomically.
MIX, DELAY, BYPASSED = range(3)
MIX_ONE = 1 << 30  # the mix is a fixed-point number below, the frames to get there above
MIX_FRAMES_SHIFT = 32

# Words that the plugin's process writes.
RETURNED, VALID_FROM, FED, LATENCY = range(4)

_PAGES = 1 << 16  # a multiple of every system's page
_HOST_FIELDS: list[Any] = [
    ("sent", np.int64, (8,)),  # [0]: frames written; a cache line of its own
    ("words", np.int64, (8,)),
    ("mix_word", np.int64),  # the one that was taken last
    ("mix", np.float64),  # now
    ("mix_end", np.float64),
    ("mix_left", np.int64),  # frames until there
    ("gain", np.float64),  # 1: what the plugin returned, 0: dry because it did not
    ("delay", np.int64),  # frames from in to out
    ("next_delay", np.int64),
    ("retap_at", np.int64),  # frames of the fade to next_delay that are done; 0 = none
    ("known", np.int64),  # answers before this position are there
    ("faults", np.int64),  # bits of this block's
    ("dry_blocks", np.int64),
    ("late_blocks", np.int64),
    ("nonfinite_blocks", np.int64),
    ("largest_block", np.int64),
    ("thread", np.int64),  # the audio thread, 0 before the first block
    # Where each parameter is to go, normalised, and how many frames that may take.
    ("targets", np.float64, (PARAMETERS_MAX,)),
    ("fades", np.int64, (PARAMETERS_MAX,)),
    ("audio", np.float32, (CHANNELS_MAX, RING_FRAMES)),
]
_ROOM = -np.dtype(_HOST_FIELDS, align=True).itemsize % _PAGES
# No page of this side is one of the other's.
HOST_SIDE = np.dtype([*_HOST_FIELDS, ("page", np.uint8, (_ROOM,))], align=True)
HOST_BYTES = HOST_SIDE.itemsize

PLUGIN_SIDE = np.dtype(
    [
        ("words", np.int64, (8,)),
        ("audio", np.float32, (CHANNELS_MAX, RING_FRAMES)),
    ],
    align=True,
)

RECORD = np.dtype([("host", HOST_SIDE), ("plugin", PLUGIN_SIDE)], align=True)
