"""Backup of all tables to a file. It is consistent as of one moment and does not block writers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.database.transactions import reading
from core.errors import ConflictError
from migrations import schema
from migrations.backup_file import Header, write_backup
from migrations.revision_tables import identifies_database, tables_at
from migrations.row_codec import RowCodec

BATCH: Final = 1_000
OnTable = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds: its schema revision, its time and the rows per table."""

    path: Path
    revision: str
    created_at: datetime
    rows: Mapping[str, int]


def backup(
    engine: Engine,
    path: Path,
    *,
    now: datetime,
    batch_size: int = BATCH,
    on_table: OnTable = lambda _name, _done, _all: None,
) -> BackupReport:
    """Write every row of every table to a new file; calls ``on_table`` before it reads a table.

    The database may be at any revision that this code has. Raises ValidationError if the file exists or cannot be
    written, ConflictError if the database has no schema, another code's, or one that a migration left unfinished.
    """
    revision = whole_revision(engine)
    tables = tables_at(revision)
    header = Header(revision=revision, created_at=now, tables={table.name: table.columns.keys() for table in tables})
    with reading(engine) as connection:
        _freeze(connection)

        def contents() -> Iterator[tuple[str, Iterator[list[object]]]]:
            for position, table in enumerate(tables):
                on_table(table.name, position, len(tables))
                yield table.name, _encoded_rows(connection, table, batch_size)

        counts = write_backup(path, header, contents())
    return BackupReport(path, revision, now, counts)


def whole_revision(engine: Engine) -> str:
    """The database's revision. Raises ConflictError if it has none, or is between two."""
    revision, unfinished = schema.current(engine), schema.unfinished(engine)
    if unfinished is not None:
        msg = f"The database is between two revisions: {unfinished}."
        raise ConflictError(msg, hint="Run `dbsbm db upgrade` first, which continues it.")
    if revision is None:
        msg = f"The database's schema is at revision none, the code's at {schema.head()}."
        raise ConflictError(msg, hint="Run `dbsbm db upgrade` first.")
    return revision


def holds_rows(engine: Engine) -> bool:
    """Whether any table of the database's revision holds a row."""
    tables = [table for table in tables_at(whole_revision(engine)) if not identifies_database(table.name)]
    with reading(engine) as connection:
        return any(connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() for table in tables)


def _freeze(connection: Connection) -> None:
    """Make every read of this connection see the database as of this moment."""
    if connection.dialect.name in ("mysql", "mariadb"):
        connection.execution_options(isolation_level="REPEATABLE READ")
        connection.execute(sa.text("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY"))
    else:
        connection.execute(sa.text("SELECT 1 FROM sqlite_master LIMIT 1"))


def _encoded_rows(connection: Connection, table: sa.Table, batch_size: int) -> Iterator[list[object]]:
    """The table's rows as JSON values, one batch in memory at a time."""
    codec = RowCodec(table, table.columns.keys())
    ordered = sa.select(*codec.columns).order_by(*table.primary_key.columns)
    for row in connection.execute(ordered, execution_options={"yield_per": batch_size}):
        yield codec.encode(row)
