"""What is in a plugin file, found out in a child process that the plugin may crash or hang.

The child answers on its stdout with lines of JSON: the names of the file's plugins, then for each
what is known of it. A plugin's own chatter goes nowhere.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from realtime import same_python
from realtime.plugins.found import Found
from realtime.plugins.setting import PluginError

SECONDS_MAX = 20.0  # for one plugin to load: some ask a licence server first
_SILENCE_SECONDS = 0.1  # an instrument is named, not played
_FRAMES = 64
_RATE = 48_000.0


def examine(path: str, seconds_max: float = SECONDS_MAX) -> tuple[Found, ...]:
    """The plugins in the file or bundle at `path`, one at least: broken ones say what is wrong.

    seconds_max: until a plugin that says nothing is taken to hang.
    """
    names: list[str] = [""]
    found: list[Found] = []
    while len(found) < len(names):  # after one that took the child with it, the others
        answers, end = _answers(path, len(found), seconds_max)
        if answers:
            names = answers[0] or [""]
        found += [Found(path, **_fields(answer)) for answer in answers[1:]]
        if end and len(found) < len(names):
            name = names[len(found)]
            component = name if len(names) > 1 else ""
            found.append(Found(path, name=name, component=component, problem=end))
    return tuple(found)


def _fields(answer: dict[str, Any]) -> dict[str, Any]:
    return {**answer, "channels": tuple(answer.get("channels", ()))}


def _answers(path: str, first: int, seconds_max: float) -> tuple[list[Any], str]:
    """What a child says of the plugins from number `first` on, and what stopped it, or ""."""
    answers: list[Any] = []
    with subprocess.Popen(
        same_python.command(__name__, path, str(first), str(seconds_max)),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        last = time.monotonic()
        for line in process.stdout:
            if not line.endswith("\n"):
                break
            answers.append(json.loads(line))
            if len(answers) - 1 == len(answers[0]) - first:
                process.kill()  # what it would do while it unloads is no matter of ours
                return answers, ""
            last = time.monotonic()
    if time.monotonic() - last >= seconds_max:
        return answers, f"hangs: nothing for {seconds_max:g} s while it was loaded"
    return answers, f"ends the process that loads it ({_death(process.returncode)})"


def _death(returncode: int) -> str:
    with contextlib.suppress(ValueError):
        if returncode < 0:
            return signal.Signals(-returncode).name
    return f"status {returncode}"


def main() -> int:
    """The child. Arguments: a plugin file, the number of the first plugin, seconds for each."""
    path, first, seconds_max = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with os.fdopen(os.dup(1), "w") as answers, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)

        def patience() -> None:  # its own, so that it ends even where nobody waits any more
            faulthandler.dump_traceback_later(seconds_max, exit=True, file=nowhere)

        def answer(what: object) -> None:
            print(json.dumps(what), file=answers, flush=True)
            patience()

        patience()
        from realtime.plugins.loading import components_of

        try:
            names = components_of(path)
        except PluginError:
            answer([""])
            answer({"problem": _why_not(path)})
            return 0
        answer(names)
        for name in names[first:]:
            answer(_describe(path, name, several=len(names) > 1))
    return 0


def _why_not(path: str) -> str:
    """In a person's words why nothing was found in a file: pedalboard only says that."""
    if not os.access(path, os.R_OK):
        return "cannot be read"
    return "holds no plugin for this computer, or lacks a library that it needs"


def _describe(path: str, name: str, several: bool) -> dict[str, object]:
    """The fields of `Found` for one plugin, but its path."""
    from realtime.plugins.loading import load_any

    component = {"component": name if several else ""}
    try:
        plugin = load_any(path, name, _SILENCE_SECONDS)
    except PluginError as error:
        problem = str(error).removeprefix(f"{path}: ")
        return {"name": _legible(name), "problem": _legible(problem), **component}
    instrument = bool(plugin.is_instrument)
    return {
        "name": _legible(plugin.name),
        "vendor": _legible(plugin.manufacturer_name),
        "version": _legible(plugin.version),
        "category": _legible(plugin.category),
        "identifier": str(plugin.identifier),
        "is_instrument": instrument,
        "channels": () if instrument else _channels(plugin),
        **component,
    }


def _legible(text: object) -> str:
    """On one line, without what a terminal would obey."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def _channels(plugin: Any) -> list[int]:
    """As many channels as a block may have; there is no telling but by a try."""
    import numpy as np

    from realtime.plugins.loading import process

    taken = []
    for channels in (1, 2):
        with contextlib.suppress(ValueError):
            process(plugin, np.zeros((channels, _FRAMES), np.float32), _RATE)
            taken.append(channels)
    return taken
