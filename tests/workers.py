"""How the tests are shared out to workers side by side: by file, and all sound to one worker."""

from __future__ import annotations

import functools

from xdist.scheduler import LoadScopeScheduling

from tests.conftest import ROOT

# One test at a time, as what plays in real time makes others late, and is made late by them.
SOUND = ("jack_server", "pytest.mark.sound")
# One worker's, as its processes compile kernels of their own: see `pytest_configure`.
TRAINING = "tests/offline_train/"


@functools.cache
def share(file: str) -> str:
    """What the tests of a file belong to; of it, all are one worker's."""
    if file.startswith(TRAINING):
        return TRAINING
    text = (ROOT / file).read_text(encoding="utf-8")
    return "sound" if any(word in text for word in SOUND) else file


class Shares(LoadScopeScheduling):
    """Gives a worker the next share when it is nearly through with its last."""

    def _split_scope(self, nodeid: str) -> str:
        return share(nodeid.partition("::")[0])
