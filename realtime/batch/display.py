"""What a batch says while it runs: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from realtime.batch.files import Take
from realtime.voice import Voice

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Display:
    """How far a batch is.

    sizes: bytes of each file that is to be done, by its output's name. before: files of the batch
    that need no work.
    """

    def __init__(self, sizes: dict[str, int], before: int, file: TextIO) -> None:
        self._sizes = sizes
        self._count = before
        self._total = before + len(sizes)
        self._voice = Voice(file)
        self._bars = _Bars(sum(sizes.values()), file) if self._voice.lively and sizes else None
        self._bytes_done = 0
        self._under_way: dict[str, float] = {}

    def at(self, take: Take, fraction: float) -> None:
        """So much of a file is done."""
        self._under_way[take.name] = fraction
        if self._bars is not None:
            self._bars.file(take.name, fraction)
            self._show()

    def ended(self, take: Take, line: str) -> None:
        """A file is done with, and this is what came of it."""
        self._count += 1
        self._under_way.pop(take.name, None)
        self._bytes_done += self._sizes.get(take.name, 0)
        if self._bars is not None:
            self._bars.file(take.name, None)
            self._show()
        self.say(f"{self._count} of {self._total}  {line}")

    def say(self, line: str) -> None:
        """A line that stays."""
        if self._bars is not None:
            self._bars.say(line)
        else:
            self._voice.say(line)

    def _show(self) -> None:
        assert self._bars is not None
        running = sum(self._sizes[n] * done for n, done in self._under_way.items())
        self._bars.all(self._bytes_done + running, f"{self._count} of {self._total} files")

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bars is not None:
            self._bars.close()


class _Bars:
    """A bar for the batch and one for each file under way."""

    def __init__(self, total: int, file: TextIO) -> None:
        from rich.console import Console
        from rich.progress import Progress, TimeElapsedColumn, TimeRemainingColumn

        columns = (*Progress.get_default_columns()[:3], TimeElapsedColumn(), TimeRemainingColumn())
        console = Console(file=file, highlight=False)
        self._progress: Progress = Progress(*columns, console=console, transient=True)
        self._all = self._progress.add_task("starting", total=total)
        self._files: dict[str, TaskID] = {}
        self._progress.start()

    def all(self, done: float, text: str) -> None:
        self._progress.update(self._all, completed=done, description=text)

    def file(self, name: str, fraction: float | None) -> None:
        if fraction is None:
            if name in self._files:
                self._progress.remove_task(self._files.pop(name))
            return
        if name not in self._files:
            from rich.markup import escape

            self._files[name] = self._progress.add_task(escape(name), total=1.0)
        self._progress.update(self._files[name], completed=fraction)

    def say(self, line: str) -> None:
        self._progress.console.print(line, markup=False, soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()
