"""Which plugins are installed: found in real files, whatever those do while they are looked at."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.plugins.found import Found, plugin_files, split_component
from realtime.plugins.scan import find_plugin, list_plugins
from realtime.plugins.scan_cache import ScanCache, cache_path, stamp_of
from realtime.plugins.setting import PluginError
from tests.file_rig import afx_live
from tests.plugins.conftest import BuildPlugin
from tests.plugins.zam import zam

TEXT = st.text(max_size=20)
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12)
FOUND = st.builds(
    Found, st.just("/a.vst3"), TEXT, TEXT, TEXT, TEXT, TEXT, TEXT,
    st.sampled_from([(), (1,), (2,), (1, 2)]), st.booleans(), TEXT,
)  # fmt: skip


@pytest.fixture
def folder(build_plugin: BuildPlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installed plugins: some that work, some that do not, and what is none at all."""
    folder = tmp_path / "vst3"
    build_plugin("Crashes", on_load="CRASH")
    build_plugin("Mono", channels=1)
    build_plugin("Shell", names=("Left Hand", "CRASH", "Right Hand"))
    build_plugin("Synth", instrument=True)
    (folder / "Empty.vst3" / "Contents").mkdir(parents=True)
    (folder / "Vendor").mkdir()
    shutil.move(folder / "Mono.vst3", folder / "Vendor")
    (folder / "readme.txt").write_text("no plugin")
    (folder / "Vendor" / "again").symlink_to(folder)
    monkeypatch.setenv("VST3_PATH", f"{folder}:/no/such/folder")
    return folder


def test_plugins_are_found_and_those_that_crash_or_hang_survived(
    folder: Path, build_plugin: BuildPlugin
) -> None:
    hangs = build_plugin("Hangs", on_load="HANG")
    with pytest.raises(PluginError, match="hangs"):
        find_plugin(str(hangs), seconds_max=1.0)  # no other shall have so little time
    found = list_plugins()
    names = [(plugin.name, plugin.component, bool(plugin.problem)) for plugin in found]
    assert sorted(names) == [
        ("", "", True),
        ("", "", True),
        ("", "", True),
        ("CRASH", "CRASH", True),
        ("Left Hand", "Left Hand", False),
        ("Mono", "", False),
        ("Right Hand", "Right Hand", False),
        ("Synth", "", False),
    ]
    broken = {Path(plugin.path).stem: plugin.problem for plugin in found if plugin.problem}
    assert "SIGSEGV" in broken["Crashes"]
    assert "nothing for 1 s" in broken["Hangs"]  # which is remembered: it hung no second time
    assert "holds no plugin" in broken["Empty"]

    by_name = {plugin.name: plugin for plugin in found}
    mono = by_name["Mono"]
    assert mono.path == str(folder / "Vendor" / "Mono.vst3")
    assert (mono.vendor, mono.version, mono.category) == ("afx-live tests", "1.2.3", "Fx|Tools")
    assert (mono.channels, mono.is_instrument) == ((1,), False)
    assert (by_name["Left Hand"].channels, by_name["Synth"].channels) == ((2,), ())
    assert by_name["Synth"].is_instrument
    assert by_name["Left Hand"].identifier != by_name["Right Hand"].identifier

    done = afx_live("--list-plugins")
    rows = done.stdout.splitlines()
    assert (done.returncode, done.stderr) == (0, "")
    assert rows[1].split() == ["Mono", "afx-live", "tests", "Fx|Tools", "mono", mono.path]
    assert rows[0].endswith(f"stereo      {folder / 'Shell.vst3'}:Left Hand")
    assert [row.partition(" cannot be used: ")[0] for row in rows[4:8]] == [
        str(folder / name)
        for name in ("Crashes.vst3", "Empty.vst3", "Hangs.vst3", "Shell.vst3:CRASH")
    ]

    shutil.rmtree(folder / "Crashes.vst3")
    build_plugin("Crashes", names=("Mended",))
    assert find_plugin("crashes").name == "Mended"


def test_a_plugin_is_found_by_what_a_person_calls_it(build_plugin: BuildPlugin) -> None:
    path = build_plugin("Two", names=("Left Hand", "Right Hand"))
    folders = [path.parent, Path(zam("ZamCompX2")).parent]
    assert find_plugin(zam("ZamCompX2")).name == "ZamCompX2"
    for name in ("ZamCompX2", "zamcompx2", "ZamCompX2.vst3"):
        assert find_plugin(name, folders).path == zam("ZamCompX2")
    for name in (f"{path}:right hand", "Two.vst3:Right Hand"):
        assert find_plugin(name, folders).component == "Right Hand"
    assert find_plugin("left hand", folders[:1]).component == "Left Hand"

    said: list[str] = []
    mine = [build_plugin("Other", names=("Third Hand",)).parent]
    for _ in range(2):
        assert find_plugin("third hand", mine, said.append).name == "Third Hand"
    assert len(said) == 1 and "'third hand'" in said[0]  # that it takes a while, while it does


