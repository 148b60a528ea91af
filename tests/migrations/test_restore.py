"""A backup is restored only if it is whole, and only where it fits."""

import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.transactions import writing
from core.errors import ConflictError, DatabaseError, DataIntegrityError, ValidationError
from feature_store.rows import tables as store
from migrations import backup_file, schema
from migrations.backup import backup
from migrations.restore import restore
from migrations.tables import METADATA
from serving.backends.database_identity import ensure_identity, read_identity
from tests.conftest import NOW
from tests.migrations.filled import contents, fill


def lines_of(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    path.write_bytes(gzip.compress(b"".join(change(lines_of(path)))))


@pytest.fixture
def saved(sqlite_database: Engine, tmp_path: Path) -> Path:
    """A backup of a filled SQLite database, which is then emptied."""
    fill(sqlite_database)
    path = tmp_path / "backup.gz"
    backup(sqlite_database, path, now=NOW)
    schema.downgrade(sqlite_database, "base")
    schema.upgrade(sqlite_database)
    return path


def test_a_database_with_rows_is_replaced_only_when_asked(sqlite_database: Engine, saved: Path) -> None:
    fill(sqlite_database, rows=1)
    before = contents(sqlite_database)
    with pytest.raises(ConflictError, match="not empty") as refused:
        restore(sqlite_database, saved, replace=False)
    assert "--replace" in refused.value.hint
    assert contents(sqlite_database) == before
    restore(sqlite_database, saved, replace=True)
    assert {len(rows) for rows in contents(sqlite_database).values()} == {7}


def test_a_restore_gives_a_database_an_identity_only_if_it_has_none(sqlite_database: Engine, tmp_path: Path) -> None:
    first = ensure_identity(sqlite_database)
    backup(sqlite_database, tmp_path / "backup.gz", now=NOW)
    schema.downgrade(sqlite_database, "base")
    schema.upgrade(sqlite_database)
    restore(sqlite_database, tmp_path / "backup.gz", replace=False)
    assert read_identity(sqlite_database) == first, "the database was lost, and this is its successor"
    schema.downgrade(sqlite_database, "base")
    schema.upgrade(sqlite_database)
    second = ensure_identity(sqlite_database)
    restore(sqlite_database, tmp_path / "backup.gz", replace=True)
    assert read_identity(sqlite_database) == second != first, "a copy for another database, which has files of its own"


def test_another_schema_revision_is_refused_with_the_way_out(sqlite_database: Engine, saved: Path) -> None:
    rewrite(
        saved,
        lambda lines: [lines[0].replace(f'"revision":"{schema.head()}"'.encode(), b'"revision":"015"'), *lines[1:]],
    )
    with pytest.raises(ConflictError, match=f"revision 015, the database is at {schema.head()}") as refused:
        restore(sqlite_database, saved, replace=False)
    assert "dbsbm db upgrade" in refused.value.hint


def test_a_database_without_our_schema_is_refused_both_ways(sqlite_database: Engine, saved: Path) -> None:
    schema.downgrade(sqlite_database, "base")
    with pytest.raises(ConflictError, match="revision none"):
        restore(sqlite_database, saved, replace=True)
    with pytest.raises(ConflictError, match="revision none"):
        backup(sqlite_database, saved.with_name("other.gz"), now=NOW)


def quote_line(lines: list[bytes]) -> int:
    return lines.index(b'{"table":"archive_quotes"}\n') + 2


def changed(lines: list[bytes]) -> list[bytes]:
    place = quote_line(lines)
    return [*lines[:place], lines[place].replace(b"k1", b"k9"), *lines[place + 1 :]]


def dropped(lines: list[bytes]) -> list[bytes]:
    return [*lines[: quote_line(lines)], *lines[quote_line(lines) + 1 :]]


def cut(lines: list[bytes]) -> list[bytes]:
    return lines[: quote_line(lines)]


def cut_in_a_line(lines: list[bytes]) -> list[bytes]:
    return [*lines[: quote_line(lines)], lines[quote_line(lines)][:20]]


def without_last(lines: list[bytes]) -> list[bytes]:
    return lines[:-1]


def with_more(lines: list[bytes]) -> list[bytes]:
    return [*lines, lines[2]]


def garbled(lines: list[bytes]) -> list[bytes]:
    return [*lines[: quote_line(lines)], b"\xff\xfe\n", *lines[quote_line(lines) :]]


def foreign(lines: list[bytes]) -> list[bytes]:
    return [b'{"hello":1}\n', *lines[1:]]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (changed, "archive_quotes: sha256"),
        (dropped, "archive_quotes: rows is 6, expected 7"),
        (cut, "archive_quotes: the file ends there"),
        (cut_in_a_line, "archive_quotes: the file ends there"),
        (without_last, "the file ends there"),
        (with_more, "last line: something follows"),
        (garbled, "archive_quotes"),
        (foreign, "not a backup of this service"),
    ],
)
def test_a_damaged_backup_is_refused_by_the_table_and_nothing_changes(
    damage: Callable[[list[bytes]], list[bytes]], named: str, sqlite_database: Engine, saved: Path
) -> None:
    fill(sqlite_database, rows=1)
    before = contents(sqlite_database)
    rewrite(saved, damage)
    with pytest.raises(DataIntegrityError, match=named):
        restore(sqlite_database, saved, replace=True)
    assert contents(sqlite_database) == before


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_file_is_refused_wherever_it_ends(share: float, sqlite_database: Engine, saved: Path) -> None:
    whole = saved.read_bytes()
    saved.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataIntegrityError):
        restore(sqlite_database, saved, replace=False)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_flipped_byte_is_refused_wherever_it_is(share: float, sqlite_database: Engine, saved: Path) -> None:
    content = bytearray(saved.read_bytes())
    content[int(len(content) * share)] ^= 0x20
    saved.write_bytes(content)
    with pytest.raises(DataIntegrityError):
        restore(sqlite_database, saved, replace=False)


