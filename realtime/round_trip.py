"""How long a sound takes from our output through a cable back to our input, measured.

Drivers report latencies that may be far off. A burst of noise that nothing else sounds like goes
out through the neutral chain, and is looked for in what comes in, several times.
"""

from __future__ import annotations

import argparse
import functools
import sys
import time
from collections import Counter

import numpy as np
import numpy.typing as npt
from numba import carray, cfunc, types
from scipy.signal import correlate

from realtime.audio_io import StreamPlan
from realtime.callback import compile_all
from realtime.chain import CHAIN_STATE, prepare_chain, process_block
from realtime.live_stream import LiveStream
from realtime.native import address_of
from realtime.preset import Preset

TRIALS, TRIALS_MAX = 3, 8
BURST_FRAMES = 1 << 14  # what correlates with it stands 42 dB above what does not
LISTEN_SECONDS = 0.5  # the longest latency that is found
PEAK = 0.25  # -12 dBFS, bearable where the cable is a loudspeaker and a microphone
_CERTAIN = 12.0  # times the correlation's RMS; noise reaches 5
_FRAMES_MAX = 1 << 17  # burst and listening at 192 kHz

Signal = npt.NDArray[np.float32]

_PROBE = np.dtype(
    [
        ("chain", CHAIN_STATE),
        ("in_channels", np.int64),
        ("out_channels", np.int64),
        ("frames", np.int64),
        ("at", np.int64),
        ("out", np.float32, (_FRAMES_MAX,)),
        ("heard", np.float32, (_FRAMES_MAX, 2)),
    ],
    align=True,
)


def _probe_callback(source, out, frames, time_info, flags, userdata):  # type: ignore[no-untyped-def]
    """[audio-thread] Plays what is in the probe, and writes beside it what comes in."""
    probe = carray(userdata, 1, _PROBE)[0]
    count = np.int64(frames)
    output = carray(out, (count, probe.out_channels), np.float32)
    start = probe.at
    left = min(count, max(0, probe.frames - start))
    for i in range(count):
        for channel in range(output.shape[1]):
            output[i, channel] = probe.out[start + i] if i < left else np.float32(0.0)
    process_block(output, probe.chain)
    if address_of(source) != 0:
        heard = carray(source, (count, probe.in_channels), np.float32)
        for i in range(left):
            for channel in range(heard.shape[1]):
                probe.heard[start + i, channel] = heard[i, channel]
    if left:  # else another thread may be setting it back
        probe.at = start + left
    return 0


@functools.cache
def _compiled():  # type: ignore[no-untyped-def]
    pointer, word = types.voidptr, types.ulong
    signature = types.intc(pointer, pointer, word, pointer, word, pointer)
    return cfunc(signature, cache=True, error_model="numpy")(_probe_callback)


class Probe:
    """The callback's memory: a burst to play, and room for what is heard meanwhile."""

    def __init__(self, plan: StreamPlan, burst: Signal) -> None:
        self.device_channels = plan.in_channels
        self._memory = np.zeros(1, _PROBE)
        self._record = self._memory[0]
        self._record["in_channels"], self._record["out_channels"] = (
            plan.in_channels, plan.out_channels,
        )  # fmt: skip
        self._record["out"][: len(burst)] = burst
        self._frames = len(burst) + round(LISTEN_SECONDS * plan.sample_rate)
        prepare_chain(self._record["chain"], Preset.neutral(), plan.sample_rate)

    @property
    def address(self) -> int:
        """The userdata of the stream."""
        return int(self._memory.ctypes.data)

    def play(self, patience: float) -> Signal:
        """Play the burst once: what came in from its first frame on, float32 (frames, in_channels).

        patience: seconds; nothing comes in where the device stops asking for audio.
        """
        self._record["heard"] = 0.0
        self._record["at"] = 0
        self._record["frames"] = self._frames
        limit = time.monotonic() + patience
        while self._record["at"] < self._frames and time.monotonic() < limit:
            time.sleep(0.01)
        done = int(self._record["at"]) if time.monotonic() < limit else 0
        self._record["frames"] = 0
        return np.array(self._record["heard"][:done, : self.device_channels])


def burst(seed: int = 0) -> Signal:
    """A random sequence of +-PEAK, float32 (BURST_FRAMES,)."""
    signs = np.random.default_rng(seed).integers(0, 2, BURST_FRAMES)
    return (PEAK * (2 * signs - 1)).astype(np.float32)


def find(heard: Signal, sent: Signal) -> int | None:
    """How many frames after its start `sent` (frames,) is in `heard` (frames, channels), if it is.

    Its level and sign do not matter, nor does noise louder than it.
    """
    best: tuple[float, int] | None = None
    for channel in heard.T:
        if len(channel) < len(sent) or not np.isfinite(channel).all():
            continue
        match = np.abs(correlate(channel.astype(np.float64), sent, "valid", "fft"))
        rms = float(np.sqrt(np.mean(np.square(match))))
        at = int(np.argmax(match))
        if rms > 0.0 and match[at] > _CERTAIN * rms and (best is None or match[at] > best[0]):
            best = float(match[at]), at
    return None if best is None else best[1]


def measure(plan: StreamPlan) -> tuple[list[int], float]:
    """Play up to TRIALS_MAX bursts until TRIALS came back: (frames of each, the driver's own ms).

    Raises: AudioDeviceError if the devices do not open or start.
    """
    sent = burst()
    probe = Probe(plan, sent)
    stream = LiveStream(plan, probe, _compiled())
    found: list[int] = []
    try:
        stream.start()
        for _ in range(TRIALS_MAX):
            heard = probe.play(patience=5.0)
            delay = find(heard, sent)
            if delay is not None:
                found.append(delay)
            if len(found) == TRIALS or not len(heard):
                break
        return found, stream.latency_ms
    finally:
        stream.close()


def measure_latency(args: argparse.Namespace) -> int:
    """`afx-live --measure-latency`: print what was found; the exit status.

    Raises: AudioDeviceError
    """
    from realtime.audio_io import list_devices, plan_stream

    plan = plan_stream(
        list_devices(),
        input_query=args.input_device or args.device,
        output_query=args.output_device or args.device,
        sample_rate=args.sample_rate,
        block_size=args.block_size or 0,
        in_channels=args.input_channels,
        out_channels=args.channels,
    )
    compile_all()
    devices = " -> ".join(dict.fromkeys((plan.output.full_name, plan.input.full_name)))
    print(f"playing noise and listening for it: {devices}", flush=True)
    found, driver_ms = measure(plan)
    if not found:
        print(
            "afx-live: the noise did not come back: is there a cable from an output to an input, "
            "and its gain up?",
            file=sys.stderr,
        )
        return 1
    frames, times = Counter(found).most_common(1)[0]
    ms = 1e3 * frames / plan.sample_rate
    print(f"round trip  {frames} frames, {ms:.2f} ms at {plan.sample_rate} Hz")
    if times < len(found):
        print(f"unsteady    {min(found)} to {max(found)} frames in {len(found)} trials")
    print(f"driver says {driver_ms:.2f} ms")
    return 0
