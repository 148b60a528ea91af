"""An empty database of each kind."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine, make_url

from core.database import open_database


@pytest.fixture(params=["sqlite", "mariadb"])
def bare_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """Without any table; SQLite's file in folders that are not there yet."""
    if request.param == "sqlite":
        opened = open_database(make_url(f"sqlite:///{tmp_path}/new/folder/bare.db"))
    else:
        opened = open_database(request.getfixturevalue("mariadb").recreate("bare"))
    yield opened
    opened.dispose()
