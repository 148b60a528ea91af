"""A world whose database can be cut off."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine

from core.database.engines import open_database
from core.settings import Settings
from migrations import schema
from tests.proxy import Proxy, proxy
from tests.services import MariaDb
from tests.serving.conftest import World, make_world
from tests.serving.service import settings_for

UNREACHABLE_REGISTRY = "http://127.0.0.1:9"


@dataclass
class ProxiedWorld:
    """A world whose database is behind a proxy."""

    world: World
    through: Engine
    proxy: Proxy

    def settings(self, **overrides: object) -> Settings:
        return settings_for(self.through, self.world.store, mlflow_tracking_uri=UNREACHABLE_REGISTRY, **overrides)


@pytest.fixture
def proxied(mariadb: MariaDb, tmp_path: Path) -> Iterator[ProxiedWorld]:
    engine = open_database(mariadb.recreate("ours"))
    schema.upgrade(engine)
    with proxy(mariadb.port) as proxied_port:
        through = open_database(engine.url.set(port=proxied_port.port))
        yield ProxiedWorld(make_world(engine, tmp_path / "bundles"), through, proxied_port)
        through.dispose()
    engine.dispose()
