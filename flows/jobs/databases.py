"""This service's own database, opened for the length of a job."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Engine

from core.database.engines import open_database
from core.errors import ServiceError
from core.settings import Settings


@contextmanager
def our_database(settings: Settings) -> Iterator[Engine]:
    """Open our own database. Raises ServiceError if its schema is not at the revision that this code needs."""
    from migrations import schema

    engine = open_database(settings.database)
    try:
        present, expected, unfinished = schema.current(engine), schema.head(), schema.unfinished(engine)
        if unfinished is not None:
            msg = f"The database is between two revisions: {unfinished}."
            raise ServiceError(msg, hint="Run `dbsbm db upgrade`, which continues it.")
        if present != expected:
            msg = f"The database is at revision {present or 'none'}; this code needs {expected}."
            raise ServiceError(msg, hint="Run `dbsbm db upgrade`.")
        yield engine
    finally:
        engine.dispose()
