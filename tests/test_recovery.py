"""What one engine leaves to the next: the sound, its counts, and the line that carries them."""

from __future__ import annotations

import pickle
import socket

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.bridge import Bridge
from realtime.callback import run_block
from realtime.lifeline import Line
from realtime.preset import Preset, load_preset
from tests.desk import RATE, Desk
from tests.support import noise
from tests.test_controls_at_random import CRUNCH, some_acts

some_frames = st.lists(
    st.tuples(st.text("=abz-\n .", min_size=1).filter(lambda n: "\n" not in n), st.binary())
)


@settings(max_examples=30, deadline=None)
@given(st.lists(some_acts, max_size=12))
def test_controls_go_on_in_another_process_as_they_were(acts):
    desk = Desk(CRUNCH, matched_gain_db=lambda: 3.0)
    for act, *arguments in acts:
        getattr(desk.controls, act)(*arguments)
    other = Desk(load_preset("hall"))
    other.controls.resume(pickle.loads(pickle.dumps(desk.controls.dump())))
    before, after = desk.controls.state, other.controls.state
    for name in ("effective", "base", "predicted", "overrides", "amount", "morph", "origin"):
        assert getattr(after, name) == getattr(before, name), name
    assert (after.bypassed, after.panicked) == (before.bypassed, before.panicked)
    assert other.bridge.preset == desk.bridge.preset
    assert other.told[-1].loaded  # knobs have to pick their values up again
    for one in (desk, other):  # what was under the hands comes back too
        one.controls.press("revert")
    assert other.controls.state.effective == desk.controls.state.effective


def test_what_is_set_after_a_dump_is_not_in_it():
    desk = Desk(Preset.neutral())
    dump = desk.controls.dump()
    desk.controls.set("comp.ratio", 5.0)
    desk.controls.set("amount", 0.5)
    desk.controls.resume(dump)
    assert desk.controls.state.effective == Preset.neutral() and desk.controls.state.amount == 1.0


def test_counts_go_on():
    first, second = Bridge(RATE), Bridge(RATE)
    x = noise(64, 2, 0.1)
    faulty = np.full((64, 2), np.nan, np.float32)
    for block in (x, faulty, x):
        run_block(first.record, block, np.empty_like(x), 0b0101)
    second.resume(pickle.loads(pickle.dumps(first.tally())))
    assert second.counters() == first.counters()
    assert second.dsp_percentiles() == first.dsp_percentiles()
    run_block(second.record, x, np.empty_like(x), 0)
    assert second.counters()["blocks"] == 4 and second.counters()["frames"] == 4 * 64
    assert second.counters()["nonfinite_resets"] == 128
    assert second.counters()["input_underflows"] == 3


@settings(max_examples=50, deadline=None)
@given(some_frames, st.randoms(use_true_random=False))
def test_frames_arrive_whole_however_they_are_cut(frames, random):
    whole, sender = socket.socketpair()
    line = Line(sender)
    for name, payload in frames:
        line.send(name, payload)
    line.close()
    sent = b"".join(iter(lambda: whole.recv(1 << 16), b""))
    whole.close()
    ours, theirs = socket.socketpair()
    received, at = [], 0
    line = Line(ours)
    while at < len(sent):
        size = random.randint(1, 40)
        theirs.sendall(sent[at : at + size])
        at += size
        received += line.receive()
    theirs.close()
    assert received == frames
    try:
        line.receive()
    except EOFError:
        line.close()
    else:
        raise AssertionError("the other end has gone")
