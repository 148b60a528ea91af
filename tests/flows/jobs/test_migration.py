"""Rows are in a verified backup before their schema changes."""

import threading
from pathlib import Path

import pytest
from sqlalchemy.engine import Engine, make_url

from core.database.engines import open_database
from core.errors import DatabaseError
from core.settings import load_settings
from flows.jobs.databases import our_database
from flows.jobs.repairs.migration import BackupRequiredError, SchemaChange, schema_database, upgrade_database
from migrations import schema
from migrations.restore import restore
from tests.conftest import NOW
from tests.migrations.filled import contents, fill

BEFORE = "023"


@pytest.fixture
def filled(database: Engine) -> Engine:
    """A database of an older revision, with rows in every table."""
    fill(database)
    schema.downgrade(database, BEFORE)
    return database


def test_a_database_with_rows_is_backed_up_before_it_is_upgraded(filled: Engine, tmp_path: Path) -> None:
    change = upgrade_database(filled, "head", tmp_path / "backups", now=NOW)
    assert (change.before, change.after) == (BEFORE, schema.head())
    assert change.backup is not None
    assert set(change.backup.rows.values()) == {7}
    assert change.backup.path.stat().st_mode & 0o777 == 0o600
    assert change.backup.path.parent.stat().st_mode & 0o777 == 0o700


def test_the_backup_restores_at_its_own_revision_and_is_upgraded_then(filled: Engine, tmp_path: Path) -> None:
    saved = upgrade_database(filled, "head", tmp_path, now=NOW).backup
    assert saved is not None
    expected = contents(filled)
    other = open_database(make_url(f"sqlite:///{tmp_path}/other.db"))
    schema.upgrade(other, BEFORE)
    restore(other, saved.path, replace=False)
    schema.upgrade(other)
    assert contents(other) == expected
    other.dispose()


@pytest.mark.parametrize("rows", [True, False])
def test_what_has_nothing_to_lose_or_to_do_needs_no_backup(database: Engine, tmp_path: Path, rows: bool) -> None:
    if rows:
        fill(database)
    else:
        schema.downgrade(database, BEFORE)
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    assert upgrade_database(database, "head", nowhere, now=NOW).backup is None


def test_without_a_backup_nothing_changes_unless_that_is_asked(filled: Engine, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(BackupRequiredError, match="backup failed") as refused:
        upgrade_database(filled, "head", blocked / "backups", now=NOW)
    assert "--no-backup" in refused.value.hint
    assert schema.current(filled) == BEFORE
    assert upgrade_database(filled, "head", None, now=NOW).after == schema.head()


def test_a_backup_that_breaks_off_stops_the_upgrade(filled: Engine, tmp_path: Path) -> None:
    def fail(_name: str, _done: int, _all: int) -> None:
        raise DatabaseError("gone")

    with pytest.raises(BackupRequiredError, match="gone"):
        upgrade_database(filled, "head", tmp_path, now=NOW, on_table=fail)
    assert schema.current(filled) == BEFORE


def test_two_at_once_make_one_backup(filled: Engine, tmp_path: Path) -> None:
    settings = load_settings(_env_file=None, database_url=filled.url.render_as_string(hide_password=False))
    changes: list[SchemaChange] = []

    def change() -> None:
        with schema_database(settings, lambda: None) as engine:
            changes.append(upgrade_database(engine, "head", tmp_path / "backups", now=NOW))

    threads = [threading.Thread(target=change) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(change.before or "" for change in changes) == [BEFORE, schema.head()]
    assert len(list((tmp_path / "backups").iterdir())) == 1
    with our_database(settings) as engine:
        assert schema.differences(engine) == []
