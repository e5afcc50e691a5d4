"""A session without sound for the tests of the screen: the state and the screen are the real ones.

usage: python -m tests.screen.playing WHAT_HAPPENS
"""

from __future__ import annotations

import signal
import sys
import threading

from realtime.controls import Controls
from realtime.meters import Meters
from realtime.midi.status import MidiStatus
from realtime.preset import load_preset
from realtime.screen.screen import Screen


def main(happens: str) -> None:
    controls = Controls(load_preset("hall"), lambda preset, fade_ms: None, origin="preset 'hall'")
    stop, set_list = threading.Event(), ["1/2  < hall | crunch >"]
    controls.on("save", lambda: set_list.clear())  # the line about it is gone: drawing fails
    if happens == "handled":
        signal.signal(signal.SIGTERM, lambda number, frame: stop.set())
    screen = Screen(
        controls,
        midi=lambda: MidiStatus(ports=("KNOBS",), last="CC 14 -> comp.threshold_db"),
        set_list=lambda: set_list[0],
        stop=stop.set,
        output=sys.stderr,
    )
    screen.start()
    screen.say("audio running")
    blocks = 0
    while not stop.wait(0.05):
        blocks += 1
        screen.show(
            Meters(
                in_dbfs=(-20.0 - blocks % 3, -30.0),
                out_dbfs=(-6.0, -90.0),
                gain_reduction_db=3.2,
                style="styled",
                seconds=0.05 * blocks,
                latency_ms=5.3,
                sample_rate=48_000,
                late_blocks=0,
                underflows=0,
                overflows=0,
                dsp_load=0.12,
            )
        )
        if blocks == 10 and happens == "crash":
            raise RuntimeError("what nobody foresaw")
        if blocks == 10 and happens == "exit":
            sys.exit(3)
    screen.close()
    state = controls.state
    print(f"ended bypassed={state.bypassed} overrides={dict(state.overrides)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
