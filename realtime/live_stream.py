"""The stream between the sound card and the compiled callback. Python never sees a block."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable
from typing import Any, Protocol

from realtime.audio_io import AudioDeviceError, StreamPlan, one_line, portaudio
from realtime.quiet import quiet_stderr

_STOP_SECONDS = 0.5  # for a driver to stop, on a machine that has time for us
_LOOK_SECONDS = 0.02


class Memory(Protocol):
    """What a callback works on: its address, and how many channels of the input it wants."""

    device_channels: int

    @property
    def address(self) -> int:
        """The stream's userdata."""


class LiveStream:
    """A duplex stream whose blocks a compiled callback handles, never Python.

    memory: the callback's. callback: the live chain's on a `Bridge`, unless another is given.
        Both are kept alive here as long as the stream is: PortAudio holds only their addresses.

    Raises: AudioDeviceError if the devices do not open.
    """

    def __init__(self, plan: StreamPlan, memory: Memory, callback: Any = None) -> None:
        from realtime.callback import stream_callback

        sd = portaudio()
        self.plan = plan
        callback = callback or stream_callback()
        self._keep = (memory, callback)
        self._error = sd.PortAudioError
        self._closed: bool | None = None
        try:
            with quiet_stderr():
                self._stream = sd._StreamBase(
                    "duplex",
                    samplerate=plan.sample_rate,
                    blocksize=plan.block_size,
                    device=(plan.input.index, plan.output.index),
                    channels=(memory.device_channels, plan.out_channels),
                    dtype="float32",
                    latency="low",
                    callback=callback.address,
                    userdata=sd._ffi.cast("void*", memory.address),
                )
        except (sd.PortAudioError, ValueError) as error:
            raise self._refused(error) from None
        if plan.output.host == "ALSA":  # JACK and the others do so by themselves
            _ask_for_real_time(sd, self._stream)

    def start(self) -> None:
        """Raises: AudioDeviceError if the devices do not start."""
        try:
            with quiet_stderr():
                self._stream.start()
        except self._error as error:
            raise self._refused(error) from None

    @property
    def active(self) -> bool:
        """Whether the driver still means to call; false soon after a JACK server died."""
        with contextlib.suppress(self._error):
            return bool(self._stream.active)
        return False

    @property
    def latency_ms(self) -> float:
        """Input plus output latency as the driver reports it, which may be far off."""
        return 1e3 * float(sum(self._stream.latency))

    def close(self) -> bool:
        """Stop and close; False if the driver hangs, as JACK's does once its server is gone.

        After False the process has to leave by `os._exit`: PortAudio's own clean-up hangs too.
        """
        if self._closed is None:
            with quiet_stderr():
                self._closed = _within(_STOP_SECONDS, self._stop_and_close)
        return self._closed

    def _stop_and_close(self) -> None:
        with contextlib.suppress(self._error):
            self._stream.stop()
        with contextlib.suppress(self._error):
            self._stream.close()

    def _refused(self, error: Exception) -> AudioDeviceError:
        names = self.plan.input.full_name, self.plan.output.full_name
        which = repr(names[0]) if names[0] == names[1] else f"{names[0]!r} and {names[1]!r}"
        return AudioDeviceError(f"cannot open {which}: {one_line(error)}")


def _ask_for_real_time(sd: Any, stream: Any) -> None:
    """Have PortAudio raise the priority of the audio thread when it starts, if it may."""
    with contextlib.suppress(OSError, AttributeError):
        enable = ctypes.CDLL(sd._libname).PaAlsa_EnableRealtimeScheduling
        enable.argtypes = (ctypes.c_void_p, ctypes.c_int)
        enable.restype = None
        enable(int(sd._ffi.cast("uintptr_t", stream._ptr)), 1)


def _within(seconds: float, work: Callable[[], object]) -> bool:
    """Whether `work` is done within so many seconds; they pass the slower the busier the machine,
    since a look that comes late counts no more than one in time."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    for _ in range(round(seconds / _LOOK_SECONDS)):
        thread.join(_LOOK_SECONDS)
        if not thread.is_alive():
            return True
    return False
