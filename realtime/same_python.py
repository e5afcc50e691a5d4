"""How this program starts more of itself: the same Python, and the same package as here.

Standard library only.
"""

from __future__ import annotations

import os
import sys

# Nothing else is found in the folder where the package lies, or in the one the user stands in.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); import realtime; del sys.path[0]; "
    "from importlib import import_module; sys.exit(import_module(sys.argv.pop(1)).main())"
)
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# What libraries of arithmetic are told by to keep to one thread. So sums come out the same wherever
# they are taken, and no thread waits busily beside the audio.
ONE_THREAD = (
    "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
)  # fmt: skip


def command(module: str, *arguments: str) -> list[str]:
    """What to run for `main()` of this module in a process of its own; it exits with its result."""
    return [sys.executable, "-P", "-c", _START, _ROOT, module, *arguments]
