"""Names come back as they were written, whatever the server's charset, modes and limits are."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.bulk_insert import insert_new_tuples
from core.database.engines import open_database
from core.database.schema import SMALLEST_PACKET
from core.database.transactions import reading, turn, writing
from core.errors import DatabaseError, DataIntegrityError, OperationTimeoutError
from feature_store.identity.tables import team_aliases
from migrations import schema
from migrations.text_check import NAMES, check_text, default_charset, packet_fault, text_faults
from tests.conftest import NOW
from tests.services import MariaDb

COMMENTED = "20261128_column_comments"
COLUMNS = [column.name for column in team_aliases.columns if not column.nullable]


@contextmanager
def variables(server: MariaDb, **values: str | int) -> Iterator[None]:
    """Set global variables of the server, which new sessions have, and set them back."""
    engine = open_database(server.address("mysql"))
    with reading(engine) as connection:
        before = {name: connection.exec_driver_sql(f"SELECT @@GLOBAL.{name}").scalar() for name in values}
    engine.dispose()
    try:
        for name, value in values.items():
            server.execute(f"SET GLOBAL {name} = {value!r}")
        yield
    finally:
        for name, value in before.items():
            server.execute(f"SET GLOBAL {name} = {value!r}")


def database_of(server: MariaDb, charset: str) -> Engine:
    server.execute("DROP DATABASE IF EXISTS text")
    server.execute(f"CREATE DATABASE text CHARACTER SET {charset}")
    return open_database(server.address("text").set(query={}))


def names_written(engine: Engine) -> list[str]:
    """Insert the names in bulk; return what the table then holds."""
    rows = [("soccer", "EPL", name, name, "test", NOW) for name in NAMES]
    with writing(engine) as connection:
        insert_new_tuples(connection, team_aliases, COLUMNS, rows)
    with reading(engine) as connection:
        return sorted(connection.scalars(sa.select(team_aliases.c.team)))


@pytest.mark.parametrize("charset", ["latin1", "ascii", "utf8mb3", "utf8mb4 COLLATE utf8mb4_general_ci"])
def test_names_survive_a_database_of_any_default(mariadb: MariaDb, charset: str) -> None:
    engine = database_of(mariadb, charset)
    schema.upgrade(engine)
    check_text(engine)
    assert default_charset(engine) == charset.split(maxsplit=1)[0]
    assert names_written(engine) == sorted(NAMES)
    query = "SELECT DISTINCT collation_name FROM information_schema.columns WHERE table_schema = 'text'"
    with reading(engine) as connection:
        assert set(connection.exec_driver_sql(query).scalars()) == {None, "utf8mb4_bin"}
    engine.dispose()


@pytest.mark.parametrize(
    "modes",
    ["", "ANSI_QUOTES", "ORACLE", "NO_BACKSLASH_ESCAPES,EMPTY_STRING_IS_NULL", "TRADITIONAL,PAD_CHAR_TO_FULL_LENGTH"],
)
def test_every_mode_of_the_server_behaves_alike(mariadb: MariaDb, modes: str) -> None:
    with variables(mariadb, sql_mode=modes):
        engine = database_of(mariadb, "latin1")
        schema.upgrade(engine)
        assert schema.differences(engine) == []
        assert names_written(engine) == sorted(NAMES)
        with pytest.raises(DatabaseError, match="too long"), writing(engine) as connection:
            insert_new_tuples(connection, team_aliases, COLUMNS, [("soccer", "EPL", "x" * 151, "x", "test", NOW)])
        engine.dispose()


def test_an_address_that_asks_for_another_charset_changes_nothing(mariadb: MariaDb) -> None:
    plain = database_of(mariadb, "latin1")
    schema.upgrade(plain)
    query = {"charset": "latin1", "init_command": "SET NAMES latin1, sql_mode = ''"}
    engine = open_database(plain.url.set(query=query))
    check_text(engine)
    assert names_written(engine) == sorted(NAMES)
    engine.dispose()
    plain.dispose()


def test_converted_columns_are_named_and_the_migration_converts_them_back(mariadb: MariaDb) -> None:
    engine = database_of(mariadb, "utf8mb4")
    schema.upgrade(engine)
    with writing(engine) as connection:
        connection.execute(sa.text("ALTER TABLE archive_games CONVERT TO CHARACTER SET latin1"))
    assert "archive_games.home_team is latin1_swedish_ci instead of utf8mb4_bin" in text_faults(engine)
    with pytest.raises(DataIntegrityError, match=r"archive_games\.away_team is latin1") as refused:
        check_text(engine)
    assert "CONVERT TO CHARACTER SET utf8mb4" in refused.value.hint
    schema.downgrade(engine, COMMENTED)
    schema.upgrade(engine)
    assert (text_faults(engine), schema.differences(engine)) == ([], [])
    engine.dispose()


def test_many_names_fit_into_small_packets(mariadb: MariaDb) -> None:
    with variables(mariadb, max_allowed_packet=SMALLEST_PACKET):
        engine = database_of(mariadb, "latin1")
        assert packet_fault(engine) == ""
        schema.upgrade(engine)
        rows = [("soccer", "EPL", f"{number} {'Ś' * 100}", "日" * 100, "test", NOW) for number in range(6_000)]
        with writing(engine) as connection:
            insert_new_tuples(connection, team_aliases, COLUMNS, rows)
        with reading(engine) as connection:
            assert connection.scalar(sa.select(sa.func.count()).where(team_aliases.c.team == "日" * 100)) == 6_000
        engine.dispose()


def test_a_smaller_packet_is_named(mariadb: MariaDb) -> None:
    with variables(mariadb, max_allowed_packet=2**19):
        engine = database_of(mariadb, "latin1")
        assert packet_fault(engine) == "max_allowed_packet is 524,288, 1,048,576 needed"
        engine.dispose()


def test_a_lock_outlives_a_server_that_closes_idle_connections(mariadb: MariaDb) -> None:
    with variables(mariadb, wait_timeout=1):
        engine = database_of(mariadb, "latin1")
        with turn(engine, "idle"), reading(engine) as connection:
            connection.execute(sa.text("SELECT SLEEP(1.5)"))
            with pytest.raises(OperationTimeoutError), turn(engine, "idle", lock_seconds=0):
                pass
        engine.dispose()


def test_sqlite_needs_no_check(sqlite_database: Engine) -> None:
    assert (text_faults(sqlite_database), default_charset(sqlite_database), packet_fault(sqlite_database)) == (
        [],
        "",
        "",
    )