def test_the_first_folder_comes_first(build_plugin: BuildPlugin, tmp_path: Path) -> None:
    built = build_plugin("ZamCompX2", names=("Mine",))
    folders = [tmp_path / "none", built.parent, Path(zam("ZamCompX2")).parent]
    assert find_plugin("ZamCompX2", folders).name == "Mine"
    assert find_plugin("ZamCompX2", folders[::-1]).name == "ZamCompX2"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Synth", "is an instrument"),
        ("Shell", "as 'Shell.vst3:Left Hand'"),
        ("Shell.vst3:Left Hnad", "did you mean 'Left Hand'"),
        ("Left Hnad", "did you mean 'Left Hand'"),
        ("Shel", "did you mean 'Shell'"),
        ("Nothing of the kind", "--list-plugins"),
        ("{folder}/Gone.vst3", "no plugin file"),
        ("{folder}/readme.txt", "ends in .vst3"),
        ("{folder}/Empty.vst3", "cannot be used: holds no plugin"),
    ],
)
def test_what_cannot_be_inserted_is_refused_in_one_line(
    build_plugin: BuildPlugin, cache_home: Path, tmp_path: Path, name: str, message: str
) -> None:
    folder = tmp_path / "vst3"
    # Known from before, as after a first scan: what is tested here is the answer.
    known = {
        "Shell": (Found("", "Left Hand", channels=(2,), component="Left Hand"),) * 2,
        "Synth": (Found("", "Synth", is_instrument=True),),
        "Empty": (Found("", problem="holds no plugin"),),
    }
    cache = ScanCache(cache_path())
    for stem, plugins in known.items():
        path = folder / f"{stem}.vst3"
        path.mkdir(parents=True)
        found = tuple(replace(plugin, path=str(path)) for plugin in plugins)
        cache.put(str(path), stamp_of(str(path)), found)
    cache.save()
    (folder / "readme.txt").write_text("no plugin")
    with pytest.raises(PluginError) as refused:
        find_plugin(name.format(folder=folder), [folder])
    assert message in str(refused.value) and str(refused.value).isprintable()


@settings(deadline=None)
@given(TEXT)
def test_any_unknown_name_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    empty = tmp_path_factory.getbasetemp() / "no plugins"
    with pytest.raises(PluginError) as refused:
        find_plugin(f"no {name}", [empty])
    assert str(refused.value).isprintable()


@given(NAMES, NAMES)
def test_one_of_several_in_a_file_is_named_behind_a_colon(file: str, name: str) -> None:
    assert split_component(f"{file}.vst3:{name}") == (f"{file}.vst3", name) or ".vst3:" in (
        f"{file}.vst3:{name}".casefold().replace(f"{file.casefold()}.vst3:", "", 1)
    )
    assert split_component(f"{file}.vst3") == (f"{file}.vst3", "") or ".vst3:" in file.casefold()


@settings(max_examples=20, deadline=None)
@given(st.lists(FOUND, min_size=1, max_size=3), st.integers(0, 2**62), st.integers(0, 2**40))
def test_what_was_found_is_kept(
    tmp_path_factory: pytest.TempPathFactory, found: list[Found], newest: int, size: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    plugin = folder / "kept.vst3"
    plugin.touch()
    mine = tuple(replace(one, path=str(plugin)) for one in found)
    cache = ScanCache(folder / "kept.json")
    cache.put(str(plugin), stamp_of(str(plugin)), mine)
    cache.put("/gone.vst3", (newest, size), mine)
    cache.save()
    again = ScanCache(folder / "kept.json")
    assert again.get(str(plugin)) == mine
    assert again.get("/gone.vst3") == ()
    plugin.write_text("changed" * (size % 9 + 1))
    assert again.get(str(plugin)) == ()
    plugin.unlink()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PLACES = (  # of a cache, "*" the plugin file's path
    "", "format", "host", "files", "files/*", "files/*/stamp", "files/*/stamp/0", "files/*/plugins",
    "files/*/plugins/0", "files/*/plugins/0/name", "files/*/plugins/0/channels",
    "files/*/plugins/0/channels/0", "files/*/plugins/0/is_instrument", "files/*/plugins/0/no-such",
)  # fmt: skip


@settings(deadline=None)
@given(st.binary(max_size=40) | st.tuples(st.sampled_from(PLACES), JSON))
def test_a_broken_cache_is_an_empty_one(
    kept_cache: Path, tmp_path_factory: pytest.TempPathFactory, broken: bytes | tuple[str, object]
) -> None:
    """Whatever bytes it holds, and wherever in a good one something stands that is no good."""
    path = tmp_path_factory.getbasetemp() / "broken.json"
    document: Any = {"whole": json.loads(kept_cache.read_text())}
    (plugin,) = document["whole"]["files"]
    if isinstance(broken, bytes):
        path.write_bytes(broken)
    else:
        parent, key = document, "whole"
        for name in filter(None, broken[0].split("/")):
            parent, key = parent[key], int(name) if name == "0" else plugin if name == "*" else name
        parent[key] = broken[1]
        path.write_text(json.dumps(document["whole"]))
    for one in ScanCache(path).get(plugin):
        kinds = [type(value) for value in vars(one).values()]
        assert kinds == [*[str] * 7, tuple, bool, str]


@pytest.fixture(scope="session")
def kept_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good cache of one file with one plugin."""
    folder = tmp_path_factory.mktemp("kept")
    plugin = str(folder / "kept.vst3")
    Path(plugin).touch()
    cache = ScanCache(folder / "kept.json")
    cache.put(plugin, stamp_of(plugin), (Found(plugin, "Name", channels=(2,)),))
    cache.save()
    return folder / "kept.json"


def test_files_are_listed_where_they_are(tmp_path: Path) -> None:
    for name in ("b.vst3", "A.VST3", "deep/er/c.vst3", "deep/b.vst3/Contents/x.vst3"):
        (tmp_path / name).mkdir(parents=True)
    found = [Path(path).relative_to(tmp_path).as_posix() for path in plugin_files([tmp_path])]
    assert found == ["A.VST3", "b.vst3", "deep/b.vst3", "deep/er/c.vst3"]
