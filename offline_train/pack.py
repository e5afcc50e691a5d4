"""Recordings in as few bytes as training needs, for a machine that they have to be sent to.

    python -m offline_train.pack --data DIR --out FOLDER [--mib 60]

Every recording becomes mono Ogg Vorbis at its own rate, in the folders that it was in, so that
`--data FOLDER` finds the same speakers and the same split. The quality is the highest that fits.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import soundfile

from offline_train.checkpoint import progress_bars
from offline_train.data import DataError, Recording, excerpt, scan

LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8)  # of compression, the best quality first
SAMPLED = 8  # one recording in so many tells what all will take
BLOCK = 65_536  # frames written at a time: libsndfile's Vorbis fails on very long ones
MIB = 2.0**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m offline_train.pack", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", type=Path, required=True, help="the recordings")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    parser.add_argument("--mib", type=float, default=60.0, help="what it may hold, in MiB")
    options = parser.parse_args(arguments)
    try:
        size, level = pack(options.data, options.out, options.mib)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"packed into {options.out}: {size:.1f} MiB at compression level {level}")
    return 0


def pack(data: Path, out: Path, mib: float) -> tuple[float, float]:
    """Write the pack; returns its size in MiB and the compression level.

    Raises: DataError where there is nothing to pack, `out` is there already or nothing fits.
    """
    if out.exists():
        raise DataError(f"{str(out)!r} is there already: name a new folder")
    recordings = [r for part in scan(data) for r in part]
    for level in LEVELS:
        some = recordings[::SAMPLED]
        seconds = [sum(r.seconds for r in which) for which in (some, recordings)]
        with tempfile.TemporaryDirectory() as aside:
            expected = _write(some, data, Path(aside), level) * seconds[1] / seconds[0]
        if expected <= mib:
            size = _write(recordings, data, out, level)
            if size <= mib:
                return size, level
    raise DataError(f"{str(data)!r} does not fit into {mib:g} MiB")


def _write(recordings: Sequence[Recording], data: Path, out: Path, level: float) -> float:
    """Write them below `out`; returns what they take in MiB."""
    size = 0
    with progress_bars() as bars:
        bar = bars.add_task(f"level {level}", total=len(recordings), note="")
        for recording in recordings:
            path = (out / recording.path.relative_to(data)).with_suffix(".ogg")
            path.parent.mkdir(parents=True, exist_ok=True)
            rate = recording.rate
            with soundfile.SoundFile(
                path, "w", rate, 1, "VORBIS", format="OGG", compression_level=level
            ) as file:
                for start in range(0, round(recording.seconds * rate), BLOCK):
                    file.write(excerpt(recording.path, start, BLOCK))
            size += path.stat().st_size
            bars.advance(bar)
    return size / MIB


if __name__ == "__main__":
    sys.exit(main())
