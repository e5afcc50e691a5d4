"""Which plugins are installed, and which one a person means.

Every file is examined in a process of its own, once: what was found is kept until it changes.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from realtime.plugins.examine import SECONDS_MAX, examine
from realtime.plugins.found import (
    Found,
    is_plugin_file,
    plugin_files,
    split_component,
    standard_folders,
    stem_of,
)
from realtime.plugins.scan_cache import ScanCache, cache_path, stamp_of
from realtime.plugins.setting import PluginError

_NEAR = 3  # names that an unknown one is told of

Progress = Callable[[int, int], None]


def list_plugins(
    folders: Sequence[Path] | None = None,
    progress: Progress = lambda done, total: None,
    seconds_max: float = SECONDS_MAX,
) -> list[Found]:
    """All plugins in `folders`, or in the standard ones, those with a problem included.

    progress: told how many of the files that nothing is known of are examined.
    seconds_max: until a plugin is taken to hang.
    """
    files = plugin_files(standard_folders() if folders is None else folders)
    return _look_into(files, seconds_max, progress)


def find_plugin(
    name_or_path: str,
    folders: Sequence[Path] | None = None,
    say: Callable[[str], None] = lambda line: None,
    seconds_max: float = SECONDS_MAX,
) -> Found:
    """The effect that a person means: by its path, its file's name or its own name.

    A path is taken as it is; a file's name, with or without ending, is looked up in `folders` or
    the standard ones, the first folder first; a name that no file has is looked up among the
    plugins in them all. "FILE.vst3:NAME" is one of several in a file. Case is of no account.
    say: told of what takes long, in a line.

    Raises: PluginError, one line: unknown, several to choose from, an instrument, or broken.
    """
    named, component = split_component(name_or_path)
    if os.path.exists(name_or_path) and is_plugin_file(name_or_path):
        named, component = name_or_path, ""
    files = plugin_files(standard_folders() if folders is None else folders)
    path = _file(named, files)
    if path is not None:
        return _usable(_chosen(_look_into([path], seconds_max), component, named), named)

    def progress(done: int, total: int) -> None:
        if done == 0:
            say(f"no file is named {named!r}: examining all {total} plugins, once")

    found = _look_into(files, seconds_max, progress)
    if not component:
        for plugin in found:
            if plugin.name.casefold() == named.casefold():
                return _usable(plugin, named)
    names = [plugin.name for plugin in found if not plugin.problem] + [stem_of(f) for f in files]
    raise PluginError(f"no plugin {named!r}{_near(named, names)} (--list-plugins shows all)")


def _file(named: str, files: Iterable[str]) -> str | None:
    """The path that is meant, or None where `named` is no file's name. Raises: PluginError"""
    if os.path.dirname(named) or is_plugin_file(named):
        if os.path.exists(named):
            if not is_plugin_file(named):
                raise PluginError(f"{named!r} is not a plugin: a VST3's name ends in .vst3")
            return os.path.abspath(named)
        if os.path.dirname(named):
            raise PluginError(f"no plugin file {named!r}")
    wanted = (stem_of(named) if is_plugin_file(named) else named).casefold()
    return next((path for path in files if stem_of(path).casefold() == wanted), None)


def _chosen(found: Sequence[Found], component: str, named: str) -> Found:
    """The one of a file's plugins that is named, or the only one. Raises: PluginError"""
    names = [plugin.component or plugin.name for plugin in found]
    for plugin, name in zip(found, names, strict=True):
        if component and name.casefold() == component.casefold():
            return plugin
    if component:
        raise PluginError(f"{named!r} holds no plugin {component!r}{_near(component, names)}")
    if len(found) > 1:
        shown = ", ".join(map(repr, names[:_NEAR])) + ", ..." * (len(names) > _NEAR)
        file = named if is_plugin_file(named) else os.path.basename(found[0].path)
        raise PluginError(
            f"{named!r} holds {len(names)} plugins ({shown}): name one, as '{file}:{names[0]}'"
        )
    return found[0]


def _usable(plugin: Found, named: str) -> Found:
    if plugin.problem:
        raise PluginError(f"plugin {named!r} cannot be used: {plugin.problem}")
    if plugin.is_instrument:
        raise PluginError(f"plugin {named!r} is an instrument: only effects can be inserted")
    if not plugin.channels:
        raise PluginError(f"plugin {named!r} takes neither mono nor stereo")
    return plugin


def _near(name: str, names: Iterable[str]) -> str:
    """What may have been meant, to put into a message, or ""."""
    by_folded = {known.casefold(): known for known in names}
    near = difflib.get_close_matches(name.casefold(), by_folded, _NEAR)
    return f", did you mean {' or '.join(repr(by_folded[folded]) for folded in near)}?" * bool(near)


def _look_into(
    files: Sequence[str], seconds: float, progress: Progress = lambda done, total: None
) -> list[Found]:
    """What is in these files, in their order: as it was kept, or examined now and kept."""
    if not files:
        return []
    cache = ScanCache(cache_path())
    known = {path: cache.get(path) for path in files}
    unknown = [path for path, found in known.items() if not found]
    if not unknown:
        return [plugin for path in files for plugin in known[path]]

    def look(path: str) -> tuple[tuple[int, int], tuple[Found, ...]]:
        return stamp_of(path), examine(path, seconds)

    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        progress(0, len(unknown))
        looks = zip(unknown, pool.map(look, unknown), strict=True)
        for done, (path, (stamp, found)) in enumerate(looks, 1):
            known[path] = found
            cache.put(path, stamp, found)
            progress(done, len(unknown))
    finally:
        pool.shutdown(cancel_futures=True)
        cache.save()
    return [plugin for path in files for plugin in known[path]]
