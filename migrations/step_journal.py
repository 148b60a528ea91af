"""How far an unfinished migration has come, kept in the database, so that a killed run is continued and not repeated.

MySQL and MariaDB commit every schema statement by itself. Before each one the journal's only row is replaced and
committed: which migration runs, in which direction, the number of the statement within it, and what its table looks
like. The row therefore states that everything before that statement is done; whether the statement itself was executed
shows in the table. Changes of rows since the last schema statement are committed together with the row, so they are
neither lost nor repeated. When a migration is done, its row is deleted in the transaction that moves the revision.

A migration run again executes its reads again and skips what is done. Hence the one rule for migrations: the same
schema statements in the same order in every run. SQLite needs no journal, its schema statements can be rolled back.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPICursor, ExecutionContext

from core.database.schema import TABLE_OPTIONS
from core.errors import ServiceError

Direction = Literal["upgrade", "downgrade"]
VERSION_TABLE: Final = "schema_version"
STEP_TABLE: Final = "schema_step"
UNKNOWN_TABLE: Final = 1146
"""Error of MySQL and MariaDB: the table does not exist."""

SCHEMA_STATEMENT: Final = re.compile(
    r"\s*(?P<verb>CREATE|ALTER|DROP|RENAME|TRUNCATE)\b(?:\s+`?\w+`?)*?\s+(?:TABLE|ON)\s+"
    r"(?:IF\s+(?:NOT\s+)?EXISTS\s+)?`?(?P<table>\w+)",
    re.IGNORECASE,
)
ROW_STATEMENT: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
OF_REVISION: Final = re.compile(rf"\s*(INSERT INTO|UPDATE|DELETE FROM) `?{VERSION_TABLE}\b", re.IGNORECASE)
READ: Final = re.compile(r"\s*(SELECT|SHOW|SET|DESCRIBE|EXPLAIN)\b", re.IGNORECASE)
COUNTER: Final = re.compile(r" AUTO_INCREMENT=\d+")
"""Part of SHOW CREATE TABLE that changes with every inserted row."""

SHOW_TABLE: Final = sa.DDL("SHOW CREATE TABLE %(fullname)s")  # type: ignore[no-untyped-call]

versions: Final = sa.Table(
    VERSION_TABLE,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
    **TABLE_OPTIONS,
)
"""Alembic's table, created here so that it has our charset on every server."""

steps: Final = sa.Table(
    STEP_TABLE,
    sa.MetaData(),
    sa.Column(
        "revision", sa.String(32), primary_key=True, comment="Revision at which the migration began; empty: none"
    ),
    sa.Column("direction", sa.String(10), nullable=False, comment="upgrade or downgrade, from that revision"),
    sa.Column("number", sa.Integer, nullable=False, comment="Number of the schema statement, from 1"),
    sa.Column("statement", sa.String(120), nullable=False, comment="Its verb and table"),
    sa.Column("table_sha256", sa.String(64), nullable=False, comment="SHA-256 of the table's definition before it"),
    **TABLE_OPTIONS,
)


@dataclass(frozen=True)
class UnfinishedStep:
    """A migration that was begun and has not ended, as of its last schema statement."""

    revision: str
    direction: Direction
    number: int
    statement: str
    table_sha256: str

    def __str__(self) -> str:
        return f"the {self.direction} from {self.revision or 'base'} is unfinished, at {self.statement}"


def needs_journal(connection: Connection) -> bool:
    return connection.dialect.name != "sqlite"


def unfinished_step(connection: Connection) -> UnfinishedStep | None:
    """The migration that was interrupted, if any."""
    if not needs_journal(connection) or not sa.inspect(connection).has_table(STEP_TABLE):
        return None
    row = connection.execute(sa.select(steps)).mappings().one_or_none()
    return None if row is None else UnfinishedStep(**row)


