"""The exchange between the chain and a plugin's process, with the test as that process.

What it returns is the chain's sound upside down: wet = -dry, so that any sample tells which of
the two it is, and the largest step between them is known.
"""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.chain import Chain
from realtime.plugins.record import (
    BYPASSED,
    DELAY,
    MIX,
    MIX_FRAMES_SHIFT,
    MIX_ONE,
    NEVER,
    RECORD,
    RESERVE,
    RETURNED,
    RING_FRAMES,
    VALID_FROM,
)
from realtime.plugins.setting import POINTS

RATE = 48_000
LARGEST = 128
DELAY_FRAMES = LARGEST + RESERVE
Audio = npt.NDArray[np.float32]


class Upside:
    """The other side of one record: gives back what it was sent, upside down."""

    def __init__(self, delay: int = DELAY_FRAMES, mix: float = 1.0) -> None:
        self.memory = np.zeros(1, RECORD)
        self.host, self.words = self.memory[0]["host"], self.memory[0]["plugin"]["words"]
        self.host["delay"] = self.host["words"][DELAY] = delay
        self.host["gain"] = 1.0
        self.set_mix(mix, 0)
        self.words[VALID_FROM] = -NEVER
        self.fed = 0

    @property
    def address(self) -> int:
        return int(self.memory.ctypes.data)

    def set_mix(self, mix: float, frames: int) -> None:
        self.host["words"][MIX] = round(mix * MIX_ONE) | frames << MIX_FRAMES_SHIFT

    def answer(self, late: int = 0) -> None:
        """All that was sent but the last `late` frames."""
        upto = int(self.host["sent"][0]) - late
        at = np.arange(self.fed, upto) % RING_FRAMES
        self.memory[0]["plugin"]["audio"][:, at] = -self.host["audio"][:, at]
        if upto > self.fed:
            self.words[RETURNED] = self.fed = upto

    def skip(self) -> None:
        """Go on with what comes next; what was missed never comes."""
        self.fed = self.words[VALID_FROM] = int(self.host["sent"][0])

    def spoil(self, behind: int, value: float) -> None:
        """Make the sample sent so many frames ago no sound."""
        at = (int(self.host["sent"][0]) - behind) % RING_FRAMES
        self.memory[0]["plugin"]["audio"][0, at] = value

    def counted(self, what: str) -> int:
        return int(self.host[f"{what}_blocks"])


def chain_with(*plugins: tuple[str, Upside], channels: int = 2) -> Chain:
    chain = Chain(RATE, channels)
    chain.insert((point, plugin.address) for point, plugin in plugins)
    return chain


def tone(frames: int, channels: int = 2) -> Audio:
    """Slow and full of direction: a step of the sound itself is at most 0.003."""
    t = np.arange(frames, dtype=np.float32)[:, None] + np.arange(channels, dtype=np.float32)
    return (0.3 * np.sin(0.01 * t)).astype(np.float32)


def delayed(x: Audio, frames: int) -> Audio:
    return np.concatenate([np.zeros((frames, x.shape[1]), np.float32), x])[: len(x)]


def largest_step(y: Audio) -> float:
    return float(np.abs(np.diff(y, axis=0)).max())


# A linear fade of RESERVE frames between wet and dry, which differ by at most 0.6.
CLICK = 0.003 + 0.6 / RESERVE + 1e-6


def run(chain: Chain, x: Audio, cuts: list[int], plugins: list[Upside]) -> Audio:
    out, start = x.copy(), 0
    for cut in itertools.cycle(cuts):
        if start >= len(x):
            return out
        chain.process(out[start : start + cut])
        for plugin in plugins:
            plugin.answer()
        start += cut
    return out


CUTS = st.lists(st.integers(1, LARGEST), min_size=1, max_size=5)


@settings(max_examples=15, deadline=None)
@given(CUTS, st.sampled_from(POINTS), st.integers(1, 2))
def test_what_comes_back_is_heard_one_delay_later_however_blocks_are_cut(
    cuts: list[int], point: str, channels: int
) -> None:
    plugin = Upside()
    x = tone(1500, channels)
    y = run(chain_with((point, plugin), channels=channels), x, cuts, [plugin])
    assert np.array_equal(y, -delayed(x, DELAY_FRAMES))
    assert plugin.counted("dry") == 0


@settings(max_examples=8, deadline=None)
@given(CUTS)
def test_mix_0_is_the_dry_sound_at_the_same_delay(cuts: list[int]) -> None:
    plugin = Upside(mix=0.0)
    x = tone(1000)
    y = run(chain_with(("before-comp", plugin)), x, cuts, [plugin])
    assert np.array_equal(y, delayed(x, DELAY_FRAMES))


