"""Real plugins for the tests: Debian's zam-plugins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path("/usr/lib/vst3")


def zam(name: str) -> str:
    """The path of one of them; skips the test where they are not installed, never in CI."""
    path = FOLDER / f"{name}.vst3"
    if not path.exists():
        if os.environ.get("CI"):
            pytest.fail(f"no {path}: apt-get install zam-plugins")
        pytest.skip(f"no {path}: apt-get install zam-plugins")
    return str(path)
