"""Fixtures: the shared recordings and a real JACK server."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import soundfile as sf

from tests.jack_slots import free_slots_of_the_dead

ROOT = Path(__file__).resolve().parent.parent
JACK_START_S = 20.0


def pytest_configure(config: pytest.Config) -> None:
    """What a shell starts in the background ignores Ctrl-C, what nohup starts hanging up, and so
    would all that tests start."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if config.getoption("numprocesses", None):  # the process that starts the workers
        # Compiling at once, they could leave in Numba's cache one's code under the other's name.
        from realtime.callback import compile_all

        compile_all()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With --numprocesses, and only there."""
    from tests.workers import Shares

    return Shares(config, log)


def unavailable(reason: str) -> NoReturn:
    """Skip where a person runs the tests, fail where CI does: there nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"under CI this must be there: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def compiled() -> None:
    """The kernels are compiled, so that what starts from here on starts at once."""
    from realtime.callback import compile_all

    compile_all()


@pytest.fixture(scope="session")
def cache_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's cache folder that all tests of plugins share, so that each is examined once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def own_cache(cache_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the cache of whoever runs the tests alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache_home))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files good and bad, as `tests.file_rig` writes them."""
    from tests.file_rig import write_files

    write_files(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of recordings with `train/` and `val/`: $AFX_LIVE_DATA or ../shared/data."""
    folder = Path(os.environ.get("AFX_LIVE_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "val").is_dir():
        unavailable(f"no recordings in {folder} (AFX_LIVE_DATA names another folder)")
    return folder


@pytest.fixture(scope="session")
def speech(shared_data: Path) -> tuple[np.ndarray, int]:
    """8 s of a real voice that no model was trained on, (frames, 1), and its rate."""
    for path in sorted((shared_data / "val" / "speech").rglob("*.flac")):
        x, rate = sf.read(path, dtype="float32", always_2d=True)
        if len(x) >= 8 * rate:
            return x[: 8 * rate], rate
    raise AssertionError("no recording of 8 s")


@dataclass(frozen=True)
class JackServer:
    """A running jackd with the dummy driver: two inputs, two outputs, no sound card.

    name: what JACK_DEFAULT_SERVER must say for a client, or `servername=` of jack.Client.
    process: the server's own handle; it is ended by this and nothing else.
    """

    name: str
    sample_rate: int
    period: int
    process: subprocess.Popen[bytes]


@pytest.fixture
def jack_server(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[JackServer]:
    """A JACK server of this test's own, named by JACK_DEFAULT_SERVER while the test runs.

    48 kHz and 128 frames, or as `@pytest.mark.parametrize("jack_server", [(44_100, 64)],
    indirect=True)` says.
    """
    sample_rate, period = getattr(request, "param", (48_000, 128))
    name = f"afx-live-test-{uuid.uuid4().hex[:12]}"
    monkeypatch.setenv("JACK_DEFAULT_SERVER", name)
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
    with running_jack(name, sample_rate, period, tmp_path / "jackd.log") as server:
        yield server


@contextmanager
def running_jack(
    name: str, sample_rate: int, period: int, log: Path, *options: str
) -> Iterator[JackServer]:
    """A JACK server that answers; ended by SIGTERM unless it has gone by then."""
    jackd = shutil.which("jackd")
    if jackd is None:
        unavailable("jackd is not installed (Debian: apt-get install jackd2)")
    driver = ["-r", str(sample_rate), "-p", str(period)]
    # A worker that is killed, as by Ctrl-C, would leave a server and its slot behind.
    with_us = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
    free_slots_of_the_dead()  # a server that had to be killed left one
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*with_us, jackd, "-n", name, "--no-mlock", *options, "-d", "dummy", *driver],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait_until_up(name, process, log)
        yield JackServer(name, sample_rate, period, process)
    finally:
        process.terminate()
        try:
            process.wait(20)  # killed, it would keep one of JACK's eight slots
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in Path("/dev/shm").glob(f"jack_sem.*_{name}_*"):
            left.unlink()  # a client that had to leave without its server cannot do it


def _wait_until_up(name: str, process: subprocess.Popen[bytes], log: Path) -> None:
    probe = (
        "import jack; jack.set_error_function(lambda _: None); "
        f"jack.Client('probe', no_start_server=True, servername={name!r}).close()"
    )
    deadline = time.monotonic() + JACK_START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        # libjack remembers a server it failed to reach, so each try has a process of its own.
        if subprocess.run([sys.executable, "-c", probe], capture_output=True).returncode == 0:
            return
        time.sleep(0.05)
    unavailable(f"jackd did not start: {log.read_text(errors='replace')[-400:]}")
