"""Vectors do to each of their numbers what NumPy does to it."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from realtime.dsp import simd
from realtime.dsp.intrinsics import JIT
from realtime.dsp.simd import LANES_F32
from realtime.dsp.simd_math import exp2, log2

PLAIN = {**JIT, "cache": False}


@njit(**PLAIN)
def _mixed(x, y):
    v, w = simd.load(x, 0), simd.load(x, LANES_F32)
    simd.store(y[0], 0, simd.late(v, w, 3))
    simd.store(y[1], 0, simd.cards_first(v, w))
    simd.store(y[2], 0, simd.cards_second(v, w))
    simd.store(y[3], 0, simd.evens(v, w))
    simd.store(y[4], 0, simd.odds(v, w))
    simd.store(y[5], 0, simd.halves(simd.first_half(v), simd.second_half(v)))
    simd.store(y[6], 0, simd.muladd(v, w, 2.0) / 3.0 - 1.0)
    simd.store(y[7], 0, simd.smaller(simd.larger(v, w), np.float32(0.5)))
    simd.store(y[8], 0, simd.within(v, np.float32(1.0)))
    simd.store(y[9], 0, simd.root(simd.magnitude(w)) + simd.frames_from(7))
    return simd.outside(v, np.float32(1.0))


def test_what_vectors_do():
    x = np.random.default_rng(0).standard_normal(2 * LANES_F32).astype("f4")
    x[3], x[5] = np.nan, np.inf
    y = np.zeros((10, LANES_F32), "f4")
    faults = _mixed(x, y)
    v, w = x[:LANES_F32], x[LANES_F32:]
    cards = np.column_stack([v, w]).ravel()
    sound = np.abs(v) <= 1.0
    expected = [
        np.concatenate([v[-3:], w[:-3]]), cards[:LANES_F32], cards[LANES_F32:], x[::2], x[1::2], v,
        (v * w + np.float32(2.0)) / np.float32(3.0) - np.float32(1.0),
        np.minimum(np.where(v > w, v, w), np.float32(0.5)),  # the second, where one is no number
        np.where(sound, v, 0.0), np.sqrt(np.abs(w)) + np.arange(7.0, 7.0 + LANES_F32),
    ]  # fmt: skip
    for number, (found, wanted) in enumerate(zip(y, expected, strict=True)):
        np.testing.assert_allclose(found, wanted.astype("f4"), rtol=3e-6, err_msg=str(number))
    assert faults == np.sum(~sound)


@njit(**PLAIN)
def _each(x, y, z):
    for i in range(0, x.size, LANES_F32):
        simd.store(y, i, log2(simd.load(x, i)))
        simd.store(z, i, exp2(simd.load(y, i)))


@pytest.mark.parametrize("octaves", [(-126.0, 127.0), (-1e-3, 1e-3)])
def test_logarithm_and_power(octaves):
    x = (2.0 ** np.linspace(*octaves, 4_096)).astype("f4")
    y, z = np.empty_like(x), np.empty_like(x)
    _each(x, y, z)
    exact = np.log2(x.astype("f8"))
    assert np.all(np.abs(y - exact) <= 3e-7 + np.spacing(np.abs(exact).astype("f4")))
    back = 2.0 ** np.clip(y.astype("f8"), -126.0, 126.0)
    assert np.max(np.abs(z / back - 1.0)) < 3e-7
