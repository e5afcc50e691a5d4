"""TOML as presets, set lists and MIDI maps have it: read or refused in one line, and quoted.

Standard library only.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any


class TomlError(ValueError):
    """A file that cannot be read, or text that is no TOML; the message says why in one line."""


def read_text(path: Path) -> str:
    """The text of a file. Raises: TomlError"""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a path with a null in it
        raise TomlError(getattr(error, "strerror", None) or "not readable as text") from None


def parse(text: str) -> dict[str, Any]:
    """What TOML text says. Raises: TomlError, with the line where TOML's reader knows it"""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # RecursionError: a thousand open brackets
        raise TomlError(f"not TOML: {str(error).splitlines()[0]}") from None


def toml_string(text: str) -> str:
    """`text` as a TOML basic string, quotes included."""
    # JSON's escapes are a subset of TOML's basic strings, but for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def line_of(text: str, section: str, key: str = "", number: int = 0) -> str:
    """Where TOML text opens a section, or sets a key in it, as "line 7: ".

    section: "" for what stands before any. number: which one, from 0, of several [[section]].
    "" where it is written in an unusual way.
    """
    inside, seen = not section, -1
    for at, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[\[?\s*([\w.-]+)\s*\]", line):
            seen += header[1] == section
            inside = header[1] == section and seen == number
            if inside and not key:
                return f"line {at}: "
        elif inside and key and re.match(rf'\s*"?{re.escape(key)}"?\s*=', line):
            return f"line {at}: "
    return ""
