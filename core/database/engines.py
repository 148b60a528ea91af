"""Opening a database: sessions that are the same whatever the server's own settings are."""

import sqlite3
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.pool import QueuePool

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
