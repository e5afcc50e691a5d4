"""OSC, through a real socket to the real chain: what arrives, and what is told."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Iterator

import numpy as np
import pytest

from realtime.callback import run_block
from realtime.params import BY_ID
from realtime.preset import Preset
from realtime.targets import ACTIONS, VALUES
from tests.osc_rig import QUIET_S, RATE, TOLD, Client, Rig, bundle, message
from tests.support import rms
from tests.test_controls_plugins import LINEUP

BLOCK = 128


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


def test_plugins_parameters_have_addresses_and_are_told_back():
    rig = Rig(hosted=LINEUP)
    try:
        for address, target, value, stands in (
            ("/comp-x2.attack", "comp-x2.attack", 5.0, 5.0),
            ("/unit/comp-x2/attack", "comp-x2.attack", 0.5, 1.0),
            ("/comp-x2/mode", "comp-x2.mode", 1.0, 1.0),
            ("/verb/mix", "verb.mix", 0.25, 0.25),
        ):
            rig.send(address, value)
            rig.until(lambda: rig.value(target) == stands)  # noqa: B023
        rig.send("/revert/comp-x2/attack")
        rig.until(lambda: rig.value("comp-x2.attack") == 2.0)
        rig.client.told()
        rig.send("/sync")
        told = dict(rig.client.told())
        assert told["comp-x2/attack"] == 2.0 and told["unit/comp-x2/mode"] == 1.0
        assert {i.replace(".", "/") for i in LINEUP.params} <= set(told)
        rig.send("/comp-x2.atack", 1.0)
        rig.until(lambda: any("did you mean /comp-x2.attack?" in line for line in rig.said))
    finally:
        rig.close()


# --- what arrives ------------------------------------------------------------------------------
def test_a_message_changes_what_is_heard(rig):
    """-12 dB, said by a phone: the next blocks of the real chain are 12 dB down."""

    def level() -> float:
        source = np.full((BLOCK, 2), 0.25, "f4")
        out = np.empty_like(source)
        for _ in range(RATE // 10 // BLOCK):
            run_block(rig.bridge.record, source, out, 0)
        return rms(out)

    assert level() == pytest.approx(0.25, rel=1e-4)
    rig.send("/output.gain_db", -12.0)
    rig.until(lambda: rig.bridge.preset["output.gain_db"] == -12.0)
    assert level() == pytest.approx(0.25 * 10 ** (-12 / 20), rel=1e-3)
    rig.send("/unit/output.gain_db", 0.5)
    rig.until(lambda: rig.bridge.preset["output.gain_db"] == 0.0)
    assert level() == pytest.approx(0.25, rel=1e-3)


@pytest.mark.parametrize("spelling", ["{}", "unit/{}", "slashes", "unit/slashes"])
def test_every_value_is_moved_by_its_id(rig, spelling):
    for param in VALUES.values():
        name = param.id.replace(".", "/") if "slashes" in spelling else param.id
        unit = spelling.startswith("unit/")
        for position in (0.3, 0.7):
            value = position if unit else param.from_unit(position)
            rig.send(f"/{'unit/' if unit else ''}{name}", value)
            rig.until(lambda: abs(rig.controls.unit(param.id) - position) < 1e-5)  # noqa: B023
    assert set(rig.controls.state.overrides) == set(BY_ID)
    assert rig.osc.ignored == 0


@pytest.mark.parametrize("argument", [12, 12.0, ("d", 12.0), ("h", 12)])
def test_numbers_of_every_width_are_taken(rig, argument):
    if isinstance(argument, tuple):
        tag, value = argument
        body = struct.pack(">q" if tag == "h" else ">d", value)
        rig.client.send_raw(message("/comp.ratio", tags="," + tag) + body)
    else:
        rig.send("/comp.ratio", argument)
    rig.until(lambda: rig.value("comp.ratio") == 12.0)


def test_a_value_beyond_its_range_goes_to_the_end(rig):
    rig.send("/comp.ratio", 1e30)
    rig.until(lambda: rig.value("comp.ratio") == 20.0)
    rig.send("/unit/comp.ratio", -7.0)
    rig.until(lambda: rig.value("comp.ratio") == 1.0)


@pytest.mark.parametrize("action", [action.id for action in ACTIONS])
def test_a_button_is_pressed_once_and_its_release_is_ignored(rig, action):
    pressed = []
    rig.controls.on(action, lambda: pressed.append(action))
    for argument in ((), (1,), (1.0,), (True,), (127,)):
        rig.send("/" + action, *argument)
    for release in (0, 0.0, False):
        rig.send("/" + action, release)
    rig.settle()
    assert len(pressed) == 5 and rig.osc.ignored == 0


def test_buttons_do_what_they_say(rig):
    rig.send("/comp.ratio", 4.0)
    rig.send("/comp.knee_db", 5.0)
    rig.send("/revert/comp/ratio", 1)
    rig.until(lambda: dict(rig.controls.state.overrides) == {"comp.knee_db": 5.0})
    rig.send("/bypass")
    rig.until(lambda: rig.controls.state.bypassed)
    rig.until(lambda: rig.bridge.preset["comp.knee_db"] == 0.0)
    rig.send("/bypass", 0.0)
    rig.settle()
    assert rig.controls.state.bypassed
    rig.send("/bypass", 1.0)
    rig.until(lambda: not rig.controls.state.bypassed)
    rig.send("/panic")
    rig.until(lambda: rig.controls.state.panicked)


def test_what_is_sent_in_a_row_happens_in_that_order(rig):
    """A value, then a button: in one bundle or in datagrams that arrive together."""
    rig.client.send_raw(bundle(message("/comp.ratio", 4.0), message("/revert")))
    rig.client.send_raw(bundle(message("/comp.knee_db", 4.0)))
    rig.until(lambda: dict(rig.controls.state.overrides) == {"comp.knee_db": 4.0})


def test_a_program_change_has_a_number_and_perhaps_a_bank(rig):
    for arguments in ((5,), (5, 2), (7.0, 1.0)):
        rig.send("/program", *arguments)
    for wrong in ((), (128,), (-1,), (1.5,), (1, 16_384), (1, 2, 3), ("x",), (float("nan"),)):
        rig.send("/program", *wrong)
    rig.settle()
    assert rig.programs == [(0, 5), (2, 5), (1, 7)] and rig.osc.ignored == 8


def test_bundles_in_bundles_are_taken_apart_and_not_waited_for(rig):
    in_the_future = (4_200_000_000 << 32) + 1  # the year 2033
    inner = bundle(message("/comp.ratio", 3.0), message("/comp.knee_db", 9.0))
    rig.client.send_raw(bundle(inner, message("/dist.mix", 0.5), time_tag=in_the_future))
    rig.until(lambda: rig.value("dist.mix") == 0.5)
    assert (rig.value("comp.ratio"), rig.value("comp.knee_db")) == (3.0, 9.0)


# --- what is told ------------------------------------------------------------------------------
def test_an_address_without_an_argument_asks(rig):
    rig.controls.set("comp.threshold_db", -30.0)
    for address in ("/comp.threshold_db", "/unit/comp.threshold_db", "/bypassed", "/origin"):
        rig.send(address)
    told = dict(rig.client.told())
    assert told["comp.threshold_db"] == -30.0
    assert told["unit/comp.threshold_db"] == 0.5
    assert told["bypassed"] == 0.0 and told["origin"] == "neutral"


def test_sync_tells_everything_once(rig):
    rig.controls.set("comp.ratio", 3.5)
    rig.send("/sync")
    told = rig.client.told()
    assert len(told) == len(dict(told)) and set(dict(told)) == TOLD
    for target, param in VALUES.items():
        value = rig.value(target)
        assert dict(told)[target] == pytest.approx(value, rel=1e-6)
        assert dict(told)[f"unit/{target}"] == pytest.approx(param.to_unit(value), abs=1e-6)


def test_what_another_hand_changes_is_told(rig):
    rig.send("/morph")
    rig.client.told()
    rig.controls.set("comp.ratio", 3.0, "midi:knobs")
    assert sorted(dict(rig.client.told())) == ["comp.ratio", "unit/comp.ratio"]
    rig.controls.press("bypass", "keys")
    assert rig.client.told() == [("bypassed", 1.0)]
    rig.controls.load(Preset({"comp.ratio": 7.0}), "seven")
    told = dict(rig.client.told())
    assert told["comp.ratio"] == 7.0 and told["origin"] == "seven" and told["bypassed"] == 0.0


def test_no_echo_goes_to_who_made_the_change(rig):
    """A fader is told of nothing but what its own message does not say."""
    rig.send("/unit/comp.threshold_db", 0.25)
    assert rig.client.told() == [("comp.threshold_db", -45.0)]
    rig.send("/comp.threshold_db", -30.0)
    assert rig.client.told() == [("unit/comp.threshold_db", 0.5)]
    rig.send("/comp.threshold_db", -30.0)
    rig.send("/unit/comp.threshold_db", 0.5)
    assert rig.client.told(QUIET_S) == []


def test_a_client_that_repeats_all_it_is_told_comes_to_rest(rig):
    rig.controls.load(Preset({"eq1.freq_hz": 123.4, "comp.ratio": 3.3}), "other")
    rig.send("/sync")
    for _ in range(4):
        told = rig.client.told(QUIET_S)
        for address, value in told:
            rig.send("/" + address, value)
    assert told == []


def test_a_fader_beyond_the_range_is_called_back(rig):
    rig.send("/comp.ratio", 50.0)
    told = dict(rig.client.told())
    assert told == {"comp.ratio": 20.0, "unit/comp.ratio": 1.0}


def test_many_changes_are_told_as_few_and_the_last_one_wins(rig):
    rig.send("/morph")
    rig.client.told()
    began = time.monotonic()
    for step in range(400):
        rig.controls.set("comp.knee_db", 24.0 * step / 399, "midi:knobs")
        time.sleep(0.0005)
    seconds = time.monotonic() - began
    told: list[float] = []
    while 24.0 not in told and (news := rig.client.told()):  # a busy machine pauses
        told += [value for address, value in news if address == "comp.knee_db"]
    assert told[-1] == 24.0 and told == sorted(told)
    assert 2 <= len(told) <= 50 * seconds + 2


def test_who_writes_slashes_is_told_with_slashes(rig):
    rig.send("/comp/ratio", 2.0)
    assert [address for address, _ in rig.client.told()] == ["unit/comp/ratio"]
    rig.controls.set("eq1.gain_db", 3.0)
    assert {address for address, _ in rig.client.told()} == {"eq1/gain_db", "unit/eq1/gain_db"}


def test_a_named_client_is_told_all_at_once_and_whoever_sends_is_not():
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as phone:
        phone.bind(("127.0.0.1", 0))
        rig = Rig(reply=phone.getsockname())
        listening = Client(rig.osc.port)
        listening.socket.close()
        listening.socket = phone
        try:
            assert set(dict(listening.told())) == TOLD
            rig.controls.set("comp.ratio", 3.0, "midi:knobs")
            rig.send("/comp.knee_db", 9.0)
            told = dict(listening.told())
            assert told["comp.ratio"] == 3.0 and "unit/comp.knee_db" in told
            assert rig.client.told(QUIET_S) == []
        finally:
            rig.close()


def test_the_client_is_who_sent_last(rig):
    other = Client(rig.osc.port)
    rig.send("/morph")
    rig.client.told()
    other.send("/morph")
    other.told()
    rig.client.send_raw(b"no OSC at all")  # makes nobody the client
    rig.controls.set("comp.ratio", 3.0)
    assert dict(other.told())["comp.ratio"] == 3.0 and rig.client.told(QUIET_S) == []
    other.socket.close()
