"""What a hand can reach: names that a MIDI map, an OSC address and a person can tell apart."""

from __future__ import annotations

import re

from realtime.params import IDS, TABLE
from realtime.preset import Preset
from realtime.targets import ACTIONS, BUILT_IN, BUTTONS, GLOBALS, REVERT, VALUES

TARGETS = tuple(BUILT_IN)


def test_every_parameter_is_a_value_and_can_be_reverted():
    assert set(VALUES) == {*IDS, "amount", "morph"}
    assert set(BUTTONS) == {action.id for action in ACTIONS} | {REVERT + i for i in IDS}
    assert all(VALUES[param.id] is param for param in TABLE)


def test_names_are_unique_and_may_stand_in_an_address():
    assert len(TARGETS) == len(set(TARGETS)) == len(VALUES) + len(BUTTONS)
    assert all(re.fullmatch(r"[a-z0-9_]+(\.[a-z0-9_]+)*", target) for target in TARGETS)
    slashed = {target.replace(".", "/") for target in TARGETS}
    assert len(slashed) == len(TARGETS) and not any(s.startswith("unit/") for s in slashed)


def test_no_control_change_means_two_things_or_something_that_midi_keeps_for_itself():
    """Reserved: bank select, data entry, (N)RPN and the mode messages but All Sound Off, panic."""
    numbers = [each.cc for each in (*VALUES.values(), *ACTIONS)]
    assert len(numbers) == len(set(numbers))
    reserved = {0, 32, 6, 38, *range(96, 102), *range(121, 128)}
    assert not reserved & set(numbers) and all(0 <= number <= 127 for number in numbers)


def test_each_says_in_one_line_what_it_does():
    words = [p.description for p in VALUES.values()] + list(BUTTONS.values())
    assert all(each and len(each.splitlines()) == 1 for each in words)


def test_what_spans_all_parameters_is_outside_presets():
    assert all(param.id not in Preset() for param in GLOBALS)
    assert not re.search(r"\b(amount|morph)\b", Preset().to_toml())
    for param in GLOBALS:
        assert param.contains(param.default) and param.contains(param.neutral)
