"""The plugins of a preset as TOML: `[[plugin]]` tables, written and read. Standard library only."""

from __future__ import annotations

import base64
import binascii
import re
import textwrap
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from realtime.plugins.setting import DEFAULT_SLOT, MIX, SLOTS, PluginError, PluginSetting
from realtime.toml_text import toml_string

TABLE = "plugin"
_TEXTS = ("name", "path", "component", "identifier", "version", "replaces")
_KEYS = (*_TEXTS, "slot", "mix", "values", "state")
_COLUMNS = 92


def plugins_to_toml(plugins: Iterable[PluginSetting]) -> list[str]:
    """Lines of TOML that `read_plugins` reads back to equal settings."""
    lines = []
    for plugin in plugins:
        lines += ["", f"[[{TABLE}]]"]
        for key in _TEXTS:
            if getattr(plugin, key) or key in ("name", "path"):
                lines.append(f"{key} = {toml_string(getattr(plugin, key))}")
        lines += [f'slot = "{plugin.point}"', f"mix = {plugin.mix!r}"]
        if plugin.state:
            text = base64.b64encode(plugin.state).decode("ascii")
            lines += ['state = """', *textwrap.wrap(text, _COLUMNS), '"""']
        if plugin.values:
            lines.append(f"[{TABLE}.values]")
            lines += [f"{key} = {value!r}" for key, value in plugin.values]
    return lines


def read_plugins(entries: object, text: str) -> tuple[PluginSetting, ...]:
    """The settings that TOML has under `plugin`; `text` is all of it, to say where.

    Raises: PluginError naming the line and what is wrong there.
    """
    if not isinstance(entries, list):
        raise PluginError(f"{TABLE} is not a list: write [[{TABLE}]]")
    plugins: list[PluginSetting] = []
    for number, entry in enumerate(entries):
        try:
            plugin = _setting(entry)
        except _WrongKeyError as error:
            raise PluginError(f"{_line_of(text, number, error.key)}{error}") from None
        if any(plugin.name == other.name for other in plugins):
            line = _line_of(text, number, "name")
            raise PluginError(f"{line}two plugins are called {plugin.name!r}")
        plugins.append(plugin)
    return tuple(plugins)


class _WrongKeyError(ValueError):
    """Something is wrong with a key of one table; "values.threshold" for one of its values."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


def _setting(entry: Any) -> PluginSetting:
    if not isinstance(entry, dict):
        raise _WrongKeyError("", f"{TABLE} is not a list of tables: write [[{TABLE}]]")
    for key in entry:
        if key not in _KEYS:
            raise _WrongKeyError(key, f"unknown key {key!r} of a plugin")
    texts = {key: entry.get(key, "") for key in _TEXTS}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise _WrongKeyError(key, f"{key} of a plugin is not text")
    for key in ("name", "path"):
        if not texts[key]:
            raise _WrongKeyError(key, f"a plugin needs its {key}")
    slot, values = entry.get("slot", DEFAULT_SLOT), entry.get("values", {})
    if not isinstance(slot, str) or slot not in SLOTS:
        raise _WrongKeyError("slot", f"{texts['name']}: the slot is none of {', '.join(SLOTS)}")
    if not isinstance(values, dict):
        raise _WrongKeyError("values", f"{texts['name']}: values is no table")
    state = _state(texts["name"], entry.get("state", ""))
    key = "name"
    try:
        replaces = texts.pop("replaces")
        setting = PluginSetting(**texts, point=SLOTS[slot], state=state)
        key = "replaces"
        setting = replace(setting, replaces=replaces)
        key = "mix"
        setting = setting.with_values({"mix": entry.get("mix", setting.mix)})
        for name, value in values.items():
            key = f"values.{name}"
            if name == MIX:
                raise PluginError(f"{setting.name}.{MIX} stands beside its values, not among them")
            setting = setting.with_values({name: value})
    except PluginError as error:
        raise _WrongKeyError(key, str(error)) from None
    return setting


def _state(name: str, text: object) -> bytes:
    try:
        if not isinstance(text, str):
            raise ValueError
        return base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error):
        raise _WrongKeyError("state", f"{name}: its state is no base64") from None


def _line_of(text: str, number: int, key: str) -> str:
    """Where the table of that number sets a key, as "line 7: "; its head where that is unclear.

    The tables of values are counted with the plugins that they belong to, not by themselves.
    """
    wanted, key = (f"{TABLE}.values", key[7:]) if key.startswith("values.") else (TABLE, key)
    section, seen, head = "", -1, ""
    for n, line in enumerate(text.splitlines(), start=1):
        if header := re.match(r"\s*\[+\s*([\w.-]+)\s*\]", line):
            section = header[1]
            seen += section == TABLE
            if section == TABLE and seen == number:
                head = f"line {n}: "
        elif seen == number and section == wanted and re.match(rf"\s*{re.escape(key)}\s*=", line):
            return f"line {n}: "
    return head
