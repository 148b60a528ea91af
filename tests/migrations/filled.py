"""Rows for every table, with values that a careless copy would change."""

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from core.database.schema import UtcDateTime
from core.database.transactions import reading, writing
from migrations.tables import METADATA

MOMENT = datetime(2024, 5, 1, 12, 0, 0, 123457, tzinfo=UTC)
ODD_FLOATS = (0.1 + 0.2, 1 / 3, 2.2250738585072014e-308, 1.7976931348623157e308, 1e22, 5.0, 1.9999999999999998)
ODD_TEXTS = ('Atlético "B"\n', "東京\u2028", "a\\b'c;--", "🏈", "[1]", '{"table":"x"}', " ends in spaces  ")


def sample(column: sa.Column[Any], number: int) -> Any:
    """A value that a careless backup would change, and NULL wherever it is allowed in every third row."""
    kind = column.type
    if column.nullable and number % 3 == 0:
        return None
    if isinstance(kind, UtcDateTime):
        return MOMENT.replace(second=number)
    if isinstance(kind, sa.Boolean):
        return number % 2 == 1
    if isinstance(kind, sa.Integer):
        return number + 1
    if isinstance(kind, sa.Float):
        return ODD_FLOATS[number % len(ODD_FLOATS)]
    if column.primary_key or column.unique or column.foreign_keys:
        return f"k{number}"
    return ODD_TEXTS[number % len(ODD_TEXTS)][: getattr(kind, "length", None)]


def fill(engine: Engine, rows: int = 7) -> None:
    with writing(engine) as connection:
        for table in METADATA.sorted_tables:
            values = [{column.name: sample(column, number) for column in table.columns} for number in range(rows)]
            connection.execute(sa.insert(table), values)


def contents(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, except of those that a restore leaves alone where they have rows."""
    with reading(engine) as connection:
        return {
            table.name: [
                tuple(row) for row in connection.execute(sa.select(table).order_by(*table.primary_key.columns))
            ]
            for table in METADATA.sorted_tables
            if table.info.get("restore") != "if empty"
        }
