"""The chain: the state of every effect, and one block through all of them.

`process_block` is the one compiled function that live audio, file rendering, benchmarks and
refinement all run. It knows coefficients, never parameters. They are ramped per sample (gains,
EQ, compressor curve, drive, mixes) or in steps of at most 64 frames (time constants, tone,
reverb damping and diffusion).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from numba import from_dtype, njit, types
from numba.extending import intrinsic

from realtime.arrays import OBJECT, data_of, give_up_lock, shape_if_sound, take_lock
from realtime.coefficients import (
    CHAIN_COEFS,
    COMPRESSOR,
    DISTORTION,
    INPUT_GAIN,
    LIMITER,
    OUTPUT_GAIN,
    PEQ,
    REVERB,
    design_chain,
    fade_frames,
)
from realtime.dsp.biquad_lanes import PEQ_STATE, sosfilt_lanes
from realtime.dsp.blocks import CHUNK, all_finite, split, take_in
from realtime.dsp.compressor import COMPRESSOR_HISTORY, COMPRESSOR_STATE, compressor_chunk
from realtime.dsp.distortion import DISTORTION_STATE, distortion_chunk
from realtime.dsp.intrinsics import JIT, block_at, scratch_f32, scratch_f64, shaped
from realtime.dsp.limiter import LIMITER_STATE, limit
from realtime.dsp.reverb import (
    REVERB_STATE,
    prepare_reverb,
    reset_reverb,
    reverb_chunk,
    reverb_is_finite,
)
from realtime.native import flush_to_zero, one_record, restore_float_mode
from realtime.params import EQ_BANDS, SAMPLE_RATE_MAX, SAMPLE_RATE_MIN
from realtime.plugins.rings import INSERTS, end_of_block, exchange_block, exchange_chunk, insert
from realtime.plugins.setting import POINTS
from realtime.preset import Preset
from realtime.ramps import RAMPS, advance, prepare_ramps, set_target

_PAIR = 2 * CHUNK
_RECOVERY_MS = 5.0
_FLOAT32 = np.dtype(np.float32)
_BEFORE_EQ, _BEFORE_COMP, _BEFORE_DIST, _BEFORE_REVERB, _AFTER_REVERB = range(len(POINTS))

CHAIN_STATE = np.dtype(
    [
        ("reverb", REVERB_STATE),
        ("peq", PEQ_STATE),
        ("compressor", np.float64, COMPRESSOR_STATE),
        ("distortion", DISTORTION_STATE),
        ("limiter", np.float64, LIMITER_STATE),
        ("recovery", np.float64),  # 1 = sound, rising from 0 after a stage was reset
        ("recovery_step", np.float64),
        ("nonfinite_resets", np.int64),
        ("inserted", np.int64),  # whether there are any plugins
        ("inserts", np.int64, INSERTS),  # addresses of their records, point by point
        ("ramps", RAMPS),
    ],
    align=True,
)


def prepare_chain(state: np.void, preset: Preset, sample_rate: float) -> None:
    """Set up one record of CHAIN_STATE: at rest, with `preset` already arrived."""
    if not SAMPLE_RATE_MIN <= sample_rate <= SAMPLE_RATE_MAX:
        raise ValueError(
            f"sample rate {sample_rate} is outside {SAMPLE_RATE_MIN}..{SAMPLE_RATE_MAX} Hz"
        )
    prepare_ramps(state["ramps"], design_chain(preset, sample_rate))
    for stage in ("compressor", "limiter"):
        state[stage] = 0.0
    state["peq"] = np.zeros((), PEQ_STATE)
    state["distortion"] = np.zeros((), DISTORTION_STATE)
    state["recovery"] = 1.0
    state["recovery_step"] = 1.0 / (_RECOVERY_MS * 1e-3 * sample_rate)
    state["nonfinite_resets"] = 0
    prepare_reverb(state["reverb"], sample_rate, preset["reverb.predelay_ms"])


@njit(inline="always", **JIT)
def _equalise(x, now, then, state):
    """x through the equaliser; returns whether its state is sound, else silences both."""
    sos = shaped(now[PEQ:COMPRESSOR], (EQ_BANDS, 5))
    sos_end = shaped(then[PEQ:COMPRESSOR], (EQ_BANDS, 5))
    sosfilt_lanes(x, sos, sos_end, state.peq)
    if all_finite(state.peq.lanes):
        return True
    state.peq.lanes[:] = 0.0
    x[:] = np.float32(0.0)
    return False


@njit(inline="always", **JIT)
def _run_chunk(x, audio, frames, now, then, sound, state):
    """One chunk through every stage behind the equaliser, and into the block's part x.

    sound: whether the stages before were. A stage whose state is not finite is put to rest and
    its output silenced, so that the stages behind it hear nothing of it.
    """
    if state.inserted:
        exchange_chunk(audio, frames, state.inserts[_BEFORE_COMP])
    stage, stage_end = now[COMPRESSOR:DISTORTION], then[COMPRESSOR:DISTORTION]
    compressor_chunk(audio, frames, stage, stage_end, state.compressor)
    if not all_finite(state.compressor[COMPRESSOR_HISTORY:]):
        state.compressor[:] = 0.0
        audio[:] = np.float32(0.0)
        sound = False

    if state.inserted:
        exchange_chunk(audio, frames, state.inserts[_BEFORE_DIST])
    stage, stage_end = now[DISTORTION:REVERB], then[DISTORTION:REVERB]
    distortion_chunk(audio, frames, stage, stage_end, state.distortion)
    if not all_finite(state.distortion.tone):
        state.distortion.last[:] = np.float32(0.0)
        state.distortion.droop[:] = 0.0
        state.distortion.tone[:] = 0.0
        audio[:] = np.float32(0.0)
        sound = False

    if state.inserted:
        exchange_chunk(audio, frames, state.inserts[_BEFORE_REVERB])
    stage, stage_end = now[REVERB:OUTPUT_GAIN], then[REVERB:OUTPUT_GAIN]
    reverb_chunk(audio, frames, stage, stage_end, state.reverb)
    if not reverb_is_finite(state.reverb):
        reset_reverb(state.reverb)
        sound = False

    if state.inserted:
        exchange_chunk(audio, frames, state.inserts[_AFTER_REVERB])
    gain, gain_end = now[OUTPUT_GAIN], then[OUTPUT_GAIN]
    if not sound:  # this chunk is silent, and what follows rises from silence
        state.nonfinite_resets += 1
        state.recovery = 0.0
        audio[:] = np.float32(0.0)
    elif state.recovery < 1.0:
        end = min(state.recovery + state.recovery_step * frames, 1.0)
        gain *= state.recovery
        gain_end *= end
        state.recovery = end
    limit(audio, x, gain, gain_end, then[LIMITER:], state.limiter)


@njit(inline="always", **JIT)
def _run_slice(x, now, then, state):
    """One slice through the whole chain, in chunks that lie channel by channel."""
    frames, channels = x.shape
    state.nonfinite_resets += take_in(x, now[INPUT_GAIN], then[INPUT_GAIN])
    if state.inserted:
        exchange_block(x, state.inserts[_BEFORE_EQ])
    sound = _equalise(x, now, then, state)
    audio = shaped(scratch_f32(_PAIR), (channels, CHUNK))
    for start in range(0, frames, CHUNK):
        count = min(CHUNK, frames - start)
        piece = x[start : start + count]
        split(piece, audio)
        _run_chunk(piece, audio, count, now, then, sound, state)


@njit(**JIT)
def process_block(x, state):
    """Run one block through the whole chain in place.

    [audio-thread] Allocates nothing, cannot raise. Changes `x` and `state`. While parameters
    rest, the output is the same bit for bit however the input is cut into blocks.

    x: float32 (frames, channels 1..2), full scale +-1.0, any number of frames
    state: record of CHAIN_STATE
    """
    mode = flush_to_zero()
    ramps = state.ramps
    now, later = shaped(ramps.now, (CHAIN_COEFS,)), scratch_f64(CHAIN_COEFS)
    frames = x.shape[0]
    start = 0
    while start < frames:
        count, then = frames - start, now
        moving = ramps.nearest > 0
        if moving:
            then = later
            count = advance(ramps, min(count, CHUNK), then)
        _run_slice(x[start : start + count], now, then, state)
        if moving:
            for i in range(CHAIN_COEFS):
                now[i] = then[i]
        start += count
    if state.inserted:
        end_of_block(frames, state.inserts)
    restore_float_mode(mode)


# What the Python door owns: the chain, and what the door counts and insists on.
_DOOR = np.dtype(
    [
        ("chain", CHAIN_STATE),
        ("dtype", np.int64),
        ("channels", np.int64),
        ("blocks", np.int64),
        ("frames", np.int64),
    ],
    align=True,
)
_opening = threading.Lock()
_DOOR_SIGNATURE = types.boolean(OBJECT, OBJECT)


@intrinsic
def _door_at(typingctx, address):
    """The record of _DOOR that lies at an address."""
    record = from_dtype(_DOOR)

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(record))

    return record(types.int64), codegen


@njit(**{**JIT, "nogil": False})
def _process(x, memory):
    """Whether x is a block for the chain; if so it has gone through.

    memory: the array of bytes that holds a record of _DOOR
    """
    door = _door_at(data_of(memory))
    frames, channels = shape_if_sound(x, memory, door.dtype)
    if channels != door.channels:
        return False
    block = block_at(data_of(x), frames, channels)
    if frames <= CHUNK:  # over in less time than Python's lock is worth
        process_block(block, door.chain)
    else:
        thread = give_up_lock()
        process_block(block, door.chain)
        take_lock(thread)
    door.blocks += 1
    door.frames += frames
    return True


class Chain:
    """The Python door to the compiled chain: owns its memory, runs it where it is called.

    sample_rate: 8000..192000 Hz; channels: 1 or 2; preset: neutral unless given.
    Raises: ValueError on another rate or number of channels.
    """

    def __init__(self, sample_rate: int, channels: int = 2, preset: Preset | None = None) -> None:
        if channels not in (1, 2):
            raise ValueError(f"{channels} channels: the chain takes 1 or 2")
        self.sample_rate = sample_rate
        self.channels = channels
        self._preset = preset or Preset.neutral()
        with _opening:  # threads may make their first chains at once
            self._through = _process.compile(_DOOR_SIGNATURE)
        doors = one_record(_DOOR)
        self._door, self._memory = doors[0], doors.view(np.uint8)
        self._door["dtype"], self._door["channels"] = id(_FLOAT32), channels
        self._state = self._door["chain"]
        prepare_chain(self._state, self._preset, sample_rate)

    @property
    def preset(self) -> Preset:
        """Where the parameters are, or are going."""
        return self._preset

    def set_preset(self, preset: Preset, fade_ms: float | None = None) -> None:
        """Go to `preset` within `fade_ms`, or within the table's smoothing times."""
        frames = fade_frames(self._preset, preset, self.sample_rate, fade_ms)
        set_target(self._state["ramps"], design_chain(preset, self.sample_rate), frames)
        self._preset = preset

    def process(self, x: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Run float32 (frames, channels), C-contiguous, through the chain in place; returns x.

        Raises: ValueError on another shape, type or layout.
        """
        if self._through(x, self._memory):
            return x
        if x.dtype != _FLOAT32 or x.ndim != 2 or x.shape[1] != self.channels:
            raise ValueError(f"audio is {x.dtype} {x.shape}, not float32 (frames, {self.channels})")
        # Arrays of a kind of their own, such as memory maps, are seen as plain ones.
        if not self._through(x.view(_FLOAT32, np.ndarray), self._memory):
            raise ValueError("audio must be C-contiguous and writeable")
        return x

    def insert(self, plugins: Iterable[tuple[str, int]]) -> None:
        """See `realtime.plugins.rings.insert`."""
        insert(self._state, plugins)

    def reset(self) -> None:
        """Silence every filter, detector and delay; the parameters arrive at once and stay."""
        prepare_chain(self._state, self._preset, self.sample_rate)

    @property
    def counters(self) -> dict[str, int]:
        """blocks, frames, nonfinite_resets (input samples silenced and stages put to rest)."""
        return {
            "blocks": int(self._door["blocks"]),
            "frames": int(self._door["frames"]),
            "nonfinite_resets": int(self._state["nonfinite_resets"]),
        }
