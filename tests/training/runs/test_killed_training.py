"""A training killed at any point leaves no half-registered version, and the next run finishes and tidies up."""

import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from mlflow import MlflowClient
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from core.registry import deployment, held_out
from feature_store.archive import store as archive
from feature_store.sources.library.sample import sample_batches
from migrations import schema
from tests.forked import run_module
from tests.training.dying import POINTS, attempt

pytestmark = [
    pytest.mark.server,
    pytest.mark.filterwarnings("ignore"),  # MLflow, loading the input example, warns of its own use of pandas
    pytest.mark.timeout(900),  # two trainings each, one in a process of its own
]
NOW = datetime(2024, 7, 1, tzinfo=UTC)
KNOWN_BY = datetime(2024, 6, 1, tzinfo=UTC)
MODEL = "EPL-results"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    engine = open_database(make_url(f"sqlite:///{folder}/ours.db"))
    schema.upgrade(engine)
    leagues = Leagues(BUILT_IN)
    league = leagues.get("EPL")
    archive.record(engine, league, sample_batches(leagues)[league], source="sample", recorded_at=NOW)
    engine.dispose()
    return folder


@pytest.fixture
def engine(home: Path) -> Engine:
    return open_database(make_url(f"sqlite:///{home}/ours.db"))


def kill_at(point: str, home: Path, known_by: datetime) -> None:
    done = run_module("tests.training.dying", str(home), known_by.isoformat(), NOW.isoformat(), point, timeout=280)
    assert done.returncode == -signal.SIGKILL, done.stderr


def assert_one_story(engine: Engine, home: Path) -> None:
    """Our tables and MLflow agree: versions, aliases, and no run left open."""
    client = MlflowClient(f"sqlite:///{home}/mlflow.db", f"sqlite:///{home}/mlflow.db")
    ours = {version.version: version.run_id for version in deployment.versions(engine, MODEL)}
    theirs = {int(v.version): v.run_id for v in client.search_model_versions(f"name = '{MODEL}'")}
    assert ours == theirs
    record = deployment.deployment(engine, MODEL)
    aliases = {name: int(number) for name, number in client.get_registered_model(MODEL).aliases.items()}
    assert aliases == {"challenger": record.challenger}
    experiment = client.get_experiment_by_name("EPL")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_id for run in runs if run.info.status == "FINISHED"} == set(ours.values())
    assert not [run for run in runs if run.info.status == "RUNNING"]


@pytest.mark.parametrize("point", POINTS)
def test_a_training_killed_leaves_nothing_half_done_and_the_next_finishes(
    point: str, home: Path, engine: Engine
) -> None:
    days = POINTS.index(point)
    known_by = KNOWN_BY - timedelta(days=7 * (len(POINTS) - days))
    before = deployment.versions(engine, MODEL)
    kill_at(point, home, known_by)
    entered = deployment.versions(engine, MODEL)[len(before) :]
    assert len(entered) == (point in ("row written", "aliases set"))
    for version in entered:
        assert held_out.held_out(engine, MODEL, version.version) is not None
        assert deployment.deployment(engine, MODEL).challenger == version.version
    made = attempt(home, known_by, NOW)
    assert not list((home / "bundles").glob(".*"))
    assert [made] == deployment.versions(engine, MODEL)[len(before) :]
    assert_one_story(engine, home)
