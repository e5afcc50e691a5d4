"""Keeps Numba's on-disk cache true to the source.

Numba looks only at the file of the function it loads, not at the files of the functions that
were compiled into it: after an edit of one effect, the cached chain would go on with the old
one. So the cache of this package goes whenever any source of a kernel has changed.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent
# What is compiled, and the modules whose constants are compiled in.
_COMPILED = (
    "arrays.py", "native.py", "params.py", "coefficients.py", "ramps.py", "chain.py", "bridge.py",
    "callback.py",
    "plugins/setting.py", "plugins/record.py", "plugins/rings.py",
)  # fmt: skip


def drop_stale_kernels() -> None:
    """Delete this package's cached kernels unless they were made from their sources as they are.

    Does nothing where the package's folder cannot be written: there Numba caches elsewhere, and
    the sources do not change.
    """
    sources = [*(_PACKAGE / name for name in _COMPILED), *sorted(_PACKAGE.glob("dsp/*.py"))]
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    stamp = _PACKAGE / "__pycache__" / "kernels.sha256"
    with contextlib.suppress(OSError):
        if stamp.exists() and stamp.read_text() == digest.hexdigest():
            return
        for cached in _PACKAGE.glob("**/__pycache__/*.nb[ic]"):
            cached.unlink(missing_ok=True)
        stamp.parent.mkdir(exist_ok=True)
        stamp.write_text(digest.hexdigest())
