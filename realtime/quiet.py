"""Keep C libraries that talk to stderr from talking over our one line. Standard library only."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Send file descriptor 2 to nowhere for a moment.

    PortAudio, JACK, ALSA and the MP3 decoder print their own diagnostics there; ours are
    exceptions. Process-wide: hold it briefly, and not while another thread has to speak.
    """
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # started with stderr closed: nothing to keep quiet
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