@contextmanager
def journal(connection: Connection, direction: Direction) -> Iterator["StepJournal"]:
    """Run migrations in the block so that they can be continued after any of their statements."""
    kept = StepJournal(connection, direction)
    names = ("do_execute", "do_executemany", "do_execute_no_params") if needs_journal(connection) else ()
    events = [(name, getattr(kept, name)) for name in names]
    try:
        for name, listener in events:
            sa.event.listen(connection.engine, name, listener)
        yield kept
    finally:
        for name, listener in events:
            sa.event.remove(connection.engine, name, listener)


class StepJournal:
    """Sees every statement on the connection before it is executed, and skips those that a killed run has done."""

    def __init__(self, connection: Connection, direction: Direction) -> None:
        self._connection = connection
        self._direction = direction
        self._begun = unfinished_step(connection)
        self._number = 0
        self._is_writing = False

    def finish_step(self, **_about: Any) -> None:
        """Delete the row of the migration that has just moved the revision, in the same transaction."""
        self._begun, self._number = None, 0
        if needs_journal(self._connection):
            self._connection.execute(sa.delete(steps))

    def do_execute(self, cursor: DBAPICursor, statement: str, _parameters: Any, context: ExecutionContext) -> bool:
        """Whether the statement is skipped. SQLAlchemy calls this in place of the driver."""
        return self._skips(cursor, statement, context)

    def do_executemany(self, cursor: DBAPICursor, statement: str, _parameters: Any, context: ExecutionContext) -> bool:
        return self._skips(cursor, statement, context)

    def do_execute_no_params(self, cursor: DBAPICursor, statement: str, context: ExecutionContext) -> bool:
        return self._skips(cursor, statement, context)

    def _skips(self, cursor: DBAPICursor, statement: str, context: ExecutionContext) -> bool:
        is_ours = self._is_writing or context.root_connection is not self._connection
        if is_ours or READ.match(statement) or OF_REVISION.match(statement) or f" {STEP_TABLE}" in statement:
            return False
        if ROW_STATEMENT.match(statement):
            return self._begun is not None and self._number < self._begun.number
        found = SCHEMA_STATEMENT.match(statement)
        if found is None:
            msg = f"A migration's statement cannot be journaled: {statement.strip()[:60]!r}."
            raise ServiceError(msg, hint="See migrations/README.md.")
        self._number += 1
        return self._is_done(found["verb"].upper(), found["table"]) or self._note(cursor, found)

    def _is_done(self, verb: str, table: str) -> bool:
        begun = self._begun
        if begun is None or self._number > begun.number:
            return False
        if self._number < begun.number:
            return True
        if begun.statement != f"{verb} {table}":
            msg = f"Migrations cannot continue: {begun}; this code has {verb} {table} in that place."
            raise ServiceError(msg, hint="Continue with the code that began it.")
        return self._definition(table) != begun.table_sha256

    def _note(self, cursor: DBAPICursor, found: re.Match[str]) -> bool:
        """Replace the row and commit it, with every change of rows since the last schema statement."""
        verb, table = found["verb"].upper(), found["table"]
        if self._begun is not None and self._begun.number == self._number:
            return False
        revision = self._connection.scalar(sa.select(versions.c.version_num)) or ""
        row = UnfinishedStep(revision, self._direction, self._number, f"{verb} {table}", self._definition(table))
        self._is_writing = True
        try:
            self._connection.execute(sa.delete(steps))
            self._connection.execute(sa.insert(steps), [vars(row)])
        finally:
            self._is_writing = False
        cursor.connection.commit()
        return False

    def _definition(self, table: str) -> str:
        """SHA-256 of the table's definition; of nothing if there is no such table."""
        show = SHOW_TABLE.against(sa.Table(table, sa.MetaData()))
        try:
            shown = str(self._connection.execute(show).one()[1])
        except sa.exc.ProgrammingError as error:
            if error.orig is None or error.orig.args[0] != UNKNOWN_TABLE:
                raise
            shown = ""
        return sha256(COUNTER.sub("", shown).encode()).hexdigest()
