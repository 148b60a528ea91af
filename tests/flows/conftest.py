"""A project of its own for each module: SQLite, an MLflow store, and the command run as people run it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


class Project:
    """A folder with settings, and the `dbsbm` command in it."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = {
            "DATABASE_URL": f"sqlite:///{folder}/ours.db",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow/mlflow.db",
            "BUNDLE_DIR": str(folder / "bundles"),
            "PREFECT_HOME": str(folder / "prefect"),
            **settings,
        }

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "CI")}
        quiet = {"OMP_WAIT_POLICY": "passive", "DO_NOT_TRACK": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        return {**inherited, **quiet, **self.settings}

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "flows.cli"]

    def run(self, *arguments: str, expect: int = 0, timeout: float = 240) -> str:
        """Run `dbsbm` with the arguments; returns standard output, after checking the exit code."""
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == expect, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if expect == 0 else done.stdout + done.stderr

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", expect=expect))


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    def make(**settings: str) -> Project:
        return Project(tmp_path_factory.mktemp("project"), **settings)

    return make


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    return new_project()
