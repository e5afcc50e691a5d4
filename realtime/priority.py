"""Whether the audio thread is ahead of everything else on this machine, and if not, why."""

from __future__ import annotations

import ctypes
import sys

_POLICIES = {1: "SCHED_FIFO", 2: "SCHED_RR"}
_RESET_ON_FORK = 0x40000000  # Linux may add it to the policy


class _SchedulingParameters(ctypes.Structure):
    _fields_ = (("priority", ctypes.c_int), ("opaque", ctypes.c_char * 60))


def audio_priority(thread: int, host: str) -> str:
    """The scheduling of the audio thread, for a person, and what to do if it is the ordinary one.

    thread: as the callback saw itself (`pthread_self`), while its stream runs. host: the driver
    system. On Linux the thread itself is asked; Core Audio and the Windows systems always raise
    theirs, in ways of their own.
    """
    if not sys.platform.startswith("linux"):
        return f"as {host} gives it"
    policy, parameters = ctypes.c_int(), _SchedulingParameters()
    ask = ctypes.CDLL(None).pthread_getschedparam
    ask.argtypes = (ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)
    if ask(thread, ctypes.byref(policy), ctypes.byref(parameters)):
        return "unknown: the audio thread has gone"
    name = _POLICIES.get(policy.value & ~_RESET_ON_FORK)
    if name is not None:
        return f"real-time ({name}, priority {parameters.priority})"
    return f"ordinary, not real-time: {_remedy(host)}"


def _remedy(host: str) -> str:
    import os
    import resource

    if os.geteuid() and not resource.getrlimit(resource.RLIMIT_RTPRIO)[0]:
        return "this user may not have it ('ulimit -r' is 0; the group audio often may)"
    if "JACK" in host:
        return "the JACK server runs without it, 'jackd -R' gives it"
    return f"{host} did not give it"