def test_a_missing_file_is_a_sentence(sqlite_database: Engine, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="there is no file"):
        restore(sqlite_database, tmp_path / "none.gz", replace=False)


def test_a_newer_format_is_refused(sqlite_database: Engine, saved: Path) -> None:
    rewrite(saved, lambda lines: [lines[0].replace(b'"format":1', b'"format":2'), *lines[1:]])
    with pytest.raises(ConflictError, match="format 2"):
        restore(sqlite_database, saved, replace=False)


def test_other_columns_are_named(sqlite_database: Engine, saved: Path) -> None:
    rewrite(saved, lambda lines: [lines[0].replace(b'"odds_under"', b'"odds_beneath"'), *lines[1:]])
    with pytest.raises(DataIntegrityError, match="archive_quotes has other columns"):
        restore(sqlite_database, saved, replace=False)


def test_a_row_that_the_database_refuses_undoes_the_whole_restore(
    sqlite_database: Engine, mariadb_database: Engine, tmp_path: Path
) -> None:
    fill(sqlite_database)
    with writing(sqlite_database) as connection:
        connection.execute(sa.update(store.rows).values(digest="x" * 65))
    backup(sqlite_database, tmp_path / "long.gz", now=NOW)
    fill(mariadb_database, rows=1)
    before = contents(mariadb_database)
    with pytest.raises(DatabaseError, match="digest"):
        restore(mariadb_database, tmp_path / "long.gz", replace=True)
    assert contents(mariadb_database) == before


def test_the_first_and_the_last_line_say_what_the_file_holds(saved: Path) -> None:
    lines = lines_of(saved)
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    assert first["format"] == backup_file.FORMAT
    assert first["revision"] == schema.head()
    assert datetime.fromisoformat(first["created_at"]) == NOW
    assert list(first["tables"]) == [table.name for table in METADATA.sorted_tables]
    assert last["rows"] == dict.fromkeys(first["tables"], 7)
    assert {len(digest) for digest in last["sha256"].values()} == {64}
