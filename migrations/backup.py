"""Backup of all tables to a file, and restore into any supported database.

A backup is consistent as of one moment and does not block writers. A restore first checks the whole file and then
changes everything in one transaction, or nothing.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.database import UtcDateTime, reading, writing
from core.errors import ConflictError, DataIntegrityError
from migrations import schema
from migrations.backup_file import Header, read_rows, verify_backup, write_backup
from migrations.tables import METADATA

BATCH: Final = 1_000
OnTable = Callable[[str, int, int], None]
Convert = Callable[[Any], Any]


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds: its schema revision, its time and the rows per table."""

    path: Path
    revision: str
    created_at: datetime
    rows: Mapping[str, int]


def backup(
    engine: Engine, path: Path, *, now: datetime, on_table: OnTable = lambda _name, _done, _all: None
) -> BackupReport:
    """Write every row of every table to a new file; calls ``on_table`` before it reads a table.

    Raises ValidationError if the file exists or cannot be written, ConflictError if the schema is not the code's.
    """
    revision = _revision_of(engine)
    tables = METADATA.sorted_tables
    header = Header(revision, now, {table.name: table.columns.keys() for table in tables})
    with reading(engine) as connection:
        _freeze(connection)

        def contents() -> Iterator[tuple[str, Iterator[list[object]]]]:
            for position, table in enumerate(tables):
                on_table(table.name, position, len(tables))
                yield table.name, _encoded_rows(connection, table)

        counts = write_backup(path, header, contents())
    return BackupReport(path, revision, now, counts)


def restore(
    engine: Engine, path: Path, *, replace: bool, on_table: OnTable = lambda _name, _done, _all: None
) -> BackupReport:
    """Fill every table from a backup; calls ``on_table`` before it writes a table.

    Raises DataIntegrityError for a damaged file, ConflictError if the schemas differ or if the database holds rows and
    ``replace`` is false. Nothing is changed then.
    """
    header, counts = verify_backup(path)
    _check_schema(header, _revision_of(engine))
    with writing(engine, alone="migrations") as connection:
        kept = _delete_rows(connection, replace=replace)
        for name, rows in groupby(read_rows(path), key=itemgetter(0)):
            on_table(name, list(header.tables).index(name), len(header.tables))
            if name not in kept:
                _fill(connection, METADATA.tables[name], (line for _, line in rows))
    return BackupReport(path, header.revision, header.created_at, counts)


def _revision_of(engine: Engine) -> str:
    revision, expected = schema.current(engine), schema.head()
    if revision is None or revision != expected:
        msg = f"The database's schema is at revision {revision or 'none'}, the code's at {expected}."
        raise ConflictError(msg, hint="Run `dbsbm db upgrade` first.")
    return revision


def _check_schema(header: Header, revision: str) -> None:
    if header.revision != revision:
        msg = f"The backup is of schema revision {header.revision}, the database is at {revision}."
        hint = f"Restore it with the code of revision {header.revision}, then run `dbsbm db upgrade`."
        raise ConflictError(msg, hint=hint)
    for table in METADATA.sorted_tables:
        if list(header.tables.get(table.name, ())) != table.columns.keys():
            msg = f"The backup's table {table.name} has other columns than the database's."
            raise DataIntegrityError(msg, table=table.name)


def _freeze(connection: Connection) -> None:
    """Make every read of this connection see the database as of this moment."""
    if connection.dialect.name in ("mysql", "mariadb"):
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.execute(sa.text("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"))
    else:
        connection.execute(sa.text("SELECT 1 FROM sqlite_master LIMIT 1"))


def _encoded_rows(connection: Connection, table: sa.Table) -> Iterator[list[object]]:
    """The table's rows as JSON values, one batch in memory at a time."""
    encoders = [_encoder(column) for column in table.columns]
    ordered = sa.select(table).order_by(*table.primary_key.columns)
    for row in connection.execute(ordered, execution_options={"yield_per": BATCH}):
        yield [encode(value) for encode, value in zip(encoders, row, strict=True)]


def _delete_rows(connection: Connection, *, replace: bool) -> set[str]:
    """Empty the tables; returns the names of those that keep their rows: what identifies this very database."""
    kept = set()
    for table in reversed(METADATA.sorted_tables):
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is None:
            continue
        if table.info.get("restore") == "if empty":
            kept.add(table.name)
            continue
        if not replace:
            msg = f"The database is not empty: {table.name} holds rows."
            raise ConflictError(msg, hint="Add --replace to empty it first.", table=table.name)
        # MySQL in portions: one long statement would run into the read timeout.
        portion = sa.delete(table).with_dialect_options(mysql_limit=20 * BATCH, mariadb_limit=20 * BATCH)
        while connection.execute(portion).rowcount:
            pass
    return kept


def _fill(connection: Connection, table: sa.Table, lines: Iterator[bytes]) -> None:
    names = table.columns.keys()
    decoders = [_decoder(column) for column in table.columns]
    while batch := [_row(names, decoders, line) for line in islice(lines, BATCH)]:
        connection.execute(sa.insert(table), batch)


def _row(names: Sequence[str], decoders: Sequence[Convert], line: bytes) -> dict[str, Any]:
    values = json.loads(line)
    return {name: decode(value) for name, decode, value in zip(names, decoders, values, strict=True)}


def _encoder(column: sa.Column[Any]) -> Convert:
    return _unless_null(_ENCODERS[_kind(column)])


def _decoder(column: sa.Column[Any]) -> Convert:
    return _unless_null(_DECODERS[_kind(column)])


def _kind(column: sa.Column[Any]) -> type:
    """The kind of a column's values. Raises TypeError for a kind without an encoder."""
    for kind in (UtcDateTime, sa.Boolean, sa.Integer, sa.Float, sa.String):
        if isinstance(column.type, kind):
            return kind
    raise TypeError(f"{column} is of type {column.type!r}, for which a backup has no encoder")


def _unless_null(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _number(value: float) -> float | str:
    """The number, whose text in JSON is exact; the name of infinity or NaN, which JSON cannot hold."""
    return value if math.isfinite(value) else repr(value)


_ENCODERS: Final[Mapping[type, Convert]] = {
    UtcDateTime: lambda moment: moment.isoformat(timespec="microseconds"),
    sa.Boolean: bool,
    sa.Integer: int,
    sa.Float: _number,
    sa.String: str,
}
_DECODERS: Final[Mapping[type, Convert]] = {
    UtcDateTime: datetime.fromisoformat,
    sa.Boolean: bool,
    sa.Integer: int,
    sa.Float: float,
    sa.String: str,
}
