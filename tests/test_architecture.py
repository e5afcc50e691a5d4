"""Who may import whom, and the tree as README and the house rules describe it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable
from fnmatch import fnmatch
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("realtime", "offline_train", "benchmarks", "tests")
LINES_MAX = 330  # about 300
# path: why one file is right
LONGER = {"tests/test_architecture.py": "every rule on imports stands in one place"}

COMPILED = ("numpy", "numba", "llvmlite")
TABLES = ("realtime.params", "realtime.preset")
KERNEL_AIDS = ("realtime.native", "realtime.dsp.intrinsics")
# What a module may import beyond the standard library, as patterns; the first match decides.
ALLOWED = {
    "realtime.params": (),
    "realtime.atomic_file": (),
    "realtime.toml_text": (),
    "realtime.plugins.setting": ("realtime.params",),
    "realtime.plugins.status": (),
    "realtime.plugins.lineup": ("realtime.hosted", "realtime.plugins.setting", "realtime.preset"),
    "realtime.plugins.setting_toml": ("realtime.plugins.setting", "realtime.toml_text"),
    "realtime.preset": (
        "realtime.params",
        "realtime.atomic_file",
        "realtime.toml_text",
        "realtime.plugins.setting",
        "realtime.plugins.setting_toml",
    ),
    "realtime.interpolate": ("realtime.plugins.setting", *TABLES),
    "realtime.hosted": ("realtime.plugins.setting", *TABLES),
    "realtime.targets": ("realtime.interpolate", "realtime.params", "realtime.plugins.setting"),
    "realtime.controls": ("realtime.hosted", "realtime.interpolate", "realtime.targets", *TABLES),
    "realtime.labels": ("realtime.plugins.setting", "realtime.targets", *TABLES),
    "realtime.meters": ("realtime.plugins.status",),
    "realtime.voice": ("realtime.meters",),
    # What every byte goes through knows nothing of the sound, nor the ports of what bytes mean.
    "realtime.midi.messages": (),
    "realtime.midi.values": ("realtime.midi.messages",),
    "realtime.midi.takeover": (),
    "realtime.midi.status": (),
    "realtime.midi.port_names": (),
    "realtime.midi.mapping": (
        "realtime.midi",
        "realtime.midi.values",
        "realtime.params",
        "realtime.targets",
    ),
    "realtime.midi.learn": ("realtime.midi", "realtime.midi.*", "realtime.params"),
    "realtime.midi.ports": ("realtime.midi.port_names", "realtime.midi.systems"),
    "realtime.batch.files": (),
    "realtime.osc_packets": ("pythonosc",),
    "realtime.plugins.curves": (),
    "realtime.plugins.plugin_map": ("realtime.plugins.setting",),
    "realtime.plugins.equaliser": ("numpy", "scipy", "realtime.dsp.biquad"),
    "realtime.plugins.found": (),
    "realtime.plugins.scan": ("realtime.plugins.*",),
    "realtime.plugins.record": ("numpy",),
    "realtime.plugins.rings": (
        *COMPILED,
        "realtime.dsp.blocks",
        "realtime.plugins.record",
        "realtime.plugins.setting",
        *KERNEL_AIDS,
    ),
    "realtime.plugins.host": ("realtime.plugins.*", "realtime.priority"),
    "realtime.plugins.process": ("realtime.lifeline", "realtime.same_python", "realtime.plugins.*"),
    "realtime.plugins.watch": ("numpy", "realtime.plugins.record"),
    # A plugin's process starts beside the sound: nothing that takes a second to import.
    "realtime.plugins.worker": ("numpy", "realtime.lifeline", "realtime.plugins.*"),
    "realtime.plugins.processor": ("numpy", "realtime.plugins.*"),
    "realtime.plugins.sharing": ("numpy", "realtime.plugins.record"),
    "realtime.plugins.loading": (
        "numpy",
        "pedalboard",
        "realtime.plugins.curves",
        "realtime.plugins.setting",
    ),
    # The supervisor holds what it keeps as bytes: only a report at the end needs the classes.
    "realtime.lifeline": (),
    "realtime.same_python": (),
    "realtime.child": (
        "realtime.lifeline",
        "realtime.same_python",
        "realtime.screen.terminal",
    ),
    "realtime.supervisor": (
        "realtime.child",
        "realtime.lifeline",
        "realtime.report",
        "realtime.session",
    ),
    "realtime.dsp.*": (*COMPILED, "realtime.dsp.*"),
    "realtime.dsp": (),
    "realtime.arrays": (*COMPILED, "realtime.dsp.intrinsics"),
    "realtime.native": (*COMPILED, "realtime.dsp.intrinsics"),
    "realtime.coefficients": ("numpy", "realtime.dsp.*", *TABLES),
    "realtime.ramps": (
        *COMPILED,
        "realtime.coefficients",
        "realtime.dsp.intrinsics",
        "realtime.dsp.blocks",
        "realtime.dsp.room",
    ),
    "realtime.chain": (
        *COMPILED,
        "realtime.arrays",
        "realtime.coefficients",
        "realtime.dsp.*",
        "realtime.native",
        "realtime.plugins.rings",
        "realtime.plugins.setting",
        "realtime.ramps",
        *TABLES,
    ),
    "realtime.bridge": (
        *COMPILED,
        "realtime.chain",
        "realtime.coefficients",
        "realtime.plugins.rings",
        "realtime.ramps",
        *KERNEL_AIDS,
        *TABLES,
    ),
    "realtime.callback": (*COMPILED, "realtime.chain", "realtime.bridge", *KERNEL_AIDS),
    "realtime.exemplars": ("numpy",),
    "realtime.features": (
        "numpy",
        "scipy",
        "realtime.exemplars",
        "realtime.measure",
        "realtime.params",
    ),
    "realtime.effect_features": ("numpy", "scipy", "realtime.features", "realtime.params"),
    "realtime.model_file": ("numpy", "onnxruntime"),
    "realtime.measure": ("numpy", "pyloudnorm"),
    "realtime.matching": ("numpy",),
    "realtime.comparison": ("numpy", "realtime.matching", "realtime.style_space"),
    "realtime.goal": (
        "numpy",
        "realtime.comparison",
        "realtime.model_file",
        "realtime.style_space",
    ),
    "realtime.style_space": (
        "numpy",
        "scipy",
        "realtime.features",
        "realtime.matching",
        "realtime.measure",
    ),
    "realtime.curve_match": ("numpy", "scipy", "realtime.plugins.equaliser", *TABLES),
    "realtime.synthesis": ("numpy", "scipy"),
    "realtime.screen.keys": (),
    "realtime.screen.keyboard": ("realtime.screen.keys",),
    "realtime.screen.terminal": ("realtime.screen.keyboard",),
}
# Hands reach the sound through its controls; what is behind those is the engine's.
BEHIND_CONTROLS = (
    "realtime.bridge",
    "realtime.callback",
    "realtime.chain",
    "realtime.engine",
    "realtime.recovery",
    "realtime.stage",
    "numba",
    "numpy",
)
# What a module may not import, whatever else it does. All that match hold.
FORBIDDEN = {
    "realtime.*": ("torch", "torchaudio", "onnx", "onnxscript", "offline_train", "auraloss"),
    "realtime.*predictor": ("realtime.chain", "realtime.callback", "realtime.engine", "numba"),
    "realtime.capture": ("realtime.chain", "realtime.callback", "realtime.engine", "numba"),
    "realtime.refine": ("realtime.engine", "realtime.cli", "sounddevice"),
    "realtime.search": ("realtime.engine", "realtime.cli", "sounddevice"),
    "realtime.transfer": ("realtime.engine", "realtime.cli", "sounddevice"),
    "realtime.midi.*": BEHIND_CONTROLS,
    "realtime.osc*": BEHIND_CONTROLS,
    "realtime.screen.*": BEHIND_CONTROLS,
    "*": ("tests", "benchmarks"),
}
# A library and the modules of the player that may know it: to replace one, look there.
DOORS = {
    "sounddevice": ("realtime.audio_io",),
    "rtmidi": ("realtime.midi.systems", "realtime.midi.jack_graph"),
    "pythonosc": ("realtime.osc_packets",),
    "onnxruntime": ("realtime.model_file",),
    "pedalboard": ("realtime.plugins.loading",),
    "platformdirs": ("realtime.user_files",),
    "soundfile": ("realtime.audio_files", "realtime.output_files"),
    "pyloudnorm": ("realtime.measure",),
    "cma": ("realtime.search",),
    "matplotlib": ("realtime.demo",),
    "distributed": ("realtime.batch.cluster",),
    "rich": (
        "realtime.batch.display",
        "realtime.commands",
        "realtime.report",
        "realtime.screen.look",
        "realtime.screen.painter",
        "realtime.screen.panel",
    ),
}
# Of realtime, offline_train knows the table, presets, front end and meters; what renders with the
# compiled chain or the shipped predictor is named here.
OFFLINE_MAY = (
    "realtime.comparison",
    "realtime.effect_features",
    "realtime.exemplars",
    "realtime.features",
    "realtime.matching",
    "realtime.measure",
    "realtime.params",
    "realtime.preset",
    "realtime.style_space",
)
OFFLINE_RENDERS = {
    "offline_train.evaluate": ("realtime.predictor", "realtime.transfer", "realtime.chain"),
    "offline_train.effect_pairs": ("realtime.transfer",),
    "offline_train.effects_model": ("realtime.effects_predictor",),
    "offline_train.effects_pool": ("realtime.effects_predictor",),
    "offline_train.effects_experiment": ("realtime.effects_predictor", "realtime.predictor"),
    "offline_train.export": ("realtime.model_file", "realtime.predictor"),
    "offline_train.goal_pool": ("realtime.transfer",),
    "offline_train.goal_experiment": (
        "realtime.goal",
        "realtime.model_file",
        "realtime.predictor",
    ),  # which models it was trained behind
    "offline_train.live": ("realtime.transfer",),
    "offline_train.synth": ("realtime.synthesis",),
    "offline_train.main": (
        "realtime.model_file",
        "realtime.predictor",
    ),  # where a model is shipped to
}


def sources(*packages: str) -> dict[str, Path]:
    """Dotted name -> file of every module in `packages`."""
    found = {}
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = sources(*PACKAGES)


def imported(nodes: Iterable[ast.AST]) -> set[str]:
    """Dotted names that these statements import beyond stdlib; ours down to the module."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module, f"relative import in line {node.lineno}"
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {m if m in MODULES else node.module for m in members}
    return {i for i in found if i.partition(".")[0] not in sys.stdlib_module_names}


