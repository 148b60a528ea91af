"""Rows of facts from the database, column by column: a value that comes several times is made and held once.

A season's facts repeat their game ids, teams, books and moments many times over; made again for each row they take most
of the time and the memory of reading.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from core.database.schema import UtcDateTime


def without_zone(column: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """The column as ``ValueInterner`` expects it in a query: a moment without its zone."""
    return sa.type_coerce(column, column.type.impl) if isinstance(column.type, UtcDateTime) else column


class ValueInterner:
    """Turns the rows of one table into tuples of Python values, equal ones the same object."""

    def __init__(self, table: sa.Table, names: Sequence[str]) -> None:
        self._types = [table.c[name].type for name in names]
        self._moments: dict[datetime, datetime] = {}
        self._texts: dict[str, str] = {}

    def intern(self, rows: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        """The rows, in their order."""
        if not rows:
            return iter(())
        return zip(*map(self._column, self._types, zip(*rows, strict=True)), strict=True)

    def _column(self, kind: sa.types.TypeEngine[Any], values: tuple[Any, ...]) -> Iterable[Any]:
        if isinstance(kind, UtcDateTime):
            for moment in set(values) - self._moments.keys():
                self._moments[moment] = moment.replace(tzinfo=UTC)
            return map(self._moments.__getitem__, values)
        if isinstance(kind, sa.String):
            return map(self._texts.setdefault, values, values)
        return values
