"""What `pip install .` brings: a player with presets and model, away from the checkout."""

from __future__ import annotations

import ast
import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The stage's own libraries, fixed by the design whether or not today's code imports each.
FIXED = {"numpy", "numba", "scipy", "sounddevice", "python-rtmidi", "onnxruntime", "pedalboard"}


def run(*command: str | Path, cwd: Path) -> str:
    """Standard output of a command that must succeed, run away from the checkout's packages."""
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command} said {done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that pip builds from a copy of the checkout's tracked files."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listing = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listing.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", out, source, cwd=out)
    (built,) = out.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new environment with the wheel in it.

    The libraries come from this environment; its packages of ours do not.
    """
    folder = tmp_path_factory.mktemp("player")
    venv.create(folder, with_pip=False)
    run(sys.executable, "-m", "pip", "--python", folder, "install", "--no-deps", wheel, cwd=folder)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "bin"


def test_the_wheel_holds_packages_and_their_data_and_no_more(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for kind in ("realtime/*.py", "realtime/dsp/*.py", "offline_train/**/*.py", "benchmarks/*.py",
                 "presets/*/*.toml", "realtime/model/*.onnx", "realtime/model/*.md",
                 "offline_train/configs/*.toml"):  # fmt: skip
        ours = {str(path.relative_to(ROOT)) for path in ROOT.glob(kind)}
        assert ours, kind
        assert ours <= set(names), kind
    tops = {name.partition("/")[0] for name in names}
    dist_info = next(top for top in tops if top.endswith(".dist-info"))
    assert tops == {"realtime", "presets", "offline_train", "benchmarks", dist_info}
    assert f"{dist_info}/licenses/LICENSE" in names
    assert not [n for n in names if "__pycache__" in n or n.endswith((".wav", ".flac", ".json"))]


def test_an_installed_player_finds_its_own_presets_and_model(
    installed: Path, tmp_path: Path
) -> None:
    code = (
        "import realtime, realtime.preset as p; from realtime.predictor import Predictor\n"
        "Predictor(); print(realtime.__file__); print(*p.factory_presets())"
    )
    where, names = run(installed / "python", "-c", code, cwd=tmp_path).splitlines()
    assert Path(where).is_relative_to(installed.parent)
    assert names.split() == sorted(path.stem for path in (ROOT / "presets/factory").glob("*.toml"))


def test_the_command_is_there(installed: Path, tmp_path: Path) -> None:
    assert "--ref" in run(installed / "afx-live", "--help", cwd=tmp_path)
    for kind, option in (("factory", "--list-presets"), ("midi", "--list-maps")):
        listed = run(installed / "afx-live", option, cwd=tmp_path).split()
        assert {path.stem for path in (ROOT / "presets" / kind).glob("*.toml")} <= set(listed)


def third_party(folder: str) -> set[str]:
    """Top-level names that the modules in a folder import and that are neither stdlib nor ours."""
    names = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.add(node.module.partition(".")[0])
    ours = {"realtime", "offline_train", "benchmarks", "tests"}
    return names - sys.stdlib_module_names - ours


def distributions(modules: Iterable[str]) -> set[str]:
    """The distributions that bring these modules, by their normalised names."""
    known = importlib.metadata.packages_distributions()
    missing = [m for m in modules if m not in known]
    assert not missing, f"not installed: {missing}"
    return {normal(name) for m in modules for name in known[m]}


def normal(requirement: str) -> str:
    """'JACK_Client>=0.5' -> 'jack-client'."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def declared(*extras: str) -> set[str]:
    """Names of the dependencies and those of some extras."""
    groups = [PROJECT["dependencies"], *(PROJECT["optional-dependencies"][e] for e in extras)]
    return {normal(requirement) for group in groups for requirement in group}


# llvmlite is numba's own face to LLVM: its version is numba's to choose.
@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("realtime", ["demo", "cluster"]),
        ("benchmarks", ["train", "dev", "demo"]),
        ("offline_train", ["train", "pesq"]),
        ("tests", ["train", "dev", "demo", "cluster"]),
    ],
)
def test_what_is_imported_is_declared(folder: str, extras: list[str]) -> None:
    assert distributions(third_party(folder)) - {"llvmlite"} <= declared(*extras)


def test_what_is_declared_is_imported() -> None:
    assert declared() - FIXED <= distributions(third_party("realtime"))
    assert declared() >= FIXED


def test_the_pinned_torch_satisfies_the_extra() -> None:
    from packaging.requirements import Requirement

    (pinned,) = re.findall(r"install torch==(\S+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    (wanted,) = [
        r for r in map(Requirement, PROJECT["optional-dependencies"]["train"]) if r.name == "torch"
    ]
    assert wanted.specifier.contains(pinned)


def test_no_part_of_playing_asks_for_torch() -> None:
    assert "torch" not in declared("demo")
