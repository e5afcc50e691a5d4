"""JACK knows eight servers a machine, in shared memory, and never forgets one that was killed."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

_REGISTRY = Path("/dev/shm/jack-shm-registry")
_HEAD_BYTES = 4096
_PID_BYTES = 4


def free_slots_of_the_dead() -> None:
    """Give back the slots of servers whose process is gone, where there is such a registry.

    An entry is the server's pid, in the machine's order of bytes, and its name behind it.
    """
    with contextlib.suppress(OSError), _REGISTRY.open("r+b") as registry:
        head = registry.read(_HEAD_BYTES)
        for name in re.finditer(rb"jack-\d+:[ -~]+", head):
            at = name.start() - _PID_BYTES
            pid = int.from_bytes(head[at : name.start()], "little", signed=True)
            if pid > 0 and not Path(f"/proc/{pid}").exists():
                registry.seek(at)
                registry.write(bytes(_PID_BYTES))
