"""One world and one running service for tests that only read; others make their own."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
import structlog
from sqlalchemy.engine import Engine, make_url

from core.database.engines import open_database
from migrations import schema
from tests.services import RedisServer
from tests.serving.models import EPL, NFL, deploy, fill
from tests.serving.service import MovingClock, Running, settings_for, started


@dataclass(frozen=True)
class World:
    """A filled database and the store of its bundles."""

    engine: Engine
    store: Path


def make_world(engine: Engine, store: Path) -> World:
    fill(engine, EPL)
    deploy(engine, store, EPL)
    return World(engine, store)


@contextmanager
def filled_world(folder: Path) -> Iterator[World]:
    """A world on SQLite in the folder."""
    engine = open_database(make_url(f"sqlite:///{folder}/ours.db"))
    schema.upgrade(engine)
    yield make_world(engine, folder / "bundles")
    engine.dispose()


@pytest.fixture(scope="session")
def shared_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """EPL with a champion of each variant, NFL with one on results; read only."""
    with filled_world(tmp_path_factory.mktemp("serving")) as world:
        deploy(world.engine, world.store, EPL, "prices", with_trees=True)
        fill(world.engine, NFL)
        deploy(world.engine, world.store, NFL)
        yield world


@pytest.fixture(scope="session")
def service(shared_world: World) -> Iterator[Running]:
    """A running service over the shared world, without Redis and without keys."""
    with started(settings_for(shared_world.engine, shared_world.store), MovingClock()) as running:
        yield running


@pytest.fixture
def world(sqlite_database: Engine, tmp_path: Path) -> World:
    """EPL with a champion on results, for one test."""
    return make_world(sqlite_database, tmp_path / "bundles")


@pytest.fixture
def shared_redis(redis_process: RedisServer) -> Iterator["redis.Redis[bytes]"]:
    """The session's Redis, empty."""
    with redis.Redis(port=redis_process.port) as client:
        client.flushall()
        yield client


@contextmanager
def logging_restored() -> Iterator[None]:
    """Restore the logging configuration afterwards: its handler writes to the streams of the test that made it."""
    handlers, level = logging.root.handlers, logging.root.level
    try:
        yield
    finally:
        logging.root.handlers = handlers
        logging.root.setLevel(level)
        structlog.reset_defaults()


@pytest.fixture
def own_logs() -> Iterator[None]:
    """Let the test configure the logs."""
    with logging_restored():
        yield
