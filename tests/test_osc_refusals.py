"""OSC that means nothing, comes by the thousand or has nowhere to go: through a real socket."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.controls import Controls
from realtime.osc import Osc, OscError, parse_address
from realtime.params import BY_ID, TABLE
from realtime.preset import Preset
from realtime.targets import VALUES
from tests.osc_rig import TOLD, Rig, bundle, message


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    yield made
    made.close()


# --- what is refused ---------------------------------------------------------------------------
WRONG = {
    "no OSC": (b"hello", "no OSC"),
    "empty": (b"", "no OSC"),
    "text": (message("/comp.ratio", "3"), "'/comp.ratio' takes no argument of type 's'"),
    "blob": (message("/comp.ratio", b"\x01\x02"), "type 'b'"),
    "array": (message("/comp.ratio", tags=",[f]"), "type '['"),
    "nothing": (message("/comp.ratio", tags=",N"), "type 'N'"),
    "truth": (message("/comp.ratio", True), "true or false"),
    "not a number": (message("/comp.ratio", float("nan")), "cannot be nan"),
    "infinite": (message("/unit/comp.ratio", float("-inf")), "cannot be -inf"),
    "two": (message("/comp.ratio", 1.0, 2.0), "one argument, not 2"),
    "button of NaN": (message("/bypass", float("nan")), "'/bypass' cannot be nan"),
    "typo": (message("/comp.treshold_db", 1.0), "did you mean /comp.threshold_db?"),
    "pattern": (message("/comp.*", 1.0), "unknown address '/comp.*'"),
    "unit of a button": (message("/unit/bypass", 1.0), "unknown address '/unit/bypass'"),
    "only told": (message("/bypassed", 1.0), "is told, not set"),
    "bank": (message("/program", 3, -1), "'/program' takes"),
    "no end": (b"/comp.ratio", "cut off"),
    "cut off": (message("/comp.ratio", 1)[:-3], "cut off"),
    "no UTF-8": (b"/\xff\xfe\0,f\0\0\0\0\0\0", "garbled"),
    "long": (message("/" + "x" * 2_000, 1.0), "too long"),
    "bundle's head": (b"#bundle\0", "cut off"),
    "element of no size": (bundle(b""), "do not add up"),
    "element of negative size": (bundle() + struct.pack(">i", -4) + b"abcd", "do not add up"),
    "element beyond the end": (bundle() + struct.pack(">i", 400) + b"/x\0\0", "do not add up"),
    "good before bad": (bundle(message("/dist.mix", 1.0), b"oops"), "no OSC"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_means_nothing_is_counted_said_once_and_changes_nothing(rig, name):
    datagram, reason = WRONG[name]
    before = rig.bridge.preset
    rig.client.send_raw(datagram)
    rig.client.send_raw(datagram)
    rig.until(lambda: rig.osc.ignored == 2)
    assert rig.bridge.preset == before
    said = [line for line in rig.said if "ignored" in line]
    assert len(said) == 1 and reason in said[0] and len(said[0].splitlines()) == 1
    rig.send("/comp.ratio", 5.0)
    rig.until(lambda: rig.value("comp.ratio") == 5.0)


def test_bundles_without_end_are_refused(rig):
    deep = message("/dist.mix", 1.0)
    for _ in range(3_000):
        deep = bundle(deep)
    rig.client.send_raw(deep[:65_000])
    rig.client.send_raw(bundle(*[message("/sync")] * 2_000))
    rig.settle()
    assert rig.osc.ignored == 1
    assert len(rig.client.told()) < 4 * len(TOLD), "one datagram is not answered by thousands"


def test_too_much_nonsense_is_only_counted(rig):
    for number in range(100):
        rig.send(f"/nonsense/{number}")
    rig.until(lambda: rig.osc.ignored == 100)
    said = [line for line in rig.said if "ignored" in line]
    assert 1 < len(said) < 10 and "only counted" in said[-1]


def test_a_button_that_fails_takes_nothing_with_it(rig):
    def fail() -> None:
        raise RuntimeError("no space left\non device")

    rig.controls.on("save", fail)
    rig.send("/save")
    rig.send("/comp.ratio", 5.0)
    rig.until(lambda: rig.value("comp.ratio") == 5.0)
    assert any("'/save' no space left on device" in line for line in rig.said)


some_addresses = st.one_of(
    st.sampled_from([f"/{p.id}" for p in TABLE]),
    st.sampled_from(["/unit/amount", "/morph", "/bypass", "/revert", "/sync", "/program", "/"]),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20),
)
some_arguments = st.lists(
    st.one_of(
        st.floats(width=32), st.integers(-(2**31), 2**31 - 1), st.booleans(),
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5),
        st.binary(max_size=9),
    ),
    max_size=3,
)  # fmt: skip
some_messages = st.builds(lambda a, v: message(a, *v), some_addresses, some_arguments)
some_packets = st.recursive(
    some_messages, lambda inner: st.lists(inner, max_size=4).map(lambda e: bundle(*e)), max_leaves=8
)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A packet with a few bytes changed, and perhaps its end gone."""
    data = bytearray(draw(some_packets))
    for _ in range(draw(st.integers(0, 3))):
        if data:
            data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.integers(0, len(data)))])


