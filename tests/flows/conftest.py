"""A project of its own for each module: SQLite, an MLflow store, and the command run as people run it."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.betting.leagues import BUILT_IN, Leagues
from feature_store.sources.library.sample import sample_batches
from migrations import schema
from tests.databases import mlflow_store
from tests.forked import Ended, run_module

ROOT = Path(__file__).parents[2]
INHERITED = ("PATH", "PYTHONPATH", "HOME", "LANG", "CI")


COLUMNS = (
    "league", "season", "game_id", "kickoff_utc", "game_date", "home_team", "away_team", "home_score", "away_score",
    "odds_home", "odds_draw", "odds_away", "total_line",
)  # fmt: skip


class Project:
    """A folder with settings, and the `dbsbm` command in it.

    Its commands run in forked processes, which spares their imports; where ``spawned``, as people start them.
    """

    def __init__(self, folder: Path, *, spawned: bool = False, **settings: str) -> None:
        self.folder = folder
        self.spawned = spawned
        self.settings = {
            "DATABASE_URL": f"sqlite:///{folder}/ours.db",
            "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/mlflow/mlflow.db"
            if spawned
            else mlflow_store(folder / "mlflow"),
            "BUNDLE_DIR": str(folder / "bundles"),
            "PREFECT_HOME": str(folder / "prefect"),
            **settings,
        }

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name in INHERITED}
        quiet = {"OMP_WAIT_POLICY": "passive", "DO_NOT_TRACK": "true", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        return {**inherited, **quiet, **self.settings}

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "flows.cli"]

    def run(self, *arguments: str, expect: int = 0, timeout: float = 600) -> str:
        """Run `dbsbm` with the arguments; returns standard output, after checking the exit code."""
        done = self.start(*arguments, timeout=timeout)
        assert done.returncode == expect, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout if expect == 0 else done.stdout + done.stderr

    def start(self, *arguments: str, timeout: float = 600) -> Ended:
        """Run `dbsbm` with the arguments; returns how it ended and what it wrote."""
        return (self._spawn if self.spawned else self._fork)(*arguments, timeout=timeout)

    def _fork(self, *arguments: str, timeout: float) -> Ended:
        return run_module("flows.cli", *arguments, folder=self.folder, environment=self.environment, timeout=timeout)

    def _spawn(self, *arguments: str, timeout: float) -> Ended:
        done = subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def copy(self, folder: Path) -> "Project":
        """The same project in a new folder. What MLflow holds of its models stays in the old one, to be read."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def json(self, *arguments: str, expect: int = 0) -> Any:
        return json.loads(self.run(*arguments, "--json", expect=expect))


@contextmanager
def running(command: list[str], project: Project, log: str, **settings: str) -> Iterator[None]:
    """A process of the project's for as long as the block lasts; what it says goes to the log file."""
    with (project.folder / log).open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.environment | settings,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    def make(*, spawned: bool = False, **settings: str) -> Project:
        return Project(tmp_path_factory.mktemp("project"), spawned=spawned, **settings)

    return make


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project]) -> Project:
    return new_project()


@pytest.fixture(scope="session")
def backfilled(new_project: Callable[..., Project], archive_file: Path) -> Project:
    """A project with the archive filled, for tests to copy."""
    project = new_project()
    assert project.json("db", "upgrade")["after"] == schema.head()
    first = project.json("backfill", str(archive_file))
    assert (first["rows"], first["rejected"], first["added"]) == (380, 0, 380 * 3)
    return project


@pytest.fixture(scope="session")
def trained(backfilled: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """With version 1 of EPL-results, for tests to copy."""
    project = backfilled.copy(tmp_path_factory.mktemp("trained") / "project")
    version = project.json("train", "--league", "EPL", "--through", "2025-03-31")
    assert (version["model"], version["version"], len(version["bundle_sha256"])) == ("EPL-results", 1, 64)
    return project


@pytest.fixture(scope="session")
def archive_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample season as a CSV archive; its second half dated a year later, so that there are two seasons."""
    league = Leagues(BUILT_IN).get("EPL")
    batch = sample_batches(Leagues(BUILT_IN))[league]
    quotes = {quote.game_id: quote for quote in batch.quotes}
    results = {result.game_id: result for result in batch.results}
    path = tmp_path_factory.mktemp("archive") / "epl.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for game in batch.games:
            result, quote = results[game.game_id], quotes[game.game_id]
            second = game.start_at.year == 2024
            start = game.start_at.replace(year=2025 if second and game.start_at.month > 1 else game.start_at.year)
            writer.writerow(
                ("EPL", 2024 if start.year == 2025 else 2023, game.game_id, start.isoformat(), "", game.home_team,
                 game.away_team, result.home_score, result.away_score, quote.odds_home, quote.odds_draw,
                 quote.odds_away, quote.total_line)
            )  # fmt: skip
    return path
