"""The reverb across a change of preset: what rings goes on ringing, what is gone stays gone."""

from __future__ import annotations

import numpy as np
import pytest

from realtime.chain import Chain
from realtime.preset import Preset
from tests.support import cut, in_blocks, noise, rms, to_db

RATE = 48_000
HALL = Preset(
    {**Preset.neutral(), "reverb.room_size": 0.6, "reverb.damping": 0.3, "reverb.wet": 0.5}
)


def played(preset, seconds=0.5):
    """A chain into whose reverb `preset` has sent noise for a while."""
    chain = Chain(RATE, 2, preset)
    chain.process(noise(round(seconds * RATE), 2, 0.1))
    return chain


def listen(chain, seconds, block=512, sound=None):
    x = np.zeros((round(seconds * RATE), 2), "f4") if sound is None else sound
    return in_blocks(chain.process, x, cut(len(x), block))


@pytest.mark.parametrize("block", [16, 512])
@pytest.mark.parametrize("predelay_ms", [0.0, 150.0])
def test_a_preset_without_reverb_lets_the_tail_ring_on(predelay_ms, block):
    """The tail that the first preset would have had, to the last bits, its pre-delay included."""
    hall = HALL.with_values({"reverb.predelay_ms": predelay_ms})
    stays, changes = played(hall), played(hall)
    elsewhere = {"reverb.room_size": 0.2, "reverb.damping": 0.9, "reverb.predelay_ms": 0.0}
    changes.set_preset(hall.with_values({"reverb.wet": 0.0, **elsewhere}))
    expected = listen(stays, 1.0, block)
    assert rms(expected[-RATE // 4 :]) > 3e-4
    np.testing.assert_allclose(listen(changes, 1.0, block), expected, atol=1e-9)


def test_the_new_song_is_dry_above_the_old_tail():
    """It plays as if alone, plus the tail: nothing of it is sent once `wet` has arrived at 0."""
    dry = HALL.with_values({"reverb.wet": 0.0})
    stays, changes = played(HALL), played(HALL)
    changes.set_preset(dry)
    listen(stays, 0.1), listen(changes, 0.1)
    song = noise(RATE, 2, 0.1, seed=1)
    np.testing.assert_allclose(
        listen(changes, 1.0, sound=song), song + listen(stays, 1.0), atol=1e-6
    )


@pytest.mark.parametrize("rate", [8_000, 44_100, 192_000])
def test_room_size_zero_empties_the_reverb_at_every_rate(rate):
    chain = Chain(rate, 2, HALL)
    chain.process(noise(rate // 2, 2, 0.1))
    loud = rms(chain.process(np.zeros((rate // 50, 2), "f4")))
    chain.set_preset(HALL.with_values({"reverb.wet": 0.0, "reverb.room_size": 0.0}))
    chain.process(np.zeros((rate // 4, 2), "f4"))
    assert to_db(rms(chain.process(np.zeros((rate // 50, 2), "f4"))) / loud) < -60.0


def test_a_song_of_its_own_room_gets_it_after_one_that_sends_nothing():
    """From a hall over a dry preset to a small room: as if the room had always been there."""
    room = HALL.with_values({"reverb.room_size": 0.2})
    chain, always = played(HALL), Chain(RATE, 2, room)
    chain.set_preset(room.with_values({"reverb.wet": 0.0}))
    listen(chain, 3.0)
    chain.set_preset(room)
    listen(chain, 3.0)
    song = noise(RATE // 2, 2, 0.1, seed=2)
    np.testing.assert_allclose(
        listen(chain, 0.5, sound=song), listen(always, 0.5, sound=song), atol=1e-3
    )


def test_the_tail_takes_the_new_rooms_time():
    """From 1.6 s to 0.32 s: 60 dB in about that. There is one reverb, and it has two to serve."""
    chain = played(HALL)
    chain.set_preset(HALL.with_values({"reverb.room_size": 0.25}))
    y = listen(chain, 0.5)
    fallen = to_db(rms(y[: RATE // 50])) - to_db(rms(y[round(0.32 * RATE) :][: RATE // 50]))
    assert fallen == pytest.approx(60.0, abs=12.0)


@pytest.mark.parametrize("predelay_ms", [0.0, 150.0])
def test_neutral_ends_the_tail_and_it_does_not_come_back(predelay_ms):
    """Bypass and panic: 60 dB down 0.16 s behind the pre-delay, and so it stays."""
    hall = HALL.with_values({"reverb.predelay_ms": predelay_ms})
    chain = played(hall)
    loud = rms(listen(chain, 0.02))
    chain.set_preset(Preset.neutral())
    listen(chain, 0.16 + predelay_ms / 1e3)
    assert to_db(rms(listen(chain, 0.05)) / loud) < -60.0
    chain.set_preset(hall)
    assert to_db(np.abs(listen(chain, 2.0)).max() / loud) < -60.0


def test_what_plays_past_a_neutral_chain_is_not_in_the_reverb_later():
    chain = Chain(RATE, 2, HALL)
    chain.set_preset(Preset.neutral(), fade_ms=0.0)
    listen(chain, 0.5, sound=noise(RATE // 2, 2, 0.1))
    chain.set_preset(HALL)
    assert np.abs(listen(chain, 1.0)).max() < 1e-9


def test_once_the_tail_is_gone_neutral_gives_the_input_back():
    chain = played(HALL)
    chain.set_preset(Preset.neutral())
    listen(chain, 1.0)
    song = noise(RATE // 4, 2, 0.1)
    assert np.abs(listen(chain, 0.25, sound=song) - song).max() <= 2.0**-24