def test_whatever_arrives_the_next_message_counts(rig):
    @settings(max_examples=250, deadline=None)
    @given(
        st.lists(st.one_of(some_packets, damaged(), st.binary(max_size=80)), min_size=1, max_size=4)
    )
    def check(datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            rig.client.send_raw(datagram)
        rig.settle()
        state = rig.controls.state
        assert all(param.contains(state.value(target)) for target, param in VALUES.items())
        assert all(BY_ID[i].contains(value) for i, value in rig.bridge.preset.items())
        assert all(len(line.splitlines()) == 1 and line.isprintable() for line in rig.said)

    check()


def test_a_flood_ends_with_the_last_value(rig):
    """Faster than anyone can set it: what was lost is lost, what is sent after it counts."""
    flood = [message("/unit/comp.threshold_db", step / 1_000) for step in range(1_000)]
    for _ in range(20):
        for datagram in flood:
            rig.client.send_raw(datagram)

    def calm() -> bool:
        before = rig.osc.messages
        time.sleep(0.1)
        return rig.osc.messages == before

    rig.until(calm)
    rig.send("/unit/comp.threshold_db", 1.0)
    rig.until(lambda: rig.bridge.preset["comp.threshold_db"] == 0.0)
    assert rig.osc.ignored == 0


# --- the port ----------------------------------------------------------------------------------
def test_close_is_quick_frees_the_port_and_may_be_repeated(rig):
    port = rig.osc.port
    assert any(thread.name == "osc" and thread.daemon for thread in threading.enumerate())
    began = time.monotonic()
    rig.osc.close()
    assert time.monotonic() - began < 1.0
    assert not any(thread.name == "osc" for thread in threading.enumerate())
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as other:
        other.bind(("127.0.0.1", port))
    rig.osc.close()


def unstarted(**options: object) -> Osc:
    controls = Controls(Preset.neutral(), lambda *_: None)
    return Osc(controls, say=lambda _: None, program=lambda *_: None, **{"port": 0, **options})


def test_a_port_in_use_is_one_line(rig):
    with pytest.raises(OscError, match=f"127.0.0.1:{rig.osc.port}: Address already in use"):
        unstarted(port=rig.osc.port).start()


@pytest.mark.parametrize(
    "options",
    [
        {"host": "no-such-host.invalid"},
        {"host": "a..b"},
        {"host": "x" * 300},
        {"host": "192.0.2.1"},
        {"reply": ("no-such-host.invalid", 9_000)},
    ],
)
def test_an_address_that_is_nowhere_is_one_line(options):
    osc = unstarted(**options)
    with pytest.raises(OscError) as caught:
        osc.start()
    assert len(str(caught.value).splitlines()) == 1
    osc.close()


def test_only_this_computer_is_listened_to_unless_asked_otherwise(rig):
    assert rig.said == [f"OSC at 127.0.0.1:{rig.osc.port}"]
    wide = Rig(host="0.0.0.0")
    wide.close()
    assert wide.said[0].endswith("for anyone in the network")


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6():
    try:
        rig = Rig(host="::1")
    except OscError as error:
        pytest.skip(str(error))
    rig.send("/comp.ratio", 3.0)
    assert dict(rig.client.told()) == {"unit/comp.ratio": pytest.approx(0.3667, abs=1e-3)}
    assert rig.said == [f"OSC at [::1]:{rig.osc.port}"]
    rig.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9000", ("127.0.0.1", 9_000)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:65535", ("::1", 65_535)),
        ("[fe80::1%eth0]:9000", ("fe80::1%eth0", 9_000)),
        ("stage.local:9000", ("stage.local", 9_000)),
    ],
)
def test_an_address_is_a_port_or_a_host_and_a_port(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no port"),
        ("host", "'host' is no port"),
        ("host:", "'' is no port"),
        (":9000", "not [HOST:]PORT"),
        ("[]:9000", "not [HOST:]PORT"),
        ("a b:9000", "not [HOST:]PORT"),
        ("http://x:9000", "in brackets"),
        ("::1", "in brackets"),
        ("::1:9000", "in brackets"),
        ("[::1]", "in brackets"),
        ("x:0", "1 to 65535"),
        ("x:65536", "1 to 65535"),
        ("x:-1", "1 to 65535"),
        ("x:9 000", "1 to 65535"),
        ("x:²", "1 to 65535"),
        ("x:" + "9" * 5_000, "1 to 65535"),
    ],
)
def test_an_address_that_is_none_is_refused(text, said):
    with pytest.raises(OscError) as caught:
        parse_address(text)
    assert said in str(caught.value) and len(str(caught.value).splitlines()) == 1


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_an_error_of_one_line(text):
    try:
        host, port = parse_address(text)
    except OscError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert host and 1 <= port <= 65_535
