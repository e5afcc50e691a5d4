"""What every stage of training shares: progress, and files that no kill leaves torn."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def progress_bars() -> Progress:
    """How this package shows progress."""
    return Progress(
        TextColumn("{task.description:>24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint atomically: a kill in the middle leaves the old one."""
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    torch.save(dict(state), temporary)
    os.replace(temporary, path)
