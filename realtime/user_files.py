"""The folders where a person's own files and what can be made again are kept, and new names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import platformdirs

from realtime import atomic_file
from realtime.preset import Preset, PresetError

_NAME_LENGTH = 40


def user_folder(kind: str) -> Path:
    """Where a person's files of a kind, "presets" or "midi", belong; it may not exist yet."""
    return platformdirs.user_config_path("afx-live") / kind


def cache_folder() -> Path:
    """Where files belong that are made again when they are lost; it may not exist yet."""
    return platformdirs.user_cache_path("afx-live")


def user_presets() -> list[Path]:
    """A person's own presets, sorted by file name: oldest first, as `save_to_folder` does it."""
    return sorted(user_folder("presets").glob("*.toml"))


def save_to_folder(preset: Preset) -> Path:
    """Write `preset` to a new file of the person's folder, behind all that are there: its path.

    Raises: PresetError where it cannot be written.
    """
    folder = user_folder("presets")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PresetError(f"cannot make the folder {str(folder)!r}: {error.strerror}") from None
    name = re.sub(r"\W+", "-", preset.name).strip("-")[:_NAME_LENGTH] or "preset"
    numbers = [int(p.name[:3]) for p in user_presets() if re.match(r"\d{3}-", p.name)]
    free = count(max(numbers, default=0) + 1)
    return _save(preset, (folder / f"{number:03d}-{name}.toml" for number in free))


def save_beside(preset: Preset, path: Path) -> Path:
    """Write `preset` beside `path` under its name with the next free number: "mine-2.toml".

    Raises: PresetError where it cannot be written.
    """
    return _save(preset, (path.with_name(f"{path.stem}-{n}{path.suffix}") for n in count(2)))


def _save(preset: Preset, paths: Iterable[Path]) -> Path:
    """Write to the first of `paths` where nothing is yet, whoever else may be writing there."""
    for path in paths:
        try:
            named = preset.with_values({}, name=path.stem)
            atomic_file.write_text(path, named.to_toml(), new=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise PresetError(f"cannot write preset {str(path)!r}: {error.strerror}") from None
        return path
    raise AssertionError("the paths never end")
