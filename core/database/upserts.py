"""Inserting rows where some exist already."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection

INSERT_BATCH: Final = 5_000


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
