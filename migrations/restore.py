"""Restore of a backup into any supported database.

The whole file is checked first. Then everything changes in one transaction, or nothing: a server that runs meanwhile
sees the old rows or the new ones. Facts that must outlive what a backup says, such as a key that was revoked since, are
the business of *overrides*, which the rooms provide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.database.transactions import reading, writing
from core.errors import ConflictError, DataIntegrityError
from migrations.backup import BATCH, OnTable, whole_revision
from migrations.backup_file import Header, read_header, read_rows
from migrations.revision_tables import identifies_database, tables_at
from migrations.row_codec import RowCodec
from migrations.schema import head

LOCK: Final = "migrations"


class RestoreOverride(Protocol):
    """Something of the database that is kept, or named, when its rows are replaced by a backup's."""

    def read(self, connection: Connection) -> None:
        """Note what the database holds now, and lock it against changes until the transaction ends."""

    def compare(self, table: str, row: Mapping[str, Any]) -> None:
        """Compare one of the backup's rows with that. Called for each."""

    def statements(self) -> list[str]:
        """What the restore revives, takes away or keeps, for people to read."""

    def apply(self, connection: Connection) -> None:
        """Amend the restored rows."""


@dataclass(frozen=True)
class RestorePlan:
    """What a restore would do: rows per table in the backup and in the database, and what it would revive."""

    path: Path
    revision: str
    created_at: datetime
    rows: Mapping[str, int]
    present: Mapping[str, int]
    statements: Sequence[str]


def verify_backup(path: Path) -> dict[str, int]:
    """Read the whole file and decode every row; returns the rows per table. Raises DataIntegrityError if damaged."""
    header = read_header(path)
    return _check_rows(path, header, _matching_tables(header, header.revision), ())


def plan_restore(engine: Engine, path: Path, overrides: Sequence[RestoreOverride] = ()) -> RestorePlan:
    """Check the whole file and compare it with the database; changes nothing.

    Raises DataIntegrityError for a damaged file, ConflictError if the schemas differ.
    """
    header = read_header(path)
    tables = _matching_tables(header, whole_revision(engine))
    overrides = overrides if header.revision == head() else ()
    with reading(engine) as connection:
        present = {
            name: connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0
            for name, table in tables.items()
        }
        for override in overrides:
            override.read(connection)
    rows = _check_rows(path, header, tables, overrides)
    statements = [statement for override in overrides for statement in override.statements()]
    return RestorePlan(path, header.revision, header.created_at, rows, present, statements)


def restore(
    engine: Engine,
    path: Path,
    *,
    replace: bool,
    overrides: Sequence[RestoreOverride] = (),
    alone: Sequence[str] = (),
    batch_size: int = BATCH,
    on_table: OnTable = lambda _name, _done, _all: None,
) -> RestorePlan:
    """Fill every table from a backup; calls ``on_table`` before it writes a table. Returns what was done.

    ``alone`` names the locks of writers that must not write meanwhile. Raises DataIntegrityError for a damaged file,
    ConflictError if the schemas differ or if the database holds rows and ``replace`` is false. Nothing is changed then.
    """
    plan = plan_restore(engine, path, overrides)
    header = read_header(path)
    tables = _matching_tables(header, plan.revision)
    overrides = overrides if header.revision == head() else ()
    with writing(_locking_gaps(engine), alone=(*alone, LOCK)) as connection:
        for override in overrides:
            override.read(connection)
        kept = _delete_rows(connection, tables_at(plan.revision), batch_size, replace=replace)
        for name, rows in groupby(read_rows(path), key=itemgetter(0)):
            on_table(name, list(header.tables).index(name), len(header.tables))
            if name not in kept:
                codec = RowCodec(tables[name], header.tables[name])
                _fill(connection, tables[name], codec, (line for _, line in rows), batch_size)
        for override in overrides:
            override.apply(connection)
    return plan


def _matching_tables(header: Header, revision: str) -> dict[str, sa.Table]:
    """The tables of the revision, in the header's order."""
    if header.revision != revision:
        msg = f"The backup is of schema revision {header.revision}, the database is at {revision}."
        hint = (
            f"Load it into a new database: `dbsbm db upgrade --revision {header.revision}`, `dbsbm db restore`, "
            "`dbsbm db upgrade`."
        )
        raise ConflictError(msg, hint=hint)
    tables = {table.name: table for table in tables_at(revision)}
    if header.tables.keys() != tables.keys():
        differing = sorted(header.tables.keys() ^ tables.keys())
        raise DataIntegrityError(f"The backup has other tables than the database: {', '.join(differing)[:200]}.")
    for name, table in tables.items():
        if sorted(header.tables[name]) != sorted(table.columns.keys()):
            msg = f"The backup's table {name} has other columns than the database's."
            raise DataIntegrityError(msg, table=name)
    return {name: tables[name] for name in header.tables}


def _check_rows(
    path: Path, header: Header, tables: Mapping[str, sa.Table], overrides: Sequence[RestoreOverride]
) -> dict[str, int]:
    """Decode every row; returns their numbers by table."""
    counts = dict.fromkeys(header.tables, 0)
    for name, rows in groupby(read_rows(path), key=itemgetter(0)):
        codec = RowCodec(tables[name], header.tables[name])
        for _, line in rows:
            counts[name] += 1
            row = codec.decode(line, counts[name])
            for override in overrides:
                override.compare(name, row)
    return counts


def _locking_gaps(engine: Engine) -> Engine:
    """The engine, whose deletions also keep others from inserting rows until the transaction ends.

    Without that a server could log a prediction whose answer is deleted next, and its foreign key would refuse it.
    """
    return engine if engine.dialect.name == "sqlite" else engine.execution_options(isolation_level="REPEATABLE READ")


def _delete_rows(connection: Connection, tables: Sequence[sa.Table], batch_size: int, *, replace: bool) -> set[str]:
    """Empty the tables; returns the names of those that keep their rows: what identifies this very database."""
    kept = set()
    for table in reversed(tables):
        holds_rows = connection.execute(sa.select(sa.literal(1)).select_from(table).limit(1)).first() is not None
        if identifies_database(table.name):
            kept |= {table.name} if holds_rows else set()
            continue
        if holds_rows and not replace:
            msg = f"The database is not empty: {table.name} holds rows."
            raise ConflictError(msg, hint="Add --replace to empty it first.", table=table.name)
        # MySQL in portions: one long statement would run into the read timeout.
        portion = sa.delete(table).with_dialect_options(mysql_limit=20 * batch_size, mariadb_limit=20 * batch_size)
        while connection.execute(portion).rowcount:
            pass
    return kept


def _fill(connection: Connection, table: sa.Table, codec: RowCodec, lines: Iterator[bytes], batch_size: int) -> None:
    numbered = enumerate(lines, start=1)
    while batch := [codec.decode(line, number) for number, line in islice(numbered, batch_size)]:
        connection.execute(sa.insert(table), batch)
