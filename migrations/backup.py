"""Our tables into a file and back, between any two of the databases we run on.

A backup is one consistent snapshot, taken while writers go on. A restore checks the whole file first and
then changes everything in one transaction, or nothing.
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
    """What a backup holds: rows per table, at which schema revision and from when."""

    path: Path
    revision: str
    created_at: datetime
    rows: Mapping[str, int]


def backup(
    engine: Engine, path: Path, *, now: datetime, on_table: OnTable = lambda _name, _done, _all: None
) -> BackupReport:
    """Write every row of our tables to a new file; ``on_table`` hears of each table before it is read.

    Raises ValidationError when the file exists or cannot be written, ConflictError when the schema is not the code's.
    """
    revision = _revision_of(engine)
    tables = METADATA.sorted_tables
    header = Header(revision, now, {table.name: table.columns.keys() for table in tables})
    with reading(engine) as connection:
        _freeze(connection)

        def contents() -> Iterator[tuple[str, Iterator[list[object]]]]:
            for position, table in enumerate(tables):
                on_table(table.name, position, len(tables))
                yield table.name, _stored(connection, table)

        counts = write_backup(path, header, contents())
    return BackupReport(path, revision, now, counts)


def restore(
    engine: Engine, path: Path, *, replace: bool, on_table: OnTable = lambda _name, _done, _all: None
) -> BackupReport:
    """Fill our tables from a backup; ``on_table`` hears of each table before it is written.

    Raises DataIntegrityError for a damaged file, ConflictError when the schemas differ or when the database
    holds rows already and may not be emptied. Nothing is changed then.
    """
    header, counts = verify_backup(path)
    _must_fit(header, _revision_of(engine))
    with writing(engine, alone="migrations") as connection:
        _make_room(connection, replace=replace)
        for name, rows in groupby(read_rows(path), key=itemgetter(0)):
            on_table(name, list(header.tables).index(name), len(header.tables))
            _fill(connection, METADATA.tables[name], (line for _, line in rows))
    return BackupReport(path, header.revision, header.created_at, counts)


def _revision_of(engine: Engine) -> str:
    revision, expected = schema.current(engine), schema.head()
    if revision is None or revision != expected:
        msg = f"The database's schema is at revision {revision or 'none'}, the code's at {expected}."
        raise ConflictError(msg, hint="Run `dbsbm db upgrade` first.")
    return revision


def _must_fit(header: Header, revision: str) -> None:
    if header.revision != revision:
        msg = f"The backup is of schema revision {header.revision}, the database is at {revision}."
        hint = f"Restore it with the code of revision {header.revision}, then run `dbsbm db upgrade`."
        raise ConflictError(msg, hint=hint)
    for table in METADATA.sorted_tables:
        if list(header.tables.get(table.name, ())) != table.columns.keys():
            msg = f"The backup's table {table.name} has other columns than the database's."
            raise DataIntegrityError(msg, table=table.name)


def _freeze(connection: Connection) -> None:
    """Let every read of this connection see the database as it is at this moment."""
    if connection.dialect.name in ("mysql", "mariadb"):
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.execute(sa.text("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"))
    else:
        connection.execute(sa.text("SELECT 1 FROM sqlite_master LIMIT 1"))


def _stored(connection: Connection, table: sa.Table) -> Iterator[list[object]]:
    """The table's rows as JSON can hold them, a batch in memory at a time."""
    encoders = [_encoder(column) for column in table.columns]
    ordered = sa.select(table).order_by(*table.primary_key.columns)
    for row in connection.execute(ordered, execution_options={"yield_per": BATCH}):
        yield [encode(value) for encode, value in zip(encoders, row, strict=True)]


def _make_room(connection: Connection, *, replace: bool) -> None:
    for table in reversed(METADATA.sorted_tables):
        if connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is None:
            continue
        if not replace:
            msg = f"The database is not empty: {table.name} holds rows."
            raise ConflictError(msg, hint="Add --replace to empty it first.", table=table.name)
        # MySQL in portions: one long statement would run into the read timeout.
        portion = sa.delete(table).with_dialect_options(mysql_limit=20 * BATCH, mariadb_limit=20 * BATCH)
        while connection.execute(portion).rowcount:
            pass


def _fill(connection: Connection, table: sa.Table, lines: Iterator[bytes]) -> None:
    names = table.columns.keys()
    decoders = [_decoder(column) for column in table.columns]
    while batch := [_row(names, decoders, line) for line in islice(lines, BATCH)]:
        connection.execute(sa.insert(table), batch)


def _row(names: Sequence[str], decoders: Sequence[Convert], line: bytes) -> dict[str, Any]:
    values = json.loads(line)
    return {name: decode(value) for name, decode, value in zip(names, decoders, values, strict=True)}


def _encoder(column: sa.Column[Any]) -> Convert:
    return _known(_ENCODERS[_kind(column)])


def _decoder(column: sa.Column[Any]) -> Convert:
    return _known(_DECODERS[_kind(column)])


def _kind(column: sa.Column[Any]) -> type:
    """The sort of value that a column holds. Raises TypeError for one that no backup was ever tried with."""
    for kind in (UtcDateTime, sa.Boolean, sa.Integer, sa.Float, sa.String):
        if isinstance(column.type, kind):
            return kind
    raise TypeError(f"{column} is of type {column.type!r}, which a backup does not know yet")


def _known(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _number(value: float) -> float | str:
    """The number itself, whose text in JSON gives it back to the last bit; infinity has none, so its name."""
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
