"""Between the command and the sound: compiling, and how the program is stopped."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from realtime.voice import Voice

_COMPILE_NOTICE_SECONDS = 3.0  # loading what is compiled takes less, on a busy laptop too
_TICK_SECONDS = 1.0


def compile_chain(voice: Voice) -> None:
    """Load the compiled chain; the first time ever, say why it takes so long and how far it is."""
    from realtime.callback import compile_all

    began = time.perf_counter()
    finished = threading.Event()
    steps: list[str] = []

    def tell() -> None:
        told = 0
        if finished.wait(_COMPILE_NOTICE_SECONDS):
            return
        while not finished.wait(_TICK_SECONDS):
            now = f"compiling the audio chain, once: {steps[-1]}"
            if voice.lively:
                voice.status(f"{now}, {time.perf_counter() - began:.0f} s")
            elif told < len(steps):
                told = len(steps)
                voice.say(now)

    teller = threading.Thread(target=tell, daemon=True)
    steps.append("starting")
    teller.start()
    try:
        compile_all(
            progress=lambda name, index, count: steps.append(f"{name} ({index + 1} of {count})")
        )
    finally:
        finished.set()
        teller.join()
        voice.close()


@contextlib.contextmanager
def stop_on_signals(stop: threading.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM sets `stop`; a second one ends at once."""
    old: dict[signal.Signals, Any] = {}

    def handle(number: int, _: object) -> None:
        stop.set()
        signal.signal(number, old[signal.Signals(number)])

    for number in (signal.SIGINT, signal.SIGTERM):
        old[number] = signal.getsignal(number)
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
