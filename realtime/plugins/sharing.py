"""What two processes share: memory and semaphores without a name that could stay behind.

Both have one only until the other side has opened them. POSIX: Linux and macOS.
"""

from __future__ import annotations

import _posixshmem
import contextlib
import fcntl
import mmap
import os
import secrets
import signal
import threading
from _multiprocessing import SemLock, sem_unlink

import numpy as np

from realtime.plugins.record import HOST_BYTES, HOST_SIDE, PLUGIN_SIDE, RECORD

_COUNTING = 1  # multiprocessing's SEMAPHORE, not its recursive lock
_COUNT_MAX = SemLock.SEM_VALUE_MAX
_FENCE = threading.Lock()


def _new_name() -> str:
    return f"/afx-{os.getpid()}-{secrets.token_hex(6)}"


def create_memory() -> int:
    """A file descriptor of memory for one RECORD, all zero."""
    name = _new_name()
    descriptor = _posixshmem.shm_open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode=0o600)
    _posixshmem.shm_unlink(name)
    os.ftruncate(descriptor, RECORD.itemsize)
    return descriptor


def close_memory(descriptor: int) -> None:
    """Give it up; it goes once nobody has it mapped any more."""
    os.close(descriptor)


def map_record(descriptor: int) -> np.ndarray:
    """The whole record, structured array of one, for the host; every page of it is there."""
    memory = np.frombuffer(mmap.mmap(descriptor, RECORD.itemsize), RECORD)
    memory.view(np.uint8)[:] = 0
    return memory


def map_sides(descriptor: int) -> tuple[np.ndarray, np.ndarray]:
    """The host's side for reading only, and the plugin's: structured arrays of one."""
    host = mmap.mmap(descriptor, HOST_BYTES, access=mmap.ACCESS_READ)
    plugin = mmap.mmap(descriptor, RECORD.itemsize - HOST_BYTES, offset=HOST_BYTES)
    return np.frombuffer(host, HOST_SIDE, 1), np.frombuffer(plugin, PLUGIN_SIDE, 1)


def fence() -> None:
    """All that this thread wrote before is there for others before what it writes from here on.

    A release followed by an acquire of one lock, on every processor that Python runs on.
    """
    with _FENCE:
        pass
    with _FENCE:
        pass


def create_semaphore() -> tuple[SemLock, str]:
    """A semaphore at 0, and the name by which one other process may open it."""
    name = _new_name()
    return SemLock(_COUNTING, 0, _COUNT_MAX, name, False), name


def open_semaphore(name: str) -> SemLock:
    """The semaphore of this name, which is gone then."""
    semaphore = SemLock._rebuild(0, _COUNTING, _COUNT_MAX, name)
    forget_semaphore(name)
    return semaphore


def forget_semaphore(name: str) -> None:
    """Have nobody open it any more."""
    with contextlib.suppress(FileNotFoundError):
        sem_unlink(name)


def end_with(descriptor: int) -> None:
    """Be killed when the other end of this pipe closes, whatever this process is doing then.

    Linux. Elsewhere a process that hangs in a plugin hears of it only when the plugin returns.
    """
    if hasattr(fcntl, "F_SETSIG"):
        fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
        flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_ASYNC)
