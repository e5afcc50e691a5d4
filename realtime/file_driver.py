"""The chain over a file: the same compiled function as the sound card's, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np

from realtime.audio_files import AudioFileError, AudioReader, FilePath, check_rate, to_channels
from realtime.bridge import Bridge
from realtime.capture import Collector, Recent
from realtime.measure import Audio, measure, peak
from realtime.monitor import MEASURE_SECONDS
from realtime.output_files import AudioWriter
from realtime.plugins.offline import waited_for
from realtime.preset import Preset
from realtime.session import Session

BLOCK_FRAMES = 1024
PROFILE_SECONDS = 30.0
_READ_FRAMES = 64 * BLOCK_FRAMES
_TAIL_STEP_SECONDS = 0.5  # longer than any pre-delay, which is silent too
_PLUGIN_SILENCE_SECONDS = 2.0  # a plugin's echo may come back after so long
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

    A reverb and plugins ring out behind the input's end; without them both are equally long. The
    output is aligned with the input: the plugins' latency is taken off its beginning.

    channels: of the chain and the output, 1 or 2; None for the input's (stereo if it has more).
    progress: called with the frames done and the frames there are.

    Raises: AudioFileError, PluginError; nothing is written then.
    """
    from realtime.callback import run_block

    with ExitStack() as stack:
        source = stack.enter_context(AudioReader(input_path))
        rate = source.sample_rate
        check_rate(input_path, rate)
        count = channels or min(2, source.channels)
        bridge = Bridge(rate, count, count, preset)
        heard = Recent(rate, count, MEASURE_SECONDS)
        played = Recent(rate, count, MEASURE_SECONDS)
        plugins = stack.enter_context(waited_for(preset.plugins, rate, count, BLOCK_FRAMES))
        bridge.insert(plugins.inserts())
        early = plugins.latency_frames

        def through(x: Audio) -> Audio:
            y = np.empty_like(x)
            for start in range(0, len(x), BLOCK_FRAMES):
                end = start + BLOCK_FRAMES
                run_block(bridge.record, x[start:end], y[start:end], 0)
                plugins.wait()
            played.add(bridge.read_output()[0])
            nonlocal early
            skipped = min(early, len(y))
            early -= skipped
            return y[skipped:]

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
            target.write(through(np.zeros((plugins.latency_frames, count), np.float32)))
            bridge.read_input()
            if preset["reverb.wet"] > 0.0 or plugins.latency_frames:
                for tail in _ring_out(through, rate, count, plugins.latency_frames > 0):
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


def _ring_out(
    through: Callable[[Audio], Audio], sample_rate: int, channels: int, echoes: bool
) -> Iterator[Audio]:
    """What the chain gives to silence, in steps, until one is quiet.

    echoes: whether sound may come back after a while. More silence is waited through then, and
    what is quiet at the end left out.
    """
    silence = np.zeros((round(_TAIL_STEP_SECONDS * sample_rate), channels), np.float32)
    quiet: list[Audio] = []
    for _ in range(round(_TAIL_SECONDS_MAX / _TAIL_STEP_SECONDS)):
        quiet.append(through(silence))
        if peak(quiet[-1]) >= _TAIL_QUIET or not echoes:
            yield from quiet
            if peak(quiet[-1]) < _TAIL_QUIET:
                return
            quiet = []
        elif len(quiet) * _TAIL_STEP_SECONDS >= _PLUGIN_SILENCE_SECONDS:
            return
