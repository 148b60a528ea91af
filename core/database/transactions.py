"""Reading, writing and named locks; whatever fails becomes one typed error without values or secrets."""

import fcntl
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from core.errors import DatabaseError, OperationTimeoutError
from core.text.addresses import shown
from core.text.redaction import redact

LOCK_SECONDS: Final = 50
"""Usual wait for a named lock."""

LONGEST_LOCK_NAME: Final = 64
"""Limit of MySQL and MariaDB [characters]."""

QUOTED_VALUE: Final = re.compile(r"(entry|value:|near) (['\"]).*\2(?= for |: | at line |$)", re.DOTALL)
"""The parts of the drivers' messages that repeat a parameter or the statement."""


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
