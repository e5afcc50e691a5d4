"""What the benchmarks' commands have in common: how they are asked, and how they show tables."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

LONGEST_SECONDS = 86_400.0
_WIDTH = 120  # of a table that goes into a file


def parser(module: str, description: str | None) -> argparse.ArgumentParser:
    """For `python -m benchmarks.<module>`, described by its docstring; it has --json FILE."""
    made = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}", description=description)
    made.formatter_class = argparse.RawDescriptionHelpFormatter
    made.add_argument("--json", type=_json_file, metavar="FILE", help="write the results here")
    return made


def _json_file(given: str) -> Path:
    """Refused before anything is measured, not behind it."""
    file = Path(given)
    folder = file.resolve().parent
    if not folder.is_dir():
        raise argparse.ArgumentTypeError(f"folder {str(folder)!r} does not exist")
    if file.is_dir():
        raise argparse.ArgumentTypeError(f"{given!r} is a folder")
    return file


def check_seconds(asked: argparse.ArgumentParser, seconds: float) -> None:
    """Have the parser end the program where --seconds is none that a benchmark can take."""
    if not 0.0 < seconds < LONGEST_SECONDS:
        asked.error(f"--seconds is {seconds:g}, must be above 0 and below {LONGEST_SECONDS:g}")


def show(*tables: Table, width: int = _WIDTH) -> None:
    """Print them: as wide as the terminal, or `width` columns where there is none."""
    console = Console(width=None if sys.stdout.isatty() else width)
    for table in tables:
        console.print(table)
