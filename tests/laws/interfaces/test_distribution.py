"""What is installed has one version and one import name, and runs on every Python that its metadata admit."""

import ast
import importlib
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder

from core.registry.tracking.client import LOADER
from core.settings import load_settings
from core.version import DISTRIBUTION, VERSION
from deploy.wheel.build_hook import PREFIX, PrefixError, module_name, with_prefix
from serving.app import create_app

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = frozenset(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["rooms"])
SOURCES = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
COMPUTING = {"lightgbm", "llvmlite", "numba", "numpy", "pandas", "scikit-learn", "scipy"}
"""Libraries whose arithmetic a model's bytes depend on."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the sdist, as pip builds it."""
    folder = tmp_path_factory.mktemp("dist")
    (sdist,) = SdistBuilder(str(ROOT)).build(directory=str(folder))
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    (built,) = WheelBuilder(str(unpacked)).build(directory=str(folder))
    return Path(built)


def test_a_wheel_has_one_top_level_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {PREFIX, f"{PREFIX}-{VERSION}.dist-info"}
    held = {name.removeprefix(f"{PREFIX}/") for name in names if name.startswith(f"{PREFIX}/")}
    in_rooms = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert held == in_rooms | {"__init__.py"}


def test_wheel_and_sdist_of_a_checkout_are_those_of_the_sdist(wheel: Path, tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    ours, theirs = zipfile.ZipFile(built), zipfile.ZipFile(wheel)
    assert {name: ours.read(name) for name in ours.namelist()} == {
        name: theirs.read(name) for name in theirs.namelist()
    }


def test_one_version_number_is_in_the_package_the_api_and_the_changelog(wheel: Path) -> None:
    assert PROJECT["project"]["version"] == version(DISTRIBUTION) == VERSION
    assert create_app(load_settings(_env_file=None)).openapi()["info"]["version"] == VERSION
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == VERSION
    assert wheel.name == f"{PREFIX}-{VERSION}-py3-none-any.whl"
    assert (wheel.parent / f"{PREFIX}-{VERSION}.tar.gz").is_file()


def test_the_prefix_changes_imports_and_nothing_else() -> None:
    modules = {module_name(file, ROOT) for file in SOURCES}
    for path in SOURCES:
        source = path.read_bytes()
        changed = with_prefix(source, ROOMS, modules)
        assert changed.replace(f"{PREFIX}.".encode(), b"") == source.replace(f"{PREFIX}.".encode(), b""), path
        named = {node.module or "" for node in ast.walk(ast.parse(changed)) if isinstance(node, ast.ImportFrom)}
        assert not {name for name in named if name.split(".")[0] in ROOMS}, path


@pytest.mark.server
def test_code_that_is_not_installed_has_the_same_version() -> None:
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from core.version import VERSION; print(VERSION)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == VERSION


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from core import clock", "from dbsbm_predictions.core import clock"),
        ("from  core.clock import (\n  Clock,\n)", "from  dbsbm_predictions.core.clock import (\n  Clock,\n)"),
        ("import core", "import dbsbm_predictions.core as core"),
        ("import core.clock as c, json", "import dbsbm_predictions.core.clock as c, json"),
        ("import json, training as t", "import json, dbsbm_predictions.training as t"),
        ("import core, flows", "import dbsbm_predictions.core as core, dbsbm_predictions.flows as flows"),
        ("x = 'ä'; from core import clock", "x = 'ä'; from dbsbm_predictions.core import clock"),
        ("def f():\n\tfrom core import clock", "def f():\n\tfrom dbsbm_predictions.core import clock"),
        ("from . import core", "from . import core"),
        ("from corelib import core", "from corelib import core"),
        ("import corelib.core", "import corelib.core"),
        ('"""from core import clock"""', '"""from core import clock"""'),
        ("# from core import clock\ncore = 'core'", "# from core import clock\ncore = 'core'"),
        ("log = get_logger('serving.audit')", "log = get_logger('serving.audit')"),
        ("from core import a\r\nfrom core import b\r\n", "from dbsbm_predictions.core import a\r\nfrom dbsbm_predictions.core import b\r\n"),
    ],
)  # fmt: skip
def test_every_form_of_import_gets_the_prefix(before: str, after: str) -> None:
    assert with_prefix(before.encode(), ROOMS, {"core.clock"}).decode() == after


@pytest.mark.parametrize(
    "code",
    [
        "import core.clock",
        "run('-m', 'core.clock')",
        "x = 1\nimport json, core.clock",
        "from \\\n  core.clock import Clock",
    ],
)
def test_code_that_would_lead_out_of_the_package_is_refused(code: str) -> None:
    with pytest.raises(PrefixError, match=r"^\d+: .*core\.clock"):
        with_prefix(code.encode(), ROOMS, {"core.clock"})


def test_a_checkout_has_the_names_of_a_wheel_for_the_same_modules() -> None:
    for name in ("serving.client", "core.registry.pyfunc", "flows", "migrations.schema"):
        assert importlib.import_module(f"{PREFIX}.{name}") is importlib.import_module(name)
    assert importlib.import_module(PREFIX).ROOMS == ROOMS
    for name in ("core.nothing", "json", "tests", "deploy.wheel"):
        with pytest.raises(ModuleNotFoundError, match=re.escape(f"{PREFIX}.{name.split('.')[0]}")):
            importlib.import_module(f"{PREFIX}.{name}")
    assert hasattr(importlib.import_module(LOADER), "_load_pyfunc")
    (command,) = entry_points(group="console_scripts", name="dbsbm")
    assert command.value.startswith(f"{PREFIX}.")
    assert callable(command.load())


def test_what_computes_has_one_version_on_every_python() -> None:
    """Two versions of numpy round differently, and the bundles of two Pythons would differ in their last bits."""
    for page in ("dev.txt", "serving.txt"):
        pinned = re.findall(r"^([a-z0-9-]+)==(\S+)(.*)", (ROOT / "requirements" / page).read_text(), re.MULTILINE)
        ours = [(name, marker) for name, _, marker in pinned if name in COMPUTING]
        assert len({name for name, _ in ours}) == len(ours)
        assert not [name for name, marker in ours if "python" in marker]


def test_the_readme_the_makefile_and_the_metadata_name_the_same_pythons() -> None:
    versions = ["3.11", "3.12", "3.13"]
    assert PROJECT["project"]["requires-python"] == ">=3.11,<3.14"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^VERSIONS := (.*)$", makefile, re.MULTILINE)[1].split() == versions[::-1]  # type: ignore[index]
    assert "Python 3.11 to 3.13" in (ROOT / "README.md").read_text(encoding="utf-8")
    classified = [line.rpartition(" ")[2] for line in PROJECT["project"]["classifiers"] if "Python :: 3." in line]
    assert classified == versions


FLOATS = ("core/betting", "core/registry", "core/scoring.py", "feature_store/features", "feature_store/history")


def test_numbers_of_forecasts_are_not_added_by_the_builtin_sum() -> None:
    """From Python 3.12 on it compensates for rounding."""
    files = [
        file for part in FLOATS for file in ([ROOT / part] if part.endswith(".py") else (ROOT / part).rglob("*.py"))
    ]
    calls = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in files
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "sum"
    ]
    assert calls == []
