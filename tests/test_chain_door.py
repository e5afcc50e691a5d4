"""The chain's door from Python: blocks go through in place, whatever else is refused untouched."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.chain import Chain
from tests.support import noise

RATE = 48_000
DTYPES = ("f4", "f4", "f8", "i4", "u4", ">f4", "c8", "S4")


class OfItsOwn(np.ndarray):
    """A kind of array as memory maps and masked arrays are one."""


def guarded(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


def at_an_odd_address(x: np.ndarray) -> np.ndarray:
    bytes_of_x = np.frombuffer(x.tobytes(), np.uint8)
    return np.concatenate([[np.uint8(0)], bytes_of_x])[1:].view(x.dtype).reshape(x.shape)


LAYOUTS = {
    "plain": np.copy,
    "of another order": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=0)[::2],
    "backwards": lambda x: x[::-1].copy()[::-1],
    "read only": guarded,
    "at an odd address": at_an_odd_address,
    "of its own type": lambda x: x.copy().view(OfItsOwn),
}


@pytest.mark.usefixtures("compiled")
@given(
    dtype=st.sampled_from(DTYPES),
    shape=st.one_of(
        st.tuples(st.integers(1, 5), st.integers(1, 2)),
        st.lists(st.integers(1, 3), min_size=1, max_size=4).map(tuple),
    ),
    layout=st.sampled_from(sorted(LAYOUTS)),
    channels=st.integers(1, 2),
)
def test_a_block_goes_through_and_all_else_is_refused_as_it_is(dtype, shape, layout, channels):
    x = LAYOUTS[layout](np.full(shape, 0.25).astype(dtype))
    before, flags = x.tobytes(), x.flags
    chain = Chain(RATE, channels)
    sound = x.dtype == np.float32 and x.ndim == 2 and x.shape[1] == channels
    if sound and flags.c_contiguous and flags.aligned and flags.writeable:
        expected = Chain(RATE, channels).process(np.full(shape, 0.25, "f4"))
        assert chain.process(x) is x
        assert np.array_equal(x, expected)
        assert chain.counters["blocks"] == 1
        assert chain.counters["frames"] == len(x)
    else:
        with pytest.raises(ValueError, match="audio"):
            chain.process(x)
        assert x.tobytes() == before
        assert chain.counters["blocks"] == 0


@pytest.mark.parametrize("shape", [(), (0,), (0, 2), (0, 3), (0, 2, 2)])
def test_nothing_is_a_block_where_it_has_the_channels(shape):
    chain, x = Chain(RATE), np.zeros(shape, "f4")
    if shape == (0, 2):
        assert chain.process(x) is x
    else:
        with pytest.raises(ValueError, match="audio"):
            chain.process(x)


def test_an_array_of_an_equal_dtype_that_is_another_object_goes_through():
    named = np.dtype("f4", metadata={"of": "a file"})
    x = noise(64, 2, 0.1)
    y = x.astype(named)
    assert y.dtype is not x.dtype
    assert np.array_equal(Chain(RATE).process(y), Chain(RATE).process(x))


def test_python_goes_on_in_other_threads_while_a_long_block_goes_through():
    counted, stop = [0], threading.Event()

    def count():
        while not stop.is_set():
            counted[0] += 1
            time.sleep(0)

    chain, x = Chain(RATE), np.zeros((2_000_000, 2), "f4")
    thread = threading.Thread(target=count)
    thread.start()
    try:
        time.sleep(0.01)
        before = counted[0]
        chain.process(x)
        assert counted[0] > before + 10
    finally:
        stop.set()
        thread.join()
