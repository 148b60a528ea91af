"""A migration that is killed anywhere is continued by the next one, without a step by hand and without a lost row."""

import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.engines import open_database
from core.database.transactions import reading, writing
from core.errors import ConflictError, ServiceError
from migrations import schema
from migrations.backup import whole_revision
from migrations.revision_tables import tables_at
from migrations.step_journal import steps
from tests.forked import run_module
from tests.migrations.filled import sample
from tests.services import MariaDb

pytestmark = [pytest.mark.server, pytest.mark.slow]

OLDEST = "016"
KILLED = -9


@pytest.fixture
def engine(mariadb: MariaDb) -> Iterator[Engine]:
    """A database at the oldest revision, with rows."""
    opened = open_database(mariadb.recreate("killed"))
    fill_oldest(opened)
    yield opened
    opened.dispose()


def fill_oldest(engine: Engine) -> None:
    schema.upgrade(engine, OLDEST)
    with writing(engine) as connection:
        for table in tables_at(OLDEST):
            values = [{column.name: sample(column, number) for column in table.columns} for number in range(5)]
            if table.name == "api_keys":
                values = [{**row, "scopes": "admin read"} for row in values]
            connection.execute(sa.insert(table), values)


def state_of(engine: Engine) -> tuple[dict[str, str], dict[str, list[Any]]]:
    """The definition and the rows of every table."""
    with reading(engine) as connection:
        names = sa.inspect(connection).get_table_names()
        made = {name: str(connection.exec_driver_sql(f"SHOW CREATE TABLE `{name}`").one()[1]) for name in names}
        rows = {name: sorted(map(str, connection.exec_driver_sql(f"SELECT * FROM `{name}`"))) for name in names}
    return {name: re.sub(r" AUTO_INCREMENT=\d+", "", text) for name, text in made.items()}, rows


@pytest.fixture(scope="module")
def undisturbed(mariadb: MariaDb) -> dict[str, Any]:
    """How a database looks after a run that was not killed: at the newest revision, and back at the oldest."""
    opened = open_database(mariadb.recreate("undisturbed"))
    fill_oldest(opened)
    schema.upgrade(opened)
    newest = state_of(opened)
    schema.downgrade(opened, OLDEST)
    oldest = state_of(opened)
    opened.dispose()
    return {"upgrade": newest, "downgrade": oldest}


def run(engine: Engine, direction: str, revision: str, statements: int) -> int:
    address = engine.url.render_as_string(hide_password=False)
    return run_module("tests.migrations.dying", address, direction, revision, str(statements)).returncode


def run_until_done(engine: Engine, direction: str, revision: str, statements: int) -> int:
    """Repeat a migration that kills itself after so many statements; returns how often it was killed."""
    killed = 0
    while (code := run(engine, direction, revision, statements)) == KILLED:
        killed += 1
        assert killed < 100, "it comes no further"
    assert code == 0
    return killed


def test_an_upgrade_killed_again_and_again_arrives_with_every_row(engine: Engine, undisturbed: dict[str, Any]) -> None:
    assert run_until_done(engine, "upgrade", "head", 127) >= 3
    assert state_of(engine) == undisturbed["upgrade"]
    assert schema.unfinished(engine) is None


def test_a_downgrade_killed_again_and_again_arrives_with_every_row(engine: Engine, undisturbed: dict[str, Any]) -> None:
    schema.upgrade(engine)
    assert run_until_done(engine, "downgrade", OLDEST, 113) >= 3
    assert state_of(engine) == undisturbed["downgrade"]
    assert schema.unfinished(engine) is None


@pytest.mark.parametrize("statements", [90, 171, 253])
def test_a_killed_downgrade_is_ended_before_the_upgrade_that_follows(
    engine: Engine, undisturbed: dict[str, Any], statements: int
) -> None:
    schema.upgrade(engine)
    assert run(engine, "downgrade", OLDEST, statements) == KILLED
    if schema.unfinished(engine) is not None:
        with pytest.raises(ConflictError, match="between two revisions: the downgrade from"):
            whole_revision(engine)
    assert schema.upgrade(engine) == schema.head()
    assert schema.differences(engine) == []
    assert state_of(engine)[0] == undisturbed["upgrade"][0]


def test_a_killed_upgrade_is_ended_before_the_downgrade_that_follows(engine: Engine) -> None:
    assert run(engine, "upgrade", "head", 150) == KILLED
    schema.downgrade(engine, "base")
    assert set(sa.inspect(engine).get_table_names()) == {"schema_version"}


def test_what_was_begun_by_other_code_is_not_continued(engine: Engine) -> None:
    assert run(engine, "upgrade", "head", 200) == KILLED
    with writing(engine) as connection:
        connection.execute(sa.update(steps).values(statement="ALTER other_table"))
    with pytest.raises(ServiceError, match="at ALTER other_table; this code has"):
        schema.upgrade(engine)


def test_two_upgrades_at_once_take_turns(engine: Engine, undisturbed: dict[str, Any]) -> None:
    results: list[str | None] = []
    threads = [threading.Thread(target=lambda: results.append(schema.upgrade(engine))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [schema.head()] * 2
    assert state_of(engine) == undisturbed["upgrade"]
