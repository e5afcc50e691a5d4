"""The exchange between the audio thread and a plugin's process: never a wait, always a sound.

The audio thread writes what goes into the plugin, and reads what came out of it `delay` frames
ago; the dry sound is delayed alike. The plugin has to be RESERVE frames ahead. Where it is not,
or where it returned what is no sound, the reserve is faded out and the dry sound in: a linear
fade over RESERVE frames, which changes a sample by at most |wet - dry| / RESERVE more than the
two sounds do by themselves. Nobody is woken, since that is a call to the system: the plugin's
process knows when to look. Everything here is [audio-thread].
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numba import from_dtype, njit, types
from numba.extending import intrinsic

from realtime.dsp.blocks import CHUNK, join, split
from realtime.dsp.intrinsics import JIT, frame_f32, scratch_f32, shaped
from realtime.native import atomic_load, atomic_store, this_thread
from realtime.plugins.record import (
    BYPASSED,
    DELAY,
    LOUDEST,
    MIX,
    MIX_FRAMES_SHIFT,
    MIX_ONE,
    RECORD,
    RESERVE,
    RETAP,
    RETURNED,
    RING_FRAMES,
    RISE,
    VALID_FROM,
)
from realtime.plugins.setting import POINTS

INSERTS_MAX = 8  # plugins at one point of the chain
INSERTS = (len(POINTS), INSERTS_MAX)

_PAIR = 2 * CHUNK
_MASK = RING_FRAMES - 1
_LATE, _NONFINITE, _DRY = 1, 2, 4
_FALL = 1.0 / RESERVE
_LIMIT = np.float32(LOUDEST)


@intrinsic
def _record_at(typingctx, address):
    """The record of RECORD that lies at an address."""
    record = from_dtype(RECORD)

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], context.get_value_type(record))

    return record(types.int64), codegen


@njit(**JIT)
def _write(ring, at, audio, frames):
    """Put a chunk into a ring from position `at` on."""
    for channel in range(audio.shape[0]):
        samples, kept = audio[channel], ring[channel]
        first = at & _MASK
        head = min(frames, RING_FRAMES - first)
        for i in range(head):
            kept[first + i] = samples[i]
        for i in range(head, frames):
            kept[i - head] = samples[i]


@njit(**JIT)
def _sound(ring, at, frames, channels):
    """How many frames from position `at` on are sound, `frames` at most."""
    count = frames
    for channel in range(channels):
        kept = ring[channel]
        wrong = 0
        for i in range(count):
            wrong += 0 if abs(kept[(at + i) & _MASK]) <= _LIMIT else 1
        if wrong:
            i = 0
            while abs(kept[(at + i) & _MASK]) <= _LIMIT:
                i += 1
            count = i
    return count


@njit(**JIT)
def _take_mix(host):
    """Begin the way to another mix, if one was asked for."""
    word = atomic_load(host.words, MIX)
    if word != host.mix_word:
        host.mix_word = word
        host.mix_end = (word & (2 * MIX_ONE - 1)) / MIX_ONE
        host.mix_left = word >> MIX_FRAMES_SHIFT
    if host.mix_left == 0:
        host.mix = host.mix_end


@njit(**JIT)
def _blend(record, at, audio, frames, gain_step):
    """audio = dry and wet from position `at` on, along the ramps of gain and mix."""
    host = record.host
    first = at & _MASK
    head = min(frames, RING_FRAMES - first)
    left = max(host.mix_left, 1)
    gain, gain_by = np.float32(host.gain), np.float32(gain_step)
    mix, mix_by = np.float32(host.mix), np.float32((host.mix_end - host.mix) / left)
    mix_frames, mix_end = np.int32(host.mix_left), np.float32(host.mix_end)
    one, none = np.float32(1.0), np.float32(0.0)
    for channel in range(audio.shape[0]):
        samples, dry, wet = audio[channel], host.audio[channel], record.plugin.audio[channel]
        for part in range(2):
            start, stop = (0, head) if part == 0 else (head, frames)
            shift = first if part == 0 else -head
            for i in range(start, stop):
                step = frame_f32(i + 1)
                g = min(max(gain + gain_by * step, none), one)
                m = mix + mix_by * step if np.int32(i) + 1 < mix_frames else mix_end
                w = g * m
                samples[i] = (one - w) * dry[shift + i] + w * wet[shift + i]


@njit(**JIT)
def _dry(host, at, audio, start, frames):
    """audio[start:frames] = dry from position at + start on."""
    for channel in range(audio.shape[0]):
        samples, kept = audio[channel], host.audio[channel]
        for i in range(start, frames):
            samples[i] = kept[(at + i) & _MASK]


@njit(**JIT)
def _retap(host, sent, audio, frames):
    """audio = dry at the one delay, fading to dry at the other."""
    old, new = sent - host.delay, sent - host.next_delay
    for channel in range(audio.shape[0]):
        samples, kept = audio[channel], host.audio[channel]
        for i in range(frames):
            part = np.float32(min((host.retap_at + i) / RETAP, 1.0))
            before, after = kept[(old + i) & _MASK], kept[(new + i) & _MASK]
            samples[i] = (np.float32(1.0) - part) * before + part * after
    host.retap_at += frames
    if host.retap_at >= RETAP:
        host.retap_at = 0
        host.delay = host.next_delay


@njit(**JIT)
def _exchange(record, audio, frames):
    """Send a chunk to the plugin, and replace it by what is due: float32 (channels, CHUNK)."""
    host = record.host
    sent = host.sent[0]
    _write(host.audio, sent, audio, frames)
    atomic_store(host.sent, 0, sent + frames)
    _take_mix(host)

    at = sent - host.delay
    words = record.plugin.words
    returned = atomic_load(words, RETURNED)
    whole = frames + RESERVE
    if atomic_load(words, VALID_FROM) <= at:  # else it skipped: what was there stays there
        host.known = returned
    there = max(min(host.known - at, whole), 0)
    good = _sound(record.plugin.audio, at, there, audio.shape[0])
    bypassed = atomic_load(host.words, BYPASSED) != 0
    wanted = atomic_load(host.words, DELAY)
    stays = wanted == host.delay and host.retap_at == 0
    if stays and not bypassed:
        host.faults |= (_LATE if there < whole else 0) | (_NONFINITE if good < there else 0)

    if host.gain == 0.0 and not stays:
        if host.retap_at == 0:
            host.next_delay = wanted
        _retap(host, sent, audio, frames)
    else:
        step = 1.0 / RISE if good == whole and stays and not bypassed else -_FALL
        wet = min(good, frames) if host.gain > 0.0 or step > 0.0 else 0
        _blend(record, at, audio, wet, step)
        _dry(host, at, audio, wet, frames)
        host.gain = min(max(host.gain + step * frames, 0.0), 1.0)
        if wet < frames:
            host.gain = 0.0
    if host.gain < 1.0 and not bypassed:
        host.faults |= _DRY

    done = min(frames, host.mix_left)
    if done:
        host.mix += (host.mix_end - host.mix) / host.mix_left * done
        host.mix_left -= done


@njit(**JIT)
def exchange_chunk(audio, frames, addresses):
    """One chunk through the plugins at one point, in place.

    audio: float32 (channels, CHUNK), of which `frames` are sound
    addresses: int64 (INSERTS_MAX,), of records of RECORD; 0 ends them
    """
    for i in range(INSERTS_MAX):
        address = atomic_load(addresses, i)
        if address == 0:
            break
        _exchange(_record_at(address), audio, frames)


@njit(**JIT)
def exchange_block(x, addresses):
    """The same for float32 (frames, channels), of any number of frames."""
    frames, channels = x.shape
    audio = shaped(scratch_f32(_PAIR), (channels, CHUNK))
    for start in range(0, frames, CHUNK):
        count = min(CHUNK, frames - start)
        piece = x[start : start + count]
        split(piece, audio)
        exchange_chunk(audio, count, addresses)
        join(audio, piece, 1.0, 1.0)


@njit(**JIT)
def end_of_block(frames, inserts):
    """Count, for every plugin, what this block of so many frames was.

    inserts: int64 (points, INSERTS_MAX)
    """
    for point in range(inserts.shape[0]):
        for i in range(INSERTS_MAX):
            address = atomic_load(inserts[point], i)
            if address == 0:
                break
            host = _record_at(address).host
            host.late_blocks += host.faults & _LATE
            host.nonfinite_blocks += (host.faults & _NONFINITE) // _NONFINITE
            host.dry_blocks += (host.faults & _DRY) // _DRY
            host.faults = 0
            host.thread = this_thread()
            host.largest_block = max(host.largest_block, frames)


def insert(state: np.void, plugins: Iterable[tuple[str, int]]) -> None:
    """Have the sound go through these plugins, in this order, and no others.

    plugins: a point of POINTS and the address of a record (`realtime.plugins.record`) each, which
    must stay where it is until the next call and the end of the block that runs then.
    state: record of the chain's state.
    Raises: ValueError if one point has more than INSERTS_MAX.
    """
    inserts = np.zeros(INSERTS, np.int64)
    for point, address in plugins:
        row = inserts[POINTS.index(point)]
        if row[-1]:
            raise ValueError(f"more than {INSERTS_MAX} plugins at {point}")
        row[np.count_nonzero(row)] = address
    state["inserts"] = inserts
    state["inserted"] = bool(inserts.any())
