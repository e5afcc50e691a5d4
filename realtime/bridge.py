"""The one struct between the audio thread and everything else.

One preallocated record holds the chain's state, three slots through which coefficients cross,
counters, and three rings of captured audio. The audio thread never waits: coefficients cross by
exchanging slot numbers (a triple buffer), audio leaves through single-producer, single-consumer
rings whose overflow is counted. One thread at a time may write (`publish`, `set_preset`) and one
may read the rings; the class takes care of the former with a lock that the audio thread never
sees.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
from numba import njit

from realtime.chain import CHAIN_STATE, prepare_chain
from realtime.coefficients import CHAIN_COEFS, design_chain, fade_frames
from realtime.dsp.intrinsics import JIT
from realtime.native import atomic_exchange, atomic_load, atomic_store, one_record
from realtime.plugins.rings import insert
from realtime.preset import Preset
from realtime.ramps import set_target

RING_FRAMES = 1 << 18  # 5.5 s at 48 kHz, 1.4 s at 192 kHz
HISTOGRAM_BINS = 512
BINS_PER_OCTAVE = 16  # a bin is 4.4 % wide; the maximum is exact

# PaStreamCallbackFlags, in the order of the `flags` counters.
FLAG_NAMES = ("input_underflows", "input_overflows", "output_underflows", "output_overflows")
_TALLY = ("blocks", "frames", "late_blocks", "flags", "dsp_max_ns", "dsp_histogram")
_FRESH = 4  # the middle slot holds coefficients that the audio thread has not taken

RING = np.dtype(
    [
        ("at", np.int64, (2,)),  # frames written, frames read; both only grow
        ("lost", np.int64),
        ("audio", np.float32, (RING_FRAMES, 2)),
    ],
    align=True,
)

BRIDGE = np.dtype(
    [
        ("chain", CHAIN_STATE),
        ("slots", np.float64, (3, CHAIN_COEFS)),
        ("slot_frames", np.int64, (3,)),
        ("slot", np.int64, (3,)),  # whose is which: middle (with _FRESH), audio thread's, writer's
        ("sample_rate", np.float64),
        ("in_channels", np.int64),
        ("out_channels", np.int64),
        ("device_channels", np.int64),  # of the input as the stream has it, the first are ours
        ("ref_channel", np.int64),  # the one a reference is captured from, -1 for none
        ("thread", np.int64),  # the stream's callback's, 0 before the first block
        ("blocks", np.int64),
        ("frames", np.int64),
        ("late_blocks", np.int64),
        ("flags", np.int64, (4,)),
        ("dsp_max_ns", np.int64),
        ("dsp_histogram", np.int64, (HISTOGRAM_BINS,)),
        ("input", RING),
        ("output", RING),
        ("reference", RING),
    ],
    align=True,
)


@njit(**JIT)
def _publish(bridge, coefs, frames):
    slot = bridge.slot[2]
    for i in range(CHAIN_COEFS):
        bridge.slots[slot, i] = coefs[i]
    bridge.slot_frames[slot] = frames
    bridge.slot[2] = atomic_exchange(bridge.slot, 0, slot | _FRESH) & 3


@njit(**JIT)
def take_published(bridge):
    """Begin the ramp to what was last published, if anything was. [audio-thread]"""
    if atomic_load(bridge.slot, 0) & _FRESH:
        bridge.slot[1] = atomic_exchange(bridge.slot, 0, bridge.slot[1]) & 3
        slot = bridge.slot[1]
        set_target(bridge.chain.ramps, bridge.slots[slot], bridge.slot_frames[slot])


@njit(**JIT)
def ring_write(ring, block, left, right):
    """Append two channels of float32 (frames, any); what does not fit is counted as lost.

    [audio-thread] left, right: their indices, the same one for a mono signal.
    """
    frames = block.shape[0]
    written = ring.at[0]
    room = RING_FRAMES - (written - atomic_load(ring.at, 1))
    count = min(frames, room)
    ring.lost += frames - count
    for i in range(count):
        at = (written + i) & (RING_FRAMES - 1)
        ring.audio[at, 0] = block[i, left]
        ring.audio[at, 1] = block[i, right]
    atomic_store(ring.at, 0, written + count)


@njit(**JIT)
def _ring_read(ring, out):
    """Fill float32 (frames, 1..2) with the oldest frames; the caller knows that they are there."""
    read = ring.at[1]
    for i in range(out.shape[0]):
        at = (read + i) & (RING_FRAMES - 1)
        for channel in range(out.shape[1]):
            out[i, channel] = ring.audio[at, channel]
    atomic_store(ring.at, 1, read + out.shape[0])


@njit(**JIT)
def _ring_waiting(ring):
    return atomic_load(ring.at, 0) - ring.at[1]


class Bridge:
    """Owns the record, and is the door to it for every thread but the audio thread.

    sample_rate: Hz; in_channels, out_channels: 1 or 2. The chain runs on out_channels: a mono
    input feeds both, a stereo input to a mono output is averaged. ref_channel: index of a further
    channel of the device, from which a reference is captured; the stream then has all up to it.
    Raises: ValueError on another rate or number of channels.
    """

    def __init__(
        self,
        sample_rate: int,
        in_channels: int = 2,
        out_channels: int = 2,
        preset: Preset | None = None,
        ref_channel: int | None = None,
    ) -> None:
        for channels in (in_channels, out_channels):
            if channels not in (1, 2):
                raise ValueError(f"{channels} channels: the chain takes 1 or 2")
        self.sample_rate = sample_rate
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.device_channels = in_channels if ref_channel is None else ref_channel + 1
        self._preset = preset or Preset.neutral()
        self._prepared: dict[Preset, npt.NDArray[np.float64]] = {}
        self._writer = threading.Lock()
        # A structured array of one: its memory must outlive the stream that holds its address.
        self.memory = one_record(BRIDGE)
        self.record = self.memory[0]
        self.record["slot"] = (0, 1, 2)
        self.record["sample_rate"] = sample_rate
        self.record["in_channels"] = in_channels
        self.record["out_channels"] = out_channels
        self.record["device_channels"] = self.device_channels
        self.record["ref_channel"] = -1 if ref_channel is None else ref_channel
        prepare_chain(self.record["chain"], self._preset, sample_rate)

    @property
    def address(self) -> int:
        """Where the record lies: the userdata of the stream."""
        return int(self.memory.ctypes.data)

    @property
    def preset(self) -> Preset:
        """Where the parameters are, or are going."""
        return self._preset

    def set_preset(self, preset: Preset, fade_ms: float | None = None) -> None:
        """Go to `preset` within `fade_ms`, or within the table's smoothing times.

        Of its plugins only what they replace is known here.

        Safe from any thread but the audio thread; the last one wins.
        """
        preset = preset.built_in()
        with self._writer:
            frames = fade_frames(self._preset, preset, self.sample_rate, fade_ms)
            coefs = self._prepared.get(preset)
            if coefs is None:
                coefs = design_chain(preset, self.sample_rate)
            _publish(self.record, coefs, frames)
            self._preset = preset

    def insert(self, plugins: Iterable[tuple[str, int]]) -> None:
        """See `realtime.plugins.rings.insert`. Before a stream runs, or while it is muted."""
        insert(self.record["chain"], plugins)

    def prepare(self, presets: Iterable[Preset]) -> None:
        """Design what may be asked for next, so that `set_preset` has only to publish it."""
        chains = [preset.built_in() for preset in presets]
        self._prepared = {chain: design_chain(chain, self.sample_rate) for chain in chains}

    def read_input(self) -> tuple[npt.NDArray[np.float32], int]:
        """What came in since the last call: float32 (frames, in_channels), frames lost so far."""
        return self._read(self.record["input"], self.in_channels)

    def read_output(self) -> tuple[npt.NDArray[np.float32], int]:
        """What went out since the last call: float32 (frames, out_channels), frames lost so far."""
        return self._read(self.record["output"], self.out_channels)

    def read_reference(self) -> npt.NDArray[np.float32]:
        """What came in on ref_channel since the last call: float32 (frames, 1)."""
        return self._read(self.record["reference"], 1)[0]

    @staticmethod
    def _read(ring: np.void, channels: int) -> tuple[npt.NDArray[np.float32], int]:
        out = np.empty((_ring_waiting(ring), channels), dtype=np.float32)
        _ring_read(ring, out)
        return out, int(ring["lost"])

    @property
    def audio_thread(self) -> int:
        """What `pthread_self` is for the stream's callback; 0 before its first block."""
        return int(self.record["thread"])

    @property
    def gain_reduction_db(self) -> float:
        """What the compressor takes away now, 0 or more."""
        return max(0.0, -float(self.record["chain"]["compressor"][0]))

    def counters(self) -> dict[str, int]:
        """blocks, frames, late_blocks (DSP took longer than the block lasts), nonfinite_resets
        (samples silenced and stages put to rest), and PortAudio's four flags."""
        counts = {key: int(self.record[key]) for key in ("blocks", "frames", "late_blocks")}
        counts["nonfinite_resets"] = int(self.record["chain"]["nonfinite_resets"])
        counts |= {name: int(self.record["flags"][i]) for i, name in enumerate(FLAG_NAMES)}
        return counts

    def tally(self) -> dict[str, object]:
        """All that was counted so far, for `resume` in another process; picklable."""
        tally: dict[str, object] = {key: self.record[key].copy() for key in _TALLY}
        tally["nonfinite_resets"] = int(self.record["chain"]["nonfinite_resets"])
        return tally

    def resume(self, tally: Mapping[str, object]) -> None:
        """Count on from what another bridge gave as `tally`; before a stream runs."""
        for key in _TALLY:
            self.record[key] = tally[key]
        self.record["chain"]["nonfinite_resets"] = tally["nonfinite_resets"]

    def slowest_since(self, before: npt.NDArray[np.int64]) -> float:
        """Seconds the slowest block took since `dsp_histogram` was `before`; 0 without any."""
        slow = np.flatnonzero(self.dsp_histogram() > before)
        return float(_bin_ns(slow[-1])) * 1e-9 if len(slow) else 0.0

    def dsp_histogram(self) -> npt.NDArray[np.int64]:
        """How many blocks took how long so far, int64 (512,); bins of a sixteenth octave of ns."""
        return self.record["dsp_histogram"].copy()

    def dsp_percentiles(self) -> dict[str, float]:
        """DSP time of a block in microseconds: p50, p99, p999 (to 4.4 %) and the exact max."""
        histogram = self.dsp_histogram()
        top = int(self.record["dsp_max_ns"]) / 1e3
        total = np.cumsum(histogram)
        result = {}
        for name, part in (("p50", 0.5), ("p99", 0.99), ("p999", 0.999)):
            if total[-1] == 0:
                result[name] = 0.0
                continue
            index = int(np.searchsorted(total, part * total[-1]))
            result[name] = min(_bin_ns(index) / 1e3, top)
        result["max"] = top
        return result


def _bin_ns(index: int) -> float:
    """The middle of a bin of the histogram of block times, in nanoseconds."""
    return float(2.0 ** ((index + 0.5) / BINS_PER_OCTAVE))
