"""The tables that a revision has, for reading and writing a database that is not at the code's own revision."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from core.database.engines import open_database
from core.database.schema import LongText, UtcDateTime
from core.errors import ConflictError, ValidationError
from migrations import schema
from migrations.step_journal import VERSION_TABLE
from migrations.tables import METADATA


def tables_at(revision: str) -> Sequence[sa.Table]:
    """The tables of the revision, those that others refer to first.

    The newest are the code's own; those of another revision are what its migrations make in an empty database. Raises
    ConflictError if this code does not have the revision.
    """
    if revision == schema.head():
        return METADATA.sorted_tables
    engine = open_database(make_url("sqlite://"))
    made = sa.MetaData()
    sa.event.listen(made, "column_reflect", _with_our_types)
    try:
        schema.upgrade(engine, revision)
        made.reflect(engine)
    except ValidationError as error:
        msg = f"This code does not have the schema revision {revision}; its own is {schema.head()}."
        raise ConflictError(msg, hint="Use the code of that revision.") from error
    finally:
        engine.dispose()
    return [table for table in made.sorted_tables if table.name != VERSION_TABLE]


def identifies_database(table: str) -> bool:
    """Whether the table's rows identify this very database: a restore keeps those that are there."""
    own = METADATA.tables.get(table)
    return own is not None and own.info.get("restore") == "if empty"


def _with_our_types(_inspector: Any, _table: sa.Table, column: Any) -> None:
    """Give a column as SQLite describes it the type with which the code declares such columns."""
    match column["type"]:
        case sa.DateTime():
            column["type"] = UtcDateTime()
        case sa.Float():
            column["type"] = sa.Double()
        case sa.Text():
            column["type"] = LongText()
        case _:
            pass
