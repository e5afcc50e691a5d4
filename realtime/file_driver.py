"""The chain over a file: the same compiled function as the sound card's, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np

from realtime.audio_files import AudioFileError, AudioReader, FilePath, check_rate, to_channels
from realtime.bridge import Bridge
from realtime.capture import Collector, Recent
from realtime.measure import Audio, measure, peak
from realtime.monitor import MEASURE_SECONDS
from realtime.output_files import AudioWriter
from realtime.preset import Preset
from realtime.session import Session

BLOCK_FRAMES = 1024
PROFILE_SECONDS = 30.0
_READ_FRAMES = 64 * BLOCK_FRAMES
_TAIL_STEP_SECONDS = 0.5  # longer than any pre-delay, which is silent too
_TAIL_SECONDS_MAX = 15.0  # the longest reverb falls 60 dB in ten
_TAIL_QUIET = 1e-4  # -80 dBFS


def input_profile(path: FilePath, gate_dbfs: float) -> tuple[Audio, int]:
    """What the model hears of a file: its first 30 s above the gate, `(frames, channels)`, rate.

    Raises: AudioFileError if the file cannot be read, or its rate is outside the chain's.
    """
    with AudioReader(path) as source:
        check_rate(path, source.sample_rate)
        collector = Collector(source.sample_rate, source.channels, PROFILE_SECONDS, gate_dbfs)
        for block in source.blocks(_READ_FRAMES):
            collector.add(block)
            if collector.done:
                break
        return collector.audio(), source.sample_rate


def render_file(
    input_path: FilePath,
    output_path: FilePath,
    preset: Preset,
    *,
    channels: int | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Session:
    """Write `input_path` through the chain to `output_path`, in blocks, in constant memory.

    A reverb rings out behind the input's end; without one both are equally long.

    channels: of the chain and the output, 1 or 2; None for the input's (stereo if it has more).
    progress: called with the frames done and the frames there are.

    Raises: AudioFileError; nothing is written then.
    """
    from realtime.callback import run_block

    with AudioReader(input_path) as source:
        rate = source.sample_rate
        check_rate(input_path, rate)
        count = channels or min(2, source.channels)
        bridge = Bridge(rate, count, count, preset)
        heard = Recent(rate, count, MEASURE_SECONDS)
        played = Recent(rate, count, MEASURE_SECONDS)

        def through(x: Audio) -> Audio:
            y = np.empty_like(x)
            for start in range(0, len(x), BLOCK_FRAMES):
                end = start + BLOCK_FRAMES
                run_block(bridge.record, x[start:end], y[start:end], 0)
            played.add(bridge.read_output()[0])
            return y

        done = 0
        began = time.perf_counter()
        with AudioWriter(output_path, rate, count) as target:
            for block in source.blocks(_READ_FRAMES):
                target.write(through(to_channels(block, count)))
                heard.add(bridge.read_input()[0])
                done += len(block)
                progress(done, max(done, source.frames))
            if not done:
                raise AudioFileError(f"{str(input_path)!r} holds no samples")
            if preset["reverb.wet"] > 0.0:
                for tail in _ring_out(through, round(_TAIL_STEP_SECONDS * rate), count):
                    target.write(tail)
                    bridge.read_input()
        render_seconds = time.perf_counter() - began
    return Session(
        place=f"{input_path} -> {output_path}",
        sample_rate=rate,
        channels=count,
        preset=preset,
        origin="",
        seconds=bridge.counters()["frames"] / rate,
        render_seconds=render_seconds,
        sounds={"input": measure(heard.audio(), rate), "output": measure(played.audio(), rate)},
        counters=bridge.counters(),
        dsp_us=bridge.dsp_percentiles(),
    )


def _ring_out(through: Callable[[Audio], Audio], frames: int, channels: int) -> Iterator[Audio]:
    """What the chain gives to silence, in steps of `frames`, until it is quiet."""
    silence = np.zeros((frames, channels), np.float32)
    for _ in range(round(_TAIL_SECONDS_MAX / _TAIL_STEP_SECONDS)):
        tail = through(silence)
        yield tail
        if peak(tail) < _TAIL_QUIET:
            return
