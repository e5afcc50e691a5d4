"""Fixtures: plugins that fail on demand, compiled as they are asked for."""

from __future__ import annotations

import platform
import shutil
import subprocess
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

from tests.conftest import ROOT, unavailable

SOURCE = ROOT / "tests" / "native" / "faulty_plugin.c"


def compile_plugin(
    folder: Path,
    file: str = "Faulty",
    *,
    names: tuple[str, ...] = (),
    channels: int = 2,
    instrument: bool = False,
    latency: int = 0,
    on_load: str = "",
) -> Path:
    """A VST3 plugin that fails on demand, in `folder`: its bundle's path.

    file: of the bundle, without ".vst3". names: of the plugins in it, `file` where none is given;
    one named CRASH does so when it is switched on. latency: frames that it delays the sound by,
    and reports. on_load: "CRASH", "HANG" or "".

    Parameters: gain (-40..20 dB), late (0..1000 ms), fault (0 none, 1 hang, 2 crash, 3 NaN, 4 as
    late as `late` says). $FAULTY_FUSE: a file with an "h" for each hang and a "c" for each crash
    that is left; without the variable they never end.
    """
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        unavailable("no C compiler (Debian: apt-get install gcc)")
    bundle = folder / f"{file}.vst3"
    binary = bundle / "Contents" / f"{platform.machine()}-linux" / f"{file}.so"
    binary.parent.mkdir(parents=True)
    options = {
        "NAMES": ",".join(f'"{name}"' for name in names or (file,)),
        "CHANNELS": channels,
        "INPUTS": 0 if instrument else channels,
        "LATENCY": latency,
        "ON_LOAD": on_load,
    }
    defined = [f"-D{name}={value}" for name, value in options.items()]
    flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden"]
    command = [compiler, *flags, "-shared", *defined, "-o", str(binary), str(SOURCE), "-lm"]
    subprocess.run(command, check=True)
    return bundle


class BuildPlugin(Protocol):
    def __call__(
        self,
        file: str = "Faulty",
        *,
        names: tuple[str, ...] = (),
        channels: int = 2,
        instrument: bool = False,
        latency: int = 0,
        on_load: str = "",
    ) -> Path: ...


@pytest.fixture(autouse=True)
def _all_in_it(own_cache: None) -> None:
    """No test of plugins looks into a user's cache."""


@pytest.fixture
def build_plugin(tmp_path: Path) -> BuildPlugin:
    """`compile_plugin` into `tmp_path / "vst3"`."""
    return partial(compile_plugin, tmp_path / "vst3")


@pytest.fixture
def faulty_plugin(build_plugin: BuildPlugin) -> Path:
    """A stereo plugin without latency that fails on demand."""
    return build_plugin()
