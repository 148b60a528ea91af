"""Engines, transactions and column types that mean the same on MySQL 8, MariaDB and SQLite."""

import base64
import fcntl
import lzma
import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import URL, Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from core.addresses import shown
from core.errors import DatabaseError, OperationTimeoutError
from core.redaction import redact

METADATA: Final = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    }
)
"""The rooms declare their tables on it; migrations compare it with the schema of a database."""

TABLE_OPTIONS: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}
"""Options of every table, explicit because the defaults of MySQL and MariaDB differ."""

INSERT_BATCH: Final = 5_000
SMALLEST_PACKET: Final = 2**20
"""The smallest ``max_allowed_packet`` with which every statement of this service fits [bytes]."""

MODES: Final = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,"
    "NO_ENGINE_SUBSTITUTION"
)
"""The ``sql_mode`` of every session: a value that does not fit is refused instead of cut."""

SESSION: Final = (
    f"SET NAMES utf8mb4 COLLATE utf8mb4_bin, SESSION sql_mode = '{MODES}', "
    "SESSION wait_timeout = GREATEST(@@SESSION.wait_timeout, 28800)"
)
"""What a session of MySQL or MariaDB is set to, whatever server and address say: text is utf8mb4, and a connection that
holds a lock is not closed for being idle for seconds."""

LOCK_SECONDS: Final = 50
"""Usual wait for a named lock."""

LONGEST_LOCK_NAME: Final = 64
"""Limit of MySQL and MariaDB [characters]."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC moment, stored as a naive one with microseconds (MySQL keeps no zone and MariaDB cuts fractions)."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime())

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            msg = "a moment without a time zone must not reach the database"
            raise ValueError(msg)
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class LongText(sa.types.TypeDecorator[str]):
    """Text without MySQL's limits of 64 KiB per value and of ``max_allowed_packet`` per statement.

    A text over 480 KiB is stored compressed, behind a mark; JSON shrinks to a third or less, so that values up to some
    3 MB fit into a statement of ``SMALLEST_PACKET``.
    """

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(mysql.LONGTEXT() if dialect.name in ("mysql", "mariadb") else sa.Text())

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        if value is None or (len(value) <= LONGEST_PLAIN // 4 and not value.startswith(COMPRESSED)):
            return value
        plain = value.encode()
        if len(plain) <= LONGEST_PLAIN and not value.startswith(COMPRESSED):
            return value
        return COMPRESSED + base64.b64encode(lzma.compress(plain)).decode()

    def process_result_value(self, value: str | None, _dialect: Dialect) -> str | None:
        if value is None or not value.startswith(COMPRESSED):
            return value
        return lzma.decompress(base64.b64decode(value.removeprefix(COMPRESSED))).decode()


COMPRESSED: Final = "xz+base64:"
"""Mark before a compressed value. A text that begins with it is compressed at any length."""

LONGEST_PLAIN: Final = 480 * 2**10
"""Longest text that is stored as it is [bytes]: escaped by the driver it is twice as long, still below a packet."""

QUOTED_VALUE: Final = re.compile(r"(entry|value:|near) (['\"]).*\2(?= for |: | at line |$)", re.DOTALL)
"""The parts of the drivers' messages that repeat a parameter or the statement."""


