"""How far each kernel is from what this machine could do at best.

Two things bound a kernel: how long its recursion waits for itself, and how many operations its
vectors take. Both are measured here, on this machine and clock: the time of one multiply-add that
waits for the last, and of one in a row of vectors that do not wait. Counts are those of the
equations a stereo frame, in operations that a vector does for all its lanes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numba import njit

from benchmarks.signals import PRESET, swelling_noise
from realtime.chain import CHAIN_STATE, prepare_chain
from realtime.coefficients import (
    COMPRESSOR,
    DISTORTION,
    LIMITER,
    OUTPUT_GAIN,
    PEQ,
    REVERB,
    design_chain,
)
from realtime.dsp.biquad_lanes import sosfilt_lanes
from realtime.dsp.biquad_steps import SECTIONS
from realtime.dsp.blocks import CHUNK
from realtime.dsp.compressor import compressor_chunk
from realtime.dsp.distortion import distortion_chunk
from realtime.dsp.intrinsics import JIT, shaped
from realtime.dsp.limiter import limiter_chunk
from realtime.dsp.reverb import reverb_chunk
from realtime.dsp.simd import LANES_F32, load, store

RATE, ROUNDS, REPEATS = 48_000, 200, 40
# Not cached: Numba would not see that an effect has changed. With Numba's runtime: the copies.
_JIT = {**JIT, "cache": False, "_nrt": True}
_CHAIN, _VECTORS, _STEPS = 16, 32, 64  # few loads and stores, and much that does not wait


@dataclass(frozen=True)
class Kernel:
    """What a stereo frame of one effect takes.

    waits: operations in a row, each of which waits for the last; f32, f64: operations on numbers
    of that kind (a multiply-add, a square root or a comparison counts one)
    """

    waits: float
    f32: float
    f64: float


KERNELS = {
    # Six sections of two channels, four multiply-adds each, and a gain; one waits.
    "equaliser": Kernel(waits=1.0, f32=0.0, f64=4 * 12 + 2),
    # Level, logarithm, curve, exponential, two gains; the ballistics four frames a step, of which
    # a multiply-add and three comparisons wait.
    "compressor": Kernel(waits=4 / 4, f32=48.0, f64=34.0),
    # A channel: clipper 10, mix 6, two recursions of 5, of which one in 16 frames waits.
    "distortion": Kernel(waits=2 * 2 / 16, f32=2 * 26, f64=0.0),
    # Send 2, diffusion 6 x 2, taps 8 x 1, gain 8, damping 8 x 5, Hadamard 24, send 2 + 8, dry 2;
    # no recursion is shorter than a chunk but the damping's, of 16 frames.
    "reverb": Kernel(waits=1 / 16, f32=106.0, f64=0.0),
    # At work. Peak 3, division 1, gains 2 x 3; recursion 8 with comparisons, 3 from 1.
    "limiter": Kernel(waits=2 / 8, f32=10.0, f64=11.0),
}


@njit(**_JIT)
def _waiting(count, x):
    for _ in range(count):
        x = x * x + 1e-3
    return x


@njit(**_JIT)
def _flowing(count, x, small):
    for _ in range(count):
        for i in range(x.shape[0]):
            v = x[i]
            for _ in range(_CHAIN):
                v = v * v + small
            x[i] = v


@njit(inline="always", **_JIT)
def _copy(room, source):
    """As quick as the machine can: a slow copy would do some of the kernel's waiting for it."""
    to, of = shaped(room, (room.size,)), shaped(source, (source.size,))
    for i in range(0, room.size, LANES_F32):
        store(to, i, load(of, i))


@njit(**_JIT)
def _equaliser(block, source, coefs, states, count):
    sos = coefs[PEQ:COMPRESSOR].copy().reshape((SECTIONS, 5))
    for _ in range(count):
        _copy(block, source)
        sosfilt_lanes(block, sos, sos, states[0].peq)


def _repeated(kernel, field, begin, end):  # type: ignore[no-untyped-def]
    """An effect again and again: the numbers of its design, the field of its state."""

    @njit(**_JIT)
    def run(chunk, source, coefs, states, count):
        own = coefs[begin:end]
        for _ in range(count):
            _copy(chunk, source)
            kernel(chunk, CHUNK, own, own, states[0][field])

    return run


_compressor = _repeated(compressor_chunk, "compressor", COMPRESSOR, DISTORTION)
_distortion = _repeated(distortion_chunk, "distortion", DISTORTION, REVERB)
_reverb = _repeated(reverb_chunk, "reverb", REVERB, OUTPUT_GAIN)


@njit(**_JIT)
def _limiter(chunk, source, coefs, states, count):
    for _ in range(count):
        _copy(chunk, source)
        limiter_chunk(chunk, CHUNK, coefs[LIMITER:], states[0].limiter)


@njit(**_JIT)
def _nothing(room, source, coefs, states, count):
    for _ in range(count):
        _copy(room, source)


def _best_ns(call: Callable[[], object]) -> float:
    """The shortest of many calls: what the code takes when nothing else runs."""
    call()
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - began)
    return float(min(times))


def measure_limits() -> dict[str, Any]:
    """Returns this machine's pace and, a kernel, measured and least possible ns a frame."""
    wait_ns = _best_ns(partial(_waiting, 4_000, 0.5)) / 4_000
    pace = {}
    for name, dtype in (("f32", np.float32), ("f64", np.float64)):
        x = np.full(_VECTORS * 64 // np.dtype(dtype).itemsize, 0.5, dtype)
        small = dtype(1e-3)
        spent = _best_ns(partial(_flowing, _STEPS, x, small))
        pace[name] = round(spent / (_STEPS * _CHAIN * x.size), 5)

    states = np.zeros(1, CHAIN_STATE)
    prepare_chain(states[0], PRESET, RATE)
    coefs = design_chain(PRESET, RATE)
    block = swelling_noise(RATE, 2)[RATE // 8 :][:CHUNK].copy()
    chunk = np.ascontiguousarray(block.T)
    loud = chunk * np.float32(2.0 / np.abs(chunk).max())
    rows = {}
    runs = (_equaliser, _compressor, _distortion, _reverb, _limiter)
    for (name, kernel), run in zip(KERNELS.items(), runs, strict=True):
        source = block if name == "equaliser" else loud if name == "limiter" else chunk
        room = source.copy()
        spent, copying = (
            _best_ns(partial(each, room, source, coefs, states, REPEATS))
            for each in (run, _nothing)
        )
        waits = kernel.waits * wait_ns
        works = kernel.f32 * pace["f32"] + kernel.f64 * pace["f64"]
        measured = (spent - copying) / REPEATS / CHUNK
        rows[name] = {
            "ns_per_frame": round(measured, 3),
            "waits_ns": round(waits, 3),
            "works_ns": round(works, 3),
            "times_limit": round(measured / max(waits, works), 1),
        }
    return {"wait_ns": round(wait_ns, 4), "op_ns": pace, "kernels": rows}
