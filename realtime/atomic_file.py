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


def publish(temporary: str, target: Path, *, new: bool = False) -> None:
    """Move a finished `temporary` into `target`'s place, on disk, as readable as any new file.

    new: leave a `target` alone that is there already. Raises: OSError, FileExistsError then.
    """
    descriptor = os.open(temporary, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(temporary, 0o666 & ~umask)
    if new and _linked(temporary, target):
        os.unlink(temporary)
    else:
        os.replace(temporary, target)


def _linked(temporary: str, target: Path) -> bool:
    """Take the name `target`; False where an empty file has it now, to be replaced.

    Raises: OSError, FileExistsError where somebody has it.
    """
    try:
        os.link(temporary, target)  # unlike a rename, it never replaces
    except FileExistsError:
        raise
    except OSError:  # a file system without links, as on most USB sticks
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        return False
    return True


def write_text(path: str | os.PathLike[str], text: str, *, new: bool = False) -> None:
    """Write UTF-8 text to `path`, through a link to what it points to.

    new: only where nothing is yet. Raises: OSError, FileExistsError where something is.
    """
    target = Path(os.path.realpath(path))
    handle, temporary = temporary_beside(target)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        publish(temporary, target, new=new)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
