"""Fixtures: real dependencies in temporary folders.

There is one MariaDB and one Redis process per test session (per xdist worker), and each test has its own database, a
copy of one that was migrated once. ``database`` runs a test on SQLite and on MariaDB. Temporary folders and
MariaDB's files lie in memory where there is room: tests of databases spend most of their time waiting for the disk.
Tests of development data are skipped with a message where its folder does not exist. Times are literals; no test
reads the machine's clock.
"""

import os
import shutil
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import Engine, make_url

from core.betting.leagues import BUILT_IN, Leagues
from core.database.engines import open_database
from tests import processes
from tests.databases import copy_migrated, migrated_file, migrated_tables
from tests.services import MariaDb, RedisServer, mariadb_server, memory_folder, redis_server

# CI repeats the same examples, so that its result depends on the change only; other runs draw new ones.
settings.register_profile(
    "tests",
    deadline=None,
    max_examples=50,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("tests")

STARTING = frozenset({"mariadb", "redis_process", "new_project"})
"""Fixtures that start a process, now or when they are asked to; a test that needs one is marked ``server``."""

NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)
DEVELOPMENT_DATA = Path(os.environ.get("DBSBM_DEVELOPMENT_DATA", Path(__file__).parents[2] / "shared" / "data"))


MEMORY = memory_folder()
if MEMORY is not None:
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


ON_BOTH = ["sqlite", pytest.param("mariadb", marks=pytest.mark.server)]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None, object, object]:
    """Mark what starts processes; then put the modules that take long first, so that no worker begins one at the end."""
    for item in items:
        if STARTING.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("server")
    result = yield
    long = {item.path for item in items if any(map(item.get_closest_marker, ("server", "slow")))}
    items.sort(key=lambda item: item.path not in long)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test without the marker may start no process, nor may a fixture on its behalf."""
    with processes.refused_to(None if item.get_closest_marker("server") else item.nodeid):
        return (yield)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    with mariadb_server(beneath=MEMORY) as server:
        yield server


@pytest.fixture(scope="session")
def migrated_mariadb(mariadb: MariaDb) -> dict[str, str]:
    """What creates each table of the newest schema."""
    return migrated_tables(mariadb)


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisServer]:
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema."""
    return migrated_file(tmp_path_factory.mktemp("migrated") / "ours.db")


@pytest.fixture
def sqlite_database(migrated_sqlite: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copy(migrated_sqlite, tmp_path / "ours.db")
    engine = open_database(make_url(f"sqlite:///{tmp_path}/ours.db"))
    yield engine
    engine.dispose()


@pytest.fixture
def mariadb_database(mariadb: MariaDb, migrated_mariadb: dict[str, str]) -> Iterator[Engine]:
    engine = open_database(mariadb.recreate("ours"))
    copy_migrated(engine, migrated_mariadb)
    yield engine
    engine.dispose()


@pytest.fixture(params=ON_BOTH)
def database(request: pytest.FixtureRequest) -> Engine:
    """The project's own database with the newest schema, once on each engine."""
    engine: Engine = request.getfixturevalue(f"{request.param}_database")
    return engine


@pytest.fixture(params=ON_BOTH)
def bare_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Without any table; SQLite's file in folders that are not there yet."""
    if request.param == "sqlite":
        opened = open_database(make_url(f"sqlite:///{tmp_path}/new/folder/bare.db"))
    else:
        opened = open_database(request.getfixturevalue("mariadb").recreate("bare"))
    yield opened
    opened.dispose()


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
