"""The function PortAudio calls: bridge -> chain -> bridge, without Python.

`stream_callback` gives a Numba cfunc that never takes the GIL, allocates, locks or raises.
`run_block` is its body, for drivers without a sound card: same code, same counters.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from numba import carray, cfunc, njit, types

from realtime.bridge import (
    BINS_PER_OCTAVE,
    BRIDGE,
    HISTOGRAM_BINS,
    Bridge,
    ring_write,
    take_published,
)
from realtime.chain import Chain, process_block
from realtime.dsp.intrinsics import JIT
from realtime.native import address_of, now_ns, this_thread

_CONTINUE = 0  # paContinue


@njit(**JIT)
def _copy_in(source, channels, out):
    """The first 1..2 of input channels -> output: the same, one to both, or the mean of two."""
    frames = out.shape[0]
    if channels == out.shape[1]:
        for i in range(frames):
            for channel in range(out.shape[1]):
                out[i, channel] = source[i, channel]
    elif channels == 1:
        for i in range(frames):
            out[i, 0] = source[i, 0]
            out[i, 1] = source[i, 0]
    else:
        for i in range(frames):
            out[i, 0] = np.float32(0.5) * (source[i, 0] + source[i, 1])


@njit(**JIT)
def _record_time(bridge, frames, nanoseconds):
    bridge.blocks += 1
    bridge.frames += frames
    bridge.late_blocks += nanoseconds * bridge.sample_rate > frames * 1e9
    bridge.dsp_max_ns = max(bridge.dsp_max_ns, nanoseconds)
    position = np.log2(np.float64(max(nanoseconds, 1))) * BINS_PER_OCTAVE
    bridge.dsp_histogram[min(max(np.int64(position), 0), HISTOGRAM_BINS - 1)] += 1


@njit(**JIT)
def run_block(bridge, source, out, flags):
    """Process one block from `source` to `out`.

    [audio-thread] Allocates nothing, cannot raise. Changes `bridge` and `out`.

    bridge: record of BRIDGE; source: float32 (frames, device_channels)
    out: float32 (frames, out_channels); flags: PaStreamCallbackFlags
    """
    began = now_ns()
    for bit in range(4):
        bridge.flags[bit] += (flags >> bit) & 1
    take_published(bridge)
    ring_write(bridge.input, source, 0, bridge.in_channels - 1)
    if bridge.ref_channel >= 0:
        ring_write(bridge.reference, source, bridge.ref_channel, bridge.ref_channel)
    _copy_in(source, bridge.in_channels, out)
    process_block(out, bridge.chain)
    ring_write(bridge.output, out, 0, out.shape[1] - 1)
    _record_time(bridge, out.shape[0], now_ns() - began)


def _stream_callback(source, out, frames, time_info, flags, userdata):
    bridge = carray(userdata, 1, BRIDGE)[0]
    bridge.thread = this_thread()
    count = np.int64(frames)
    output = carray(out, (count, bridge.out_channels), np.float32)
    if address_of(source) == 0:
        for i in range(count):
            for channel in range(output.shape[1]):
                output[i, channel] = np.float32(0.0)
        return _CONTINUE
    run_block(
        bridge,
        carray(source, (count, bridge.device_channels), np.float32),
        output,
        np.int64(flags),
    )
    return _CONTINUE


@functools.cache
def stream_callback():
    """The compiled PaStreamCallback; its `address` goes to PortAudio, Bridge.address as userdata.

    Keep the returned object alive as long as a stream uses it.
    """
    signature = types.intc(
        types.voidptr, types.voidptr, types.ulong, types.voidptr, types.ulong, types.voidptr
    )
    return cfunc(signature, cache=True, error_model="numpy")(_stream_callback)


def compile_all(progress: Callable[[str, int, int], None] | None = None) -> None:
    """Compile what the stage needs, or load it from Numba's cache.

    progress(name, index, count) is called before each piece.
    """

    def effects():
        for channels in (1, 2):
            Chain(48_000, channels).process(np.zeros((64, channels), np.float32))

    def bridge():
        link = Bridge(48_000)
        link.set_preset(link.preset)
        block = np.zeros((64, 2), np.float32)
        run_block(link.record, block, np.zeros_like(block), 0)
        link.read_input()

    pieces: tuple[tuple[str, Callable[[], object]], ...] = (
        ("effect chain", effects),
        ("bridge", bridge),
        ("audio callback", stream_callback),
    )
    for index, (name, build) in enumerate(pieces):
        if progress:
            progress(name, index, len(pieces))
        build()
