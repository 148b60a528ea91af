"""Counts the prediction log per answer and role, and prunes what has been counted.

The log is read in the order of its ids, each row once. A row with a lower id may be committed after one with a higher
id, so the rows of a step are locked first: that waits for a transaction that is still writing one of them.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection, Engine

from core.database.bulk_insert import add_tuples
from core.database.transactions import writing
from core.database.upserts import upsert
from serving.monitoring.tables import due, marks, tallies
from serving.predictions.tables import answers, predictions

LOCK: Final = "grading"
"""Name of the lock under which every transaction of grading runs."""
ROWS_AT_ONCE: Final = 20_000
PRUNED_AT_ONCE: Final = 5_000
LOG_MARK: Final = "log"
PRUNED_MARK: Final = "pruned"
GAME: Final = ("sport", "league", "game_id")


def tally_log(engine: Engine, *, rows_at_once: int = ROWS_AT_ONCE) -> int:
    """Count every row of the log that has not been counted, and make its games due; returns how many rows."""
    counted = 0
    while rows := _tally_step(engine, rows_at_once):
        counted += rows
        if rows < rows_at_once:
            break
    return counted


def prune_log(engine: Engine, now: datetime, days: int, *, rows_at_once: int = PRUNED_AT_ONCE) -> int:
    """Delete counted rows of the log that were served more than ``days`` ago, in small transactions; returns how many.

    The newest row that was counted stays: a database without any would give its id to another row after a restore.
    """
    oldest, pruned = now - timedelta(days=days), 0
    while rows := _prune_step(engine, oldest, rows_at_once):
        pruned += rows
    return pruned


def position(connection: Connection, name: str) -> int:
    """The mark of that name; 0 before it is first set."""
    return connection.scalar(sa.select(marks.c.position).where(marks.c.name == name)) or 0


def set_position(connection: Connection, name: str, value: int) -> None:
    """Set the mark of that name."""
    upsert(connection, marks, [{"name": name, "position": value}])


def make_due(connection: Connection, games: sa.Select[Any]) -> None:
    """Add the games that the query returns, by their natural keys, to those that are due."""
    connection.execute(_insert_or_change(connection, due, lambda new: {"game_id": new.game_id}, games))


def _tally_step(engine: Engine, rows_at_once: int) -> int:
    log = predictions.c
    with writing(engine, alone=LOCK) as connection:
        after = position(connection, LOG_MARK)
        new = sa.select(log.id).where(log.id > after).order_by(log.id).limit(rows_at_once)
        locked = new.with_for_update(read=True).subquery()
        rows, last = connection.execute(sa.select(sa.func.count(), sa.func.max(locked.c.id))).one()
        if not rows:
            return 0
        chosen = (log.id > after) & (log.id <= last)
        _count(connection, chosen)
        served = sa.select(log.answer_id).where(chosen)
        make_due(connection, sa.select(*(answers.c[name] for name in GAME)).where(answers.c.answer_id.in_(served)))
        set_position(connection, LOG_MARK, last)
        return int(rows)


def _count(connection: Connection, chosen: sa.ColumnElement[bool]) -> None:
    log = predictions.c
    counted = (
        sa.select(
            log.answer_id,
            log.shadow,
            sa.func.count().label("servings"),
            sa.func.min(log.served_at, type_=log.served_at.type).label("first_served_at"),
            sa.func.max(log.served_at, type_=log.served_at.type).label("last_served_at"),
        )
        .where(chosen)
        .group_by(log.answer_id, log.shadow)
    )
    # SQLite's MIN and MAX of two values are LEAST and GREATEST.
    least, greatest = (
        (sa.func.min, sa.func.max) if connection.dialect.name == "sqlite" else (sa.func.least, sa.func.greatest)
    )
    held = tallies.c

    def changed(new: Any) -> dict[str, Any]:
        return {
            "servings": held.servings + new.servings,
            "first_served_at": least(held.first_served_at, new.first_served_at),
            "last_served_at": greatest(held.last_served_at, new.last_served_at),
        }

    connection.execute(_insert_or_change(connection, tallies, changed, counted))


def _insert_or_change(
    connection: Connection,
    table: sa.Table,
    changed: Callable[[Any], dict[str, Any]],
    query: sa.Select[Any],
) -> sa.Insert:
    """The statement that inserts the rows of the query; of a row whose key exists it changes columns.

    ``changed`` gives their new values from the columns of the row that could not be inserted.
    """
    names = [column.name for column in query.selected_columns]
    if connection.dialect.name == "sqlite":
        lite = sqlite.insert(table).from_select(names, query)
        return lite.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed(lite.excluded))
    my = mysql.insert(table).from_select(names, query)
    return my.on_duplicate_key_update(changed(my.inserted))


def _prune_step(engine: Engine, oldest: datetime, rows_at_once: int) -> int:
    log = predictions.c
    with writing(engine, alone=LOCK) as connection:
        old = (
            sa.select(log.id)
            .where(log.served_at < oldest, log.id < position(connection, LOG_MARK))
            .order_by(log.served_at)
            .limit(rows_at_once)
        )
        ids = connection.scalars(old).all()
        if ids:
            connection.execute(sa.delete(predictions).where(log.id.in_(ids)))
            add_tuples(connection, marks, [(PRUNED_MARK, len(ids))])
        return len(ids)
