"""afx-live as a person runs it on files: its process, and files good and bad to run it on."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

from realtime.cli import main
from realtime.preset import Preset, save_preset
from tests.conftest import ROOT
from tests.support import noise, sine

RATE = 24_000
TESTED = Preset(
    {"eq2.gain_db": 6.0, "comp.threshold_db": -30.0, "comp.ratio": 4.0, "reverb.wet": 0.2},
    name="tested",
)


def afx_live(
    *args: object, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "realtime.cli", *map(str, args)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
    )


def afx_live_here(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The same in this process, where libraries, kernels and model are loaded once."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(cwd), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, args)])
    return subprocess.CompletedProcess(args, status, out.getvalue(), err.getvalue())


def write_files(folder: Path) -> None:
    """Good and bad files, as their names say."""
    voice = 0.3 * sine(440.0, 4 * RATE, RATE).astype("f4") + noise(4 * RATE, 1, 0.02)[:, 0]
    sf.write(folder / "in.wav", voice, RATE)
    sf.write(folder / "ref.wav", voice[::-1], RATE)
    sf.write(folder / "six.wav", np.repeat(voice[:, None], 6, axis=1), RATE)
    sf.write(folder / "silent.wav", np.zeros(4 * RATE), RATE)
    sf.write(folder / "short.wav", voice[: RATE // 100], RATE)
    sf.write(folder / "slow.wav", voice[:8_000], 4_000)
    sf.write(folder / "flac.flac", voice, RATE)
    broken = bytearray((folder / "flac.flac").read_bytes())
    broken[len(broken) // 2 :] = np.random.default_rng(0).bytes(len(broken) // 2)
    (folder / "broken.flac").write_bytes(broken)
    (folder / "text.wav").write_text("not audio at all\n" * 40)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "link.wav").symlink_to("in.wav")
    (folder / "hard.wav").hardlink_to(folder / "in.wav")
    (folder / "old.wav").write_bytes(b"precious")
    save_preset(TESTED, folder / "good.toml")
    (folder / "bad.toml").write_text("[comp]\nratio = 99\n")
    (folder / "odd.toml").write_text("[comp\n")
    (folder / "unknown.toml").write_text("[comp]\nratoi = 2\n")
    (folder / "no.onnx").write_bytes(b"not a model")
