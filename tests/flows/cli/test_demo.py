"""The demo ends in an honest answer without a warning, a second run finds everything done, and installs agree."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from venv import EnvBuilder

import pytest
from hatchling.builders.wheel import WheelBuilder

from tests.flows.conftest import INHERITED, ROOT, Project

DEMO = ("demo", "--exit", "--port", "0", "--json")
MAIN = ROOT / ".venv"
LOAD = """
import mlflow
mlflow.set_tracking_uri("sqlite:///mlruns/demo/mlflow.db")
model = mlflow.pyfunc.load_model("models:/EPL-results@champion")
import core
print(type(model._model_impl).__module__, core.__file__)
"""


@pytest.fixture(scope="module")
def demo(new_project: Callable[..., Project]) -> tuple[Project, dict[str, Any]]:
    """A folder where the demo ran, and its answer."""
    project = new_project(spawned=True)
    ended = project.start(*DEMO)
    assert ended.stderr == "", "a fresh demo has nothing to warn of"
    return project, json.loads(ended.stdout)


def bundles(folder: Path) -> set[str]:
    """The SHA-256 of each bundle that the demo trained there."""
    return {path.name for path in (folder / "mlruns" / "demo" / "bundles").iterdir() if not path.name.startswith(".")}


def run_in(folder: Path, *command: str | Path, **environment: str) -> str:
    """What a command prints that gets nothing of this environment but the bare necessities."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ and name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=inherited | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_forecasts_a_real_game_and_a_second_run_changes_nothing(demo: tuple[Project, dict[str, Any]]) -> None:
    project, first = demo
    probabilities = first["probabilities"]
    assert abs(sum(probabilities[side] for side in ("home", "draw", "away")) - 1) < 1e-9
    assert first["game"]["home_team"] == "Arsenal"
    assert first["model"]["name"] == "EPL-prices"
    second = json.loads(project.run(*DEMO))
    assert second["probabilities"] == probabilities
    assert second["model"] == first["model"]


@pytest.mark.slow
def test_an_installed_wheel_runs_the_demo_beside_packages_of_the_same_names(
    demo: tuple[Project, dict[str, Any]], tmp_path: Path
) -> None:
    """The libraries are this environment's; its editable install of the project is out of reach."""
    (wheel,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    EnvBuilder(symlinks=True).create(tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    libraries = next(path for path in sys.path if path.endswith("site-packages"))
    (installed,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (installed / "libraries.pth").write_text(libraries)  # the .pth files there are not read
    run_in(
        tmp_path, Path(sys.prefix, "bin", "uv"), "pip", "install", "--offline", "--no-deps", "--python", python, wheel
    )
    folder, own = tmp_path / "cwd", tmp_path / "own"
    folder.mkdir()
    own.mkdir()
    (folder / "signal.py").write_text("raise SystemExit('a file of the working folder was imported')")
    for room in ("core", "feature_store", "training", "serving", "flows", "migrations"):
        (own / f"{room}.py").write_text("")
    _, answer = demo
    served = json.loads(run_in(folder, python.parent / "dbsbm", *DEMO, PYTHONPATH=str(own)))
    assert served["probabilities"] == answer["probabilities"]
    assert bundles(folder) == bundles(demo[0].folder)
    loaded = run_in(folder, python, "-P", "-c", LOAD, PYTHONPATH=str(own), BUNDLE_DIR="mlruns/demo/bundles").split()
    assert loaded == ["dbsbm_predictions.core.registry.pyfunc", f"{own}/core.py"]


@pytest.mark.slow
@pytest.mark.skipif(
    Path(sys.prefix) == MAIN or not MAIN.exists(), reason="this is the main environment; `make versions` has others"
)
def test_every_python_trains_the_bundles_of_the_main_environment(
    demo: tuple[Project, dict[str, Any]], tmp_path: Path
) -> None:
    answer = json.loads(run_in(tmp_path, MAIN / "bin" / "dbsbm", *DEMO))
    assert bundles(tmp_path) == bundles(demo[0].folder)
    assert answer["probabilities"] == demo[1]["probabilities"]
