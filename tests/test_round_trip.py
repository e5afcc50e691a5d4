"""--measure-latency through real loops, and the engine's own latency: none."""

from __future__ import annotations

import signal
import time

import jack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.round_trip import BURST_FRAMES, burst, find
from tests.conftest import JackServer
from tests.jack_rig import echo
from tests.live_rig import Live, afx_live
from tests.support import noise

SENT = burst()

pytestmark = pytest.mark.usefixtures("compiled")


def lay_cable(live: Live) -> None:
    """Connect afx-live's outputs to its inputs and to nothing else, as soon as they are there."""
    client = jack.Client("cable", no_start_server=True)
    limit = time.monotonic() + 20.0
    while len(client.get_ports("^afx-live:")) < 4:
        assert time.monotonic() < limit and live.process.poll() is None, live.end()
        time.sleep(0.01)
    outs = client.get_ports("^afx-live:", is_output=True)
    ins = client.get_ports("^afx-live:", is_input=True)
    for source, sink in zip(outs, ins, strict=True):
        client.connect(source, sink)
    client.close()


@pytest.mark.parametrize("jack_server", [(48_000, 128), (44_100, 512)], indirect=True)
def test_a_loop_takes_the_servers_own_period(jack_server: JackServer) -> None:
    with afx_live("--measure-latency", ready="") as live:
        lay_cable(live)
        status, out, err = live.end()
    assert status == 0, err
    period, rate = jack_server.period, jack_server.sample_rate  # what JACK holds a loop back by
    assert f"round trip  {period} frames, {1e3 * period / rate:.2f} ms at {rate} Hz\n" in out
    assert "driver says" in out and "unsteady" not in out


def test_without_a_cable_it_is_one_line(jack_server: JackServer) -> None:
    with afx_live("--measure-latency", ready="") as live:
        status, out, err = live.end()
    assert status == 1 and "round trip" not in out
    assert err.startswith("afx-live: the noise did not come back") and err.count("\n") == 1


@pytest.mark.parametrize("jack_server", [(48_000, 64), (48_000, 1024)], indirect=True)
def test_the_engine_adds_no_frame(jack_server: JackServer) -> None:
    # A loop through afx-live and back is held back by one period, as by any JACK client.
    x = np.zeros(32_768, np.float32)
    x[10_000] = 0.5
    with afx_live("--preset", "telephone", "--amount", 0) as live:
        y = echo(jack_server.name, x)
        status, _, err = live.end(signal.SIGINT)
    assert status == 0, err
    assert int(np.argmax(np.abs(y))) == 10_000 + jack_server.period
    assert np.abs(y).max() == pytest.approx(0.5, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    delay=st.integers(0, 20_000),
    gain_db=st.floats(-60.0, 20.0),
    sign=st.sampled_from([-1.0, 1.0]),
    snr_db=st.floats(-10.0, 60.0),
    channel=st.integers(0, 1),
    seed=st.integers(0, 1_000),
)
def test_the_burst_is_found_at_any_level_and_sign_under_louder_noise(
    delay: int, gain_db: float, sign: float, snr_db: float, channel: int, seed: int
) -> None:
    gain = 10.0 ** (gain_db / 20.0)
    rms = float(np.abs(SENT[0])) * gain
    heard = noise(BURST_FRAMES + 24_000, 2, rms * 10.0 ** (-snr_db / 20.0), seed)
    heard[delay : delay + len(SENT), channel] += sign * gain * SENT
    assert find(heard, SENT) == delay


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1_000), st.floats(0.0, 1.0))
def test_nothing_is_found_where_it_is_not(seed: int, rms: float) -> None:
    assert find(noise(BURST_FRAMES + 24_000, 2, rms, seed), SENT) is None
    other = np.repeat(np.concatenate([burst(seed + 1), np.zeros(24_000, "f4")])[:, None], 2, 1)
    assert find(other, SENT) is None