def test_plugins_at_one_point_and_at_others_follow_each_other() -> None:
    plugins = [Upside(), Upside(), Upside()]
    chain = chain_with(*zip(("before-eq", "before-eq", "after-reverb"), plugins, strict=True))
    x = tone(5000)
    assert np.array_equal(run(chain, x, [100], plugins), -delayed(x, 3 * DELAY_FRAMES))


@settings(max_examples=8, deadline=None)
@given(CUTS, st.integers(1, 1000))
def test_the_mix_moves_evenly(cuts: list[int], frames: int) -> None:
    plugin = Upside(mix=1.0)
    chain = chain_with(("before-comp", plugin))
    ones = np.full((DELAY_FRAMES + 600, 1), 0.5, np.float32).repeat(2, 1)
    run(chain, ones, [100], [plugin])
    plugin.set_mix(0.0, frames)
    y = run(chain, ones[:0].copy() if frames == 0 else np.full((frames + 10, 2), 0.5, np.float32),
            cuts, [plugin])  # fmt: skip
    expected = -0.5 + np.minimum(np.arange(1, frames + 11) / frames, 1.0)
    assert np.abs(y[:, 0] - expected).max() < 1e-3 + 1.0 / frames
    assert np.all(y[frames:] == 0.5)


def fault_run(
    cuts: list[int], events: list[tuple[int, int]], fault: str
) -> tuple[Upside, Audio, Audio]:
    """Blocks as `cuts` says; during events (block, blocks) the plugin has the fault."""
    plugin, x = Upside(), tone(6_000)
    chain = chain_with(("before-reverb", plugin))
    out, start, block = x.copy(), 0, 0
    while start < len(x):
        cut = cuts[block % len(cuts)]
        chain.process(out[start : start + cut])
        faulty = any(first <= block < first + count for first, count in events)
        if fault == "late" and faulty:
            pass
        elif fault == "skips" and faulty:
            plugin.skip()
        else:
            plugin.answer()
        if fault == "nan" and faulty:
            plugin.spoil(1, float("nan"))
        if fault == "loud" and faulty:
            plugin.spoil(1 + block % cut, 1e30)
        start, block = start + cut, block + 1
    return plugin, x, out


EVENTS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=1, max_size=3)


@settings(max_examples=30, deadline=None)
@given(CUTS, EVENTS, st.sampled_from(["late", "skips", "nan", "loud"]))
def test_a_fault_is_dry_without_a_click_and_latency_stays(
    cuts: list[int], events: list[tuple[int, int]], fault: str
) -> None:
    _, x, y = fault_run(cuts, events, fault)
    dry = delayed(x, DELAY_FRAMES)
    assert np.isfinite(y).all()
    assert largest_step(y) <= CLICK
    assert np.all(np.abs(y) <= np.abs(dry) + 1e-6)  # between wet and dry, at the one delay
    if max(first + count for first, count in events) * max(cuts) < 4_000:
        assert np.array_equal(y[-1000:], -dry[-1000:])  # and the plugin is back


def test_faults_are_counted_by_kind() -> None:
    late = fault_run([100], [(20, 10)], "late")[0]
    assert 9 <= late.counted("late") <= 11 and late.counted("nonfinite") == 0
    assert late.counted("late") < late.counted("dry") < 20  # fading back is dry, too
    spoiled = fault_run([100], [(20, 1)], "nan")[0]
    assert 1 <= spoiled.counted("nonfinite") <= 3 and spoiled.counted("late") == 0


def test_a_dead_plugin_is_the_dry_sound_and_bypassed_it_is_no_fault() -> None:
    plugin, x = Upside(), tone(6000)
    chain = chain_with(("before-dist", plugin))
    y = x.copy()
    for start in range(0, len(x), 100):
        if start == 3000:
            before = plugin.counted("dry")
            plugin.host["words"][BYPASSED] = 1
        chain.process(y[start : start + 100])
    assert np.array_equal(y[1000:], delayed(x, DELAY_FRAMES)[1000:])
    assert plugin.counted("dry") == before


@pytest.mark.parametrize("longer", [300, -40])
def test_another_delay_is_faded_to(longer: int) -> None:
    plugin, x = Upside(), tone(8000)
    chain = chain_with(("before-dist", plugin))
    first = run(chain, x[:3000], [64], [plugin])
    plugin.host["words"][DELAY] = DELAY_FRAMES + longer
    y = np.concatenate([first, run(chain, x[3000:], [64], [plugin])])
    assert largest_step(y) <= CLICK + 0.6 / 512
    assert np.array_equal(y[-1000:], -delayed(x, DELAY_FRAMES + longer)[-1000:])


def test_a_block_longer_than_the_delay_is_dry_and_seen() -> None:
    plugin, x = Upside(), tone(8192)
    y = run(chain_with(("before-dist", plugin)), x, [512], [plugin])
    assert np.array_equal(y[1024:], delayed(x, DELAY_FRAMES)[1024:])
    assert int(plugin.host["largest_block"]) == 512
