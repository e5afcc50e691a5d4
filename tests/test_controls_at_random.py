"""The state of the sound under any sequence of hands, one after another and at once."""

from __future__ import annotations

import sys
import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.params import BY_ID, TABLE
from realtime.preset import Preset, load_preset
from realtime.targets import ACTIONS, BUTTONS, VALUES
from tests.desk import Desk

CRUNCH = load_preset("crunch")

some_values = st.fixed_dictionaries({p.id: st.floats(p.minimum, p.maximum) for p in TABLE})
some_presets = st.builds(Preset, some_values, profile=st.sampled_from(["full", "eq-comp"]))
some_acts = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(list(VALUES)), st.floats(-100.0, 30_000.0)),
    st.tuples(st.just("set_unit"), st.sampled_from(list(VALUES)), st.floats(-0.5, 1.5)),
    st.tuples(st.just("toggle"), st.sampled_from(list(VALUES))),
    st.tuples(st.just("press"), st.sampled_from([a.id for a in ACTIONS])),
    st.tuples(st.just("press"), st.sampled_from(sorted(BUTTONS))),
    st.tuples(st.just("load"), some_presets, st.just("preset")),
    st.tuples(
        st.just("restyle"),
        st.lists(some_presets, min_size=1, max_size=2),
        st.just("predicted"),
        st.just(frozenset()),
    ),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(some_acts, max_size=15))
def test_whatever_is_done_the_state_is_base_under_overrides_and_is_what_was_published(acts):
    desk = Desk(CRUNCH, matched_gain_db=lambda: 3.0)
    for act, *arguments in acts:
        before = desk.controls.state
        getattr(desk.controls, act)(*arguments)
        state = desk.controls.state
        assert state.number == before.number + 1
        assert state.effective == state.base.with_values(state.overrides)
        if state.bypassed:
            gain_db = 0.0 if state.panicked else 3.0
            assert desk.bridge.preset == Preset({**Preset.neutral(), "output.gain_db": gain_db})
        else:
            assert desk.bridge.preset == state.effective
        moved = {i for i in VALUES if before.value(i) != state.value(i)}
        assert desk.told[-1].state is state and desk.told[-1].moved == moved
    desk.controls.press("revert")
    assert desk.controls.state.effective == desk.controls.state.base


@settings(max_examples=15, deadline=None)
@given(st.lists(st.lists(some_acts, min_size=5, max_size=20), min_size=3, max_size=3))
def test_hands_that_act_at_once_lose_nothing(hands):
    """Three threads: every change has its number, the last one published is the last state."""
    desk = Desk(CRUNCH)
    raised = []
    start = threading.Barrier(len(hands))

    def play(acts: list) -> None:
        start.wait()
        try:
            for act, *arguments in acts:
                getattr(desk.controls, act)(*arguments)
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=play, args=(acts,), daemon=True) for acts in hands]
    patience = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20.0)
            assert not thread.is_alive()
    finally:
        sys.setswitchinterval(patience)
    assert not raised
    count = sum(map(len, hands))
    assert sorted(change.state.number for change in desk.told) == list(range(1, count + 1))
    state = desk.controls.state
    assert state.number == count
    assert all(BY_ID[i].contains(v) for preset, _ in desk.published for i, v in preset.items())
    if not state.bypassed:
        assert desk.published[-1][0] == state.effective == desk.bridge.preset
