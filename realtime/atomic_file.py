"""Files that are whole or as they were: a kill in the middle leaves the old one.

Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


def temporary_beside(target: Path) -> tuple[int, str]:
    """An open, empty file in the folder of `target`: its descriptor and name. Raises: OSError"""
    return tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")


def publish(temporary: str, target: Path) -> None:
    """Move a finished `temporary` into `target`'s place, on disk, as readable as any new file.

    Raises: OSError
    """
    descriptor = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)
    os.replace(temporary, target)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 text to `path`, through a link to what it points to. Raises: OSError"""
    target = Path(os.path.realpath(path))
    handle, temporary = temporary_beside(target)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        publish(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