def imports(path: Path) -> set[str]:
    """What a module imports, anywhere in its text."""
    return imported(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


def top_level_imports(path: Path) -> set[str]:
    """What a module imports by being imported."""
    return imported(ast.parse(path.read_text(encoding="utf-8")).body)


def covers(pattern: str, name: str) -> bool:
    """Whether a rule's pattern means `name`: itself, or a module inside what it names."""
    inside = not pattern.startswith("realtime") and name.startswith(pattern + ".")
    return inside or fnmatch(name, pattern)


@pytest.mark.parametrize("name", sorted(sources("realtime", "offline_train", "benchmarks")))
def test_imports_follow_the_rules(name: str) -> None:
    found = imports(MODULES[name])
    for pattern, allowed in ALLOWED.items():
        if fnmatch(name, pattern):
            stray = {i for i in found if not any(covers(a, i) for a in allowed)}
            assert not stray, f"{name} may import {allowed or 'the standard library'} only"
            break
    if name.startswith("offline_train"):
        allowed = OFFLINE_MAY + OFFLINE_RENDERS.get(name, ())
        stray = {i for i in found if i.startswith("realtime") and i not in allowed}
        assert not stray, f"{name} may import {allowed} of realtime only"
    for pattern, forbidden in FORBIDDEN.items():
        if fnmatch(name, pattern):
            own = name.partition(".")[0]
            bad = {i for i in found for f in forbidden if f != own and covers(f, i)}
            assert not bad, f"{name} must not import {bad}"


@pytest.mark.parametrize("pattern", [*ALLOWED, *FORBIDDEN, *OFFLINE_RENDERS, *OFFLINE_MAY])
def test_every_rule_is_about_something(pattern: str) -> None:
    assert any(fnmatch(name, pattern) for name in MODULES), f"no module {pattern}"


@pytest.mark.parametrize("library", DOORS)
def test_a_library_has_its_doors(library: str) -> None:
    knowing = {
        n for n in sources("realtime") if any(covers(library, i) for i in imports(MODULES[n]))
    }
    assert knowing == set(DOORS[library])


def test_imports_go_one_way() -> None:
    """No module reaches itself through its imports, those made late inside functions aside."""
    ours = sources("realtime", "offline_train", "benchmarks")
    graph = {name: top_level_imports(path) & ours.keys() for name, path in ours.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, naming the cycle


def test_nobody_imports_the_command_line_but_the_demo_it_starts() -> None:
    importers = {n for n, p in MODULES.items() if "realtime.cli" in imports(p)}
    importers = {n for n in importers if not n.startswith("tests")}
    assert importers <= {"realtime.demo", "realtime.__main__"}


def test_playing_imports_no_torch() -> None:
    names = [n for n in sources("realtime") if not n.endswith("__main__")]
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "print([m for m in sys.modules if m.partition('.')[0] in ('torch', 'matplotlib')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_supervisor_loads_no_library() -> None:
    """Audio waits for it: what it imports before the engine runs is all standard."""
    code = "import realtime.cli, realtime.supervisor, sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    libraries = {i.partition(".")[0] for n in sources("realtime") for i in imports(MODULES[n])}
    assert not loaded & (libraries - {"realtime"})


def our_files() -> list[str]:
    """Paths of all that is or is about to be tracked, relative to the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [path for path in done.stdout.split("\0") if path and (ROOT / path).is_file()]


def test_files_stay_short() -> None:
    long = {}
    for path in our_files():
        if path.endswith(".py"):
            lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
            if lines > LINES_MAX and path not in LONGER:
                long[path] = lines
    assert not long, f"over {LINES_MAX} lines; split them or say why in LONGER"
    assert all((ROOT / path).is_file() for path in LONGER)


def test_no_audio_and_nothing_large_is_tracked() -> None:
    audio = [p for p in our_files() if re.search(r"\.(wav|flac|ogg|mp3|aiff?|m4a)$", p, re.I)]
    assert not audio
    large = {p: (ROOT / p).stat().st_size for p in our_files()}
    large = {p: size for p, size in large.items() if size > 3_000_000 and p[-5:] != ".onnx"}
    assert not large


def readme_tree() -> set[str]:
    """Paths that README's annotated tree names, folders ending in a slash.

    A line is indentation (two spaces a level), names with one space between, then two or more
    spaces and what they are.
    """
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- tree -->\n```text\n(.*?)```", text, re.S)
    assert block, "README has no tree after <!-- tree -->"
    folders: list[str] = []
    paths = set()
    for line in block[1].splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        names = re.split(r"\s{2,}", line.strip())[0].split(" ")
        del folders[depth:]
        paths |= {"".join(folders) + name for name in names}
        if names[0].endswith("/"):
            folders.append(names[0])
    return paths


def test_readme_tree_names_what_is_there() -> None:
    missing = {path for path in readme_tree() if not any(ROOT.glob(path.rstrip("/")))}
    assert not missing


def test_readme_tree_leaves_nothing_out() -> None:
    named = readme_tree()
    # A folder whose contents the tree does not list speaks for all of them.
    opened = {name.rstrip("/").rpartition("/")[0] + "/" for name in named}
    closed = {name for name in named if name.endswith("/")} - opened
    unnamed = {
        path
        for path in our_files()
        if not any(fnmatch(path, name) for name in named)
        and not path.startswith(tuple(closed))
        and not path.endswith("__init__.py")
        and path != ".gitignore"
    }
    assert not unnamed
