"""A backup holds every row to the last bit, restores into either engine."""

import gzip
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.engines import open_database
from core.database.transactions import writing
from core.errors import DatabaseError, ValidationError
from feature_store.archive import tables as store
from migrations import schema
from migrations.backup import backup
from migrations.restore import restore
from serving.predictions.tables import answers, predictions
from tests.conftest import NOW
from tests.migrations.filled import contents, fill, sample
from tests.services import MariaDb


def test_a_restored_database_equals_the_saved_one_to_the_last_bit(database: Engine, tmp_path: Path) -> None:
    fill(database)
    before = contents(database)
    made = backup(database, tmp_path / "backup.gz", now=NOW)
    schema.downgrade(database, "base")
    schema.upgrade(database)
    restored = restore(database, tmp_path / "backup.gz", replace=False)
    assert contents(database) == before
    assert restored.rows == made.rows
    assert set(made.rows.values()) == {7}


@pytest.mark.parametrize(("source", "target"), [("sqlite", "mariadb"), ("mariadb", "sqlite")])
@pytest.mark.server
def test_a_backup_of_one_engine_restores_into_the_other(
    source: str, target: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    here: Engine = request.getfixturevalue(f"{source}_database")
    there: Engine = request.getfixturevalue(f"{target}_database")
    fill(here)
    backup(here, tmp_path / "here.gz", now=NOW)
    restore(there, tmp_path / "here.gz", replace=False)
    backup(there, tmp_path / "there.gz", now=NOW)
    assert contents(there) == contents(here)
    assert (tmp_path / "there.gz").read_bytes() == (tmp_path / "here.gz").read_bytes()


def test_an_empty_database_makes_a_backup_that_restores(database: Engine, tmp_path: Path) -> None:
    backup(database, tmp_path / "empty.gz", now=NOW)
    assert set(restore(database, tmp_path / "empty.gz", replace=False).rows.values()) == {0}


def test_a_backup_sees_one_moment_while_a_writer_continues(database: Engine, tmp_path: Path) -> None:
    fill(database, rows=2)
    before = contents(database)

    def write_on(_name: str, done: int, _all: int) -> None:
        if done == 0:
            with writing(database) as connection:
                connection.execute(sa.delete(store.quotes))
                connection.execute(sa.delete(store.results))

    backup(database, tmp_path / "backup.gz", now=NOW, on_table=write_on)
    assert contents(database)["archive_quotes"] == []
    restore(database, tmp_path / "backup.gz", replace=True)
    assert contents(database) == before


def test_more_rows_than_a_batch_come_back(sqlite_database: Engine, tmp_path: Path) -> None:
    fill(sqlite_database, rows=10)
    before = contents(sqlite_database)
    backup(sqlite_database, tmp_path / "backup.gz", now=NOW, batch_size=3)
    restore(sqlite_database, tmp_path / "backup.gz", replace=True, batch_size=3)
    assert contents(sqlite_database) == before


def test_emptying_a_large_table_continues_until_nothing_is_left(mariadb_database: Engine, tmp_path: Path) -> None:
    backup(mariadb_database, tmp_path / "empty.gz", now=NOW)
    fill(mariadb_database, rows=50)
    restore(mariadb_database, tmp_path / "empty.gz", replace=True, batch_size=1)
    assert not any(contents(mariadb_database).values())


def test_a_backup_overwrites_no_file_and_leaves_no_half_one(sqlite_database: Engine, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("precious")
    with pytest.raises(ValidationError, match="kept exists already"):
        backup(sqlite_database, tmp_path / "kept", now=NOW)
    assert (tmp_path / "kept").read_text() == "precious"

    def fail(_name: str, _done: int, _all: int) -> None:
        raise DatabaseError("gone")

    with pytest.raises(DatabaseError):
        backup(sqlite_database, tmp_path / "half", now=NOW, on_table=fail)
    assert not [file for file in tmp_path.iterdir() if "half" in file.name]


def test_a_folder_that_is_not_there_is_a_sentence(sqlite_database: Engine, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="cannot be written"):
        backup(sqlite_database, tmp_path / "no" / "backup.gz", now=NOW)


def test_infinite_odds_survive_where_the_database_holds_them(sqlite_database: Engine, tmp_path: Path) -> None:
    fill(sqlite_database, rows=2)
    with writing(sqlite_database) as connection:
        connection.execute(sa.update(store.quotes).values(odds_home=float("inf"), odds_away=float("-inf")))
    before = contents(sqlite_database)
    backup(sqlite_database, tmp_path / "backup.gz", now=NOW)
    restore(sqlite_database, tmp_path / "backup.gz", replace=True)
    assert contents(sqlite_database) == before


def test_no_password_stands_in_the_file(mariadb: MariaDb, mariadb_database: Engine, tmp_path: Path) -> None:
    mariadb.execute("CREATE USER IF NOT EXISTS 'keeper'@'127.0.0.1' IDENTIFIED BY 'hunter2secret'")
    mariadb.execute("GRANT ALL ON ours.* TO 'keeper'@'127.0.0.1'")
    engine = open_database(mariadb.address("ours").set(username="keeper", password="hunter2secret"))
    backup(engine, tmp_path / "backup.gz", now=NOW)
    engine.dispose()
    assert b"hunter2secret" not in gzip.decompress((tmp_path / "backup.gz").read_bytes())


def test_the_restored_report_is_the_one_the_backup_gave(sqlite_database: Engine, tmp_path: Path) -> None:
    fill(sqlite_database)
    made = backup(sqlite_database, tmp_path / "a.gz", now=NOW)
    (tmp_path / "a.gz").rename(tmp_path / "b.gz")
    restored = restore(sqlite_database, tmp_path / "b.gz", replace=True)
    assert (restored.revision, restored.created_at, restored.rows) == (made.revision, made.created_at, made.rows)


def test_a_server_that_logs_meanwhile_waits_and_is_not_refused(mariadb_database: Engine, tmp_path: Path) -> None:
    """A serving that arrives while the rows are replaced is written after them."""
    fill(mariadb_database)
    backup(mariadb_database, tmp_path / "backup.gz", now=NOW)
    served: list[Future[None]] = []

    def log_one() -> None:
        answer = {column.name: sample(column, 20) for column in answers.columns}
        serving = {column.name: sample(column, 21) for column in predictions.columns}
        with writing(mariadb_database) as connection:
            connection.execute(sa.insert(answers), [{**answer, "p_draw": 0.5}])
            connection.execute(sa.insert(predictions), [{**serving, "answer_id": answer["answer_id"]}])

    with ThreadPoolExecutor() as others:

        def when_filling(_table: str, done: int, _all: int) -> None:
            if done == 0:
                served.append(others.submit(log_one))
                time.sleep(0.3)
                assert not served[0].done(), "it was written among the rows that are replaced"

        restore(mariadb_database, tmp_path / "backup.gz", replace=True, on_table=when_filling)
        served[0].result(30)
    held = contents(mariadb_database)
    assert (len(held["prediction_answers"]), len(held["prediction_log"])) == (8, 8)
