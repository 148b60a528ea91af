"""The identity of a database: a random name stored in it, the same through every address, replica and restore."""

import secrets
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from core.database.transactions import reading, writing
from core.database.upserts import insert_new
from core.errors import DatabaseError
from serving.backends.tables import database_identity

ONLY_ROW: Final = 1
IDENTITY_BYTES: Final = 16


def read_identity(engine: Engine) -> str | None:
    """Return the database's identity; None if it has none yet. Raises DatabaseError if it cannot be asked."""
    try:
        with reading(engine) as connection:
            return _stored(connection)
    except DatabaseError:
        if _lacks_table(engine):
            return None
        raise


def ensure_identity(engine: Engine) -> str | None:
    """Return the database's identity, and give it one if it has none. Of two processes at once, both get the first's.

    None if the database can store none: its schema is older than the table, or it accepts no writes. Raises
    DatabaseError if it cannot be asked.
    """
    identity = read_identity(engine)
    if identity is not None or _lacks_table(engine):
        return identity
    try:
        with writing(engine) as connection:
            insert_new(connection, database_identity, [{"id": ONLY_ROW, "identity": secrets.token_hex(IDENTITY_BYTES)}])
            return _stored(connection)
    except DatabaseError:
        return read_identity(engine)


def _stored(connection: Connection) -> str | None:
    return connection.scalar(sa.select(database_identity.c.identity).where(database_identity.c.id == ONLY_ROW))


def _lacks_table(engine: Engine) -> bool:
    """Whether the database answers, and its schema is older than the table."""
    try:
        return not sa.inspect(engine).has_table(database_identity.name)
    except SQLAlchemyError:
        return False
