"""Whether a plugin that runs does its work: what the words it shares with the host tell."""

from __future__ import annotations

import time

import numpy as np

from realtime.plugins.record import FED

_HANG_SECONDS = 1.0  # with sound to work on and nothing done
_NOISE_SECONDS = 1.0  # of blocks that all hold what is no sound
_LOOK_SECONDS_MAX = 0.1  # that count between two looks: we may have been asleep


class Watch:
    """Looks at one record of RECORD, some twenty times a second."""

    def __init__(self, record: np.void) -> None:
        self._record = record
        self.begin()

    def begin(self) -> None:
        """A process takes up work: what was before does not count."""
        self._looked = time.monotonic()
        self._stuck = self._noisy = 0.0
        self._seen = self._counts()

    def _counts(self) -> tuple[int, int, int]:
        host = self._record["host"]
        fed = int(self._record["plugin"]["words"][FED])
        return int(host["sent"][0]), fed, int(host["nonfinite_blocks"])

    def trouble(self) -> str:
        """What is wrong with it, for a person; "" if nothing is."""
        now = time.monotonic()
        passed, self._looked = min(now - self._looked, _LOOK_SECONDS_MAX), now
        (sent, fed, wrong), (sent_before, fed_before, wrong_before) = self._counts(), self._seen
        self._seen = sent, fed, wrong
        if sent > sent_before:  # without sound there is nothing to do, and nothing to return
            self._stuck = self._stuck + passed if fed == fed_before else 0.0
            self._noisy = self._noisy + passed if wrong > wrong_before else 0.0
        if self._stuck > _HANG_SECONDS:
            return "hangs"
        return "returns what is no sound" if self._noisy > _NOISE_SECONDS else ""
