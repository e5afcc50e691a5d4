"""Whether the audio thread is ahead of everything else on this machine, and if not, why."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading

_NICE = 15
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
    asked = _scheduling(thread)
    if asked is None:
        return "unknown: the audio thread has gone"
    policy, priority = asked
    name = _POLICIES.get(policy)
    if name is not None:
        return f"real-time ({name}, priority {priority})"
    return f"ordinary, not real-time: {_remedy(host)}"


def run_below(process: int, thread: int) -> None:
    """Give another process the real-time priority under this thread's.

    Nothing where the thread has none, or this user may not give it. Linux.
    """
    import os

    asked = _scheduling(thread) if sys.platform.startswith("linux") else None
    if asked is None or asked[0] not in _POLICIES or asked[1] < 2:
        return
    with contextlib.suppress(OSError):
        policy = os.SCHED_FIFO | os.SCHED_RESET_ON_FORK
        os.sched_setscheduler(process, policy, os.sched_param(asked[1] - 1))


def _scheduling(thread: int) -> tuple[int, int] | None:
    """Policy and priority of one of this process's threads; None if there is no such thread."""
    policy, parameters = ctypes.c_int(), _SchedulingParameters()
    ask = ctypes.CDLL(None).pthread_getschedparam
    ask.argtypes = (ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p)
    if ask(thread, ctypes.byref(policy), ctypes.byref(parameters)):
        return None
    return policy.value & ~_RESET_ON_FORK, parameters.priority


def step_back() -> None:
    """Let everything else go before this thread and those that it starts, where that can be said
    of a thread: on Linux."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)


def _remedy(host: str) -> str:
    import resource

    if os.geteuid() and not resource.getrlimit(resource.RLIMIT_RTPRIO)[0]:
        return "this user may not have it ('ulimit -r' is 0; the group audio often may)"
    if "JACK" in host:
        return "the JACK server runs without it, 'jackd -R' gives it"
    return f"{host} did not give it"
