"""What came of each file of a batch: the report at its end, and its `--stats` JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, TextIO

from realtime.audio_files import FilePath
from realtime.batch.files import Take
from realtime.batch.task import Made
from realtime.output_files import write_text
from realtime.report import duration, print_sections


class Tally:
    """What came of each file of a batch.

    failures: why nothing came of some. trouble: why the batch could not go on, or "".
    """

    def __init__(self, origin: str, folder: str) -> None:
        self._title = f"Batch: {origin} -> {folder}"
        self._rows: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self.failures: list[str] = []
        self.trouble = ""

    def skipped(self, take: Take) -> None:
        """Finished by an earlier run."""
        self._row(take, "skipped")

    def failed(self, take: Take, reason: str) -> str:
        """Nothing came of it; a line that says so."""
        self.failures.append(reason)
        self._row(take, "failed", error=reason)
        return f"failed: {reason}"

    def done(self, take: Take, made: Made) -> str:
        """An output is in its place; a line that says so."""
        loudness = {"input": made.input_lufs, "output": made.output_lufs}
        self._row(
            take, "done", seconds=made.seconds, took_seconds=made.took_seconds,
            loudness_lufs=loudness, preset=made.preset,
        )  # fmt: skip
        name = take.name if take.name.isprintable() else repr(take.name)
        return f"{name}  {_pace(made.seconds, made.took_seconds)}"

    def _row(self, take: Take, status: str, **more: Any) -> None:
        self._names.add(take.name)
        self._rows.append({"input": take.source, "output": take.name, "status": status, **more})

    @property
    def size(self) -> int:
        """How many files it knows of."""
        return len(self._rows)

    def knows(self, take: Take) -> bool:
        """Whether anything came of a file yet."""
        return take.name in self._names

    def count(self, status: str) -> int:
        """How many files are "done", "skipped" or "failed"."""
        return sum(row["status"] == status for row in self._rows)

    def print(self, wall_seconds: float, left: Sequence[Take], file: TextIO) -> None:
        """The report."""
        done, audio = self.count("done"), self._audio_seconds()
        pace = f", {_pace(audio, wall_seconds)}" if done else ""
        skipped = ", finished before" if self.count("skipped") else ""
        rows = [
            ("done", f"{done}{pace}"),
            ("skipped", f"{self.count('skipped')}{skipped}"),
            ("failed", str(len(self.failures))),
            *(("!", reason) for reason in self.failures),
        ]
        if self.trouble:
            rows.append(("!", self.trouble))
        if left:
            rows.append(("left", f"{len(left)}, the same command goes on with them"))
        print_sections([(self._title, rows)], file)

    def write(self, wall_seconds: float, left: Sequence[Take], path: FilePath) -> None:
        """The same as JSON. Raises: AudioFileError"""
        counts = {status: self.count(status) for status in ("done", "skipped", "failed")}
        rest = [{"input": take.source, "output": take.name, "status": "left"} for take in left]
        stats = {
            **counts,
            "left": len(left),
            "audio_seconds": self._audio_seconds(),
            "wall_seconds": wall_seconds,
            "files": self._rows + rest,
        }
        write_text(path, json.dumps(stats, indent=2) + "\n")

    def _audio_seconds(self) -> float:
        return float(sum(row["seconds"] for row in self._rows if row["status"] == "done"))


def _pace(audio_seconds: float, took_seconds: float) -> str:
    times = audio_seconds / max(took_seconds, 1e-3)
    return f"{duration(audio_seconds)} in {duration(took_seconds)}, {times:.0f} times real time"