def open_database(
    address: URL,
    *,
    pool_size: int = 5,
    pool: type[QueuePool] = QueuePool,
    connecting: float = 5,
    answering: float = 60,
) -> Engine:
    """An engine for the address, which connects at its first use.

    Creates the folder of an SQLite file. MySQL sessions read what is committed at each statement, so that a poller sees
    new rows, and have the same charset and modes on every server (``SESSION``); a server that does not reply times out
    after ``connecting`` or ``answering`` seconds.
    """
    if address.get_backend_name() == "sqlite":
        if address.database:
            Path(address.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(address, connect_args={"timeout": 30})
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = sa.create_engine(
        address,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
        pool_recycle=1800,
        poolclass=pool,
        pool_size=pool_size,
        max_overflow=0,
        connect_args={
            "charset": "utf8mb4",
            "sql_mode": MODES,  # before SQLAlchemy reads it, to know how names are quoted
            "connect_timeout": connecting,
            "read_timeout": answering,
            "write_timeout": answering,
        },
    )
    sa.event.listen(engine, "connect", _prepare_mysql)
    return engine


def _prepare_mysql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(SESSION)


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Otherwise the driver opens transactions itself: at the first write, and never before a schema change.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA cache_size=-65536")


def _begin_sqlite(connection: Connection) -> None:
    """A writer takes the write lock at once: after a read, SQLite may refuse it."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("writes") else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reading. Raises DatabaseError if the database fails."""
    with _as_database_error(engine), engine.connect() as connection:
        yield connection


@contextmanager
def writing(
    engine: Engine, *, alone: str | Sequence[str] = (), lock_seconds: int = LOCK_SECONDS
) -> Iterator[Connection]:
    """A transaction: all of it is written, or nothing. Raises DatabaseError if the database fails.

    With ``alone``, no two transactions of that name run at the same time on any machine: the second one waits for
    ``lock_seconds`` and then raises OperationTimeoutError. Several names are taken in their order. (SQLite has one
    writer at a time anyway.)
    """
    names = [alone] if isinstance(alone, str) else alone
    with _as_database_error(engine), ExitStack() as locks:
        connection = locks.enter_context(engine.execution_options(writes=True).connect())
        for name in names:
            locks.enter_context(_alone(connection, name, lock_seconds))
        with connection.begin():
            yield connection


@contextmanager
def turn(engine: Engine, name: str, *, lock_seconds: int = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of that name, for work of more than one transaction.

    Uses a connection of its own. Raises OperationTimeoutError if the lock is not free within ``lock_seconds``; on
    SQLite, where the lock is a file beside the database, it waits without limit.
    """
    if engine.dialect.name != "sqlite":
        with _as_database_error(engine), engine.connect() as connection, _alone(connection, name, lock_seconds):
            yield
    elif engine.url.database in (None, "", ":memory:"):
        yield
    else:
        with Path(f"{engine.url.database}.{name}.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


@contextmanager
def _alone(connection: Connection, name: str, seconds: int = LOCK_SECONDS) -> Iterator[None]:
    if not name or connection.dialect.name == "sqlite":
        yield
        return
    lock = {"name": lock_name(connection.engine.url.database, name)}
    if not any(
        connection.scalar(sa.text("SELECT GET_LOCK(:name, :seconds)"), {**lock, "seconds": wait}) == 1
        for wait in _waits(seconds)
    ):
        msg = f"Another process has held the lock {name!r} for more than {seconds} seconds."
        raise OperationTimeoutError(msg, hint="Try again when that process has finished.")
    connection.commit()
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.execute(sa.text("SELECT RELEASE_LOCK(:name)"), lock)
            connection.commit()


def _waits(seconds: int) -> Iterator[int]:
    """The time in parts, each below a session's read timeout, which would end the wait with another error."""
    yield min(seconds, LOCK_SECONDS)
    for waited in range(LOCK_SECONDS, seconds, LOCK_SECONDS):
        yield min(seconds - waited, LOCK_SECONDS)


def lock_name(database: str | None, name: str) -> str:
    """The lock's name on the server, with the database's: locks are global there. The end of a long name is hashed."""
    whole = f"{database}.{name}"
    if len(whole) <= LONGEST_LOCK_NAME:
        return whole
    digest = sha256(whole.encode()).hexdigest()[:32]
    return f"{whole[: LONGEST_LOCK_NAME - len(digest) - 1]}.{digest}"


@contextmanager
def _as_database_error(engine: Engine) -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        hint = "`dbsbm doctor` checks the connection and the schema."
        raise DatabaseError(f"The database at {shown(engine.url)} failed: {_reason(error)}.", hint=hint) from error


def _reason(error: SQLAlchemyError) -> str:
    """The driver's message without SQL text, parameters or values."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return type(error).__name__
    words = " ".join(str(word) for word in error.orig.args)
    without_values = redact(QUOTED_VALUE.sub(r"\1 (not shown)", words))
    return f"{type(error.orig).__name__} {without_values}"[:300]


def insert_new(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert the rows whose primary or unique key does not exist yet; the others do not change."""
    for start in range(0, len(rows), INSERT_BATCH):
        connection.execute(_insert_new(connection, table), [dict(row) for row in rows[start : start + INSERT_BATCH]])


def _insert_new(connection: Connection, table: sa.Table) -> sqlite.Insert | mysql.Insert:
    if connection.dialect.name == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return keep_existing_rows(mysql.insert(table))


def keep_existing_rows(insert: mysql.Insert) -> mysql.Insert:
    """The statement, which does not change rows whose key exists already.

    Not INSERT IGNORE, which would also hide truncation; setting a column to itself changes nothing.
    """
    table = cast("sa.Table", insert.table)
    first_key = next(iter(table.primary_key.columns))
    return insert.on_duplicate_key_update({first_key.name: first_key})


def upsert(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows; of those whose primary key exists already, replace the other columns."""
    if not rows:
        return
    changed = [name for name in rows[0] if name not in table.primary_key.columns]
    insert: sqlite.Insert | mysql.Insert
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table)
        insert = lite.on_conflict_do_update(
            index_elements=list(table.primary_key.columns), set_={name: lite.excluded[name] for name in changed}
        )
    else:
        my = mysql.insert(table)
        insert = my.on_duplicate_key_update({name: my.inserted[name] for name in changed})
    for start in range(0, len(rows), INSERT_BATCH):
        connection.execute(insert, [dict(row) for row in rows[start : start + INSERT_BATCH]])
