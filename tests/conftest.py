"""Fixtures: real dependencies in temporary folders.

There is one MariaDB and one Redis process per test session (per xdist worker), and each test has its own database.
``database`` runs a test on SQLite and on MariaDB. Tests of development data are skipped with a message where its
folder does not exist. Times are literals; no test reads the machine's clock.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database import open_database
from migrations import schema
from tests.services import MariaDb, RedisServer, mariadb_server, redis_server

# CI repeats the same examples, so that its result depends on the change only; other runs draw new ones.
settings.register_profile(
    "tests",
    deadline=None,
    max_examples=50,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DEVELOPMENT_DATA = Path(os.environ.get("DBSBM_DEVELOPMENT_DATA", Path(__file__).parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with mariadb_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(make_url(f"sqlite:///{tmp_path}/ours.db"))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def mariadb_database(mariadb: MariaDb) -> Iterator[Engine]:
    engine = open_database(mariadb.recreate("ours"))
    schema.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture(params=["sqlite", "mariadb"])
def database(request: pytest.FixtureRequest) -> Engine:
    """The project's own database with the newest schema, once on each engine."""
    engine: Engine = request.getfixturevalue(f"{request.param}_database")
    return engine


@pytest.fixture
def leagues() -> Leagues:
    return Leagues(BUILT_IN)


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture(scope="session")
def development_data() -> Path:
    if not DEVELOPMENT_DATA.is_dir():
        pytest.skip(f"development data is not at {DEVELOPMENT_DATA}; set DBSBM_DEVELOPMENT_DATA to its folder")
    return DEVELOPMENT_DATA
