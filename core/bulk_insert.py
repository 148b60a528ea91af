"""Many new rows at once, at the least cost for the process that has them.

MySQL and MariaDB are sent a batch as one parameter, a JSON array of rows that the server takes apart (``JSON_TABLE``,
MySQL 8.0.4 and MariaDB 10.6). The driver would write each value into the statement in Python, which costs six times
the processor time and keeps other threads of the process waiting (measured: DECISIONS.md, 0043).
"""

import math
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection, Dialect

from core.database import INSERT_BATCH, kept_as_it_is
from core.errors import DataIntegrityError

Values = Sequence[Any]

# Base64 has nothing that the driver must escape, which it does character by character.
TOLD: Final = "JSON_TABLE(CONVERT(FROM_BASE64(:rows) USING utf8mb4), '$[*]' COLUMNS ({columns})) AS told"
COLUMN: Final = "c{place} {type} PATH '$[{place}]' ERROR ON ERROR"


def insert_new_tuples(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert the rows, tuples in the order of ``columns``, whose primary or unique key is not there yet.

    Raises DataIntegrityError for what MySQL has no word for: a number that is none, or half of a character.
    """
    insert = _into_sqlite if connection.dialect.name == "sqlite" else _into_mysql
    converters = [_to_driver(table.c[name], connection.dialect) for name in columns]
    for start in range(0, len(rows), INSERT_BATCH):
        by_column = zip(*rows[start : start + INSERT_BATCH], strict=True)
        converted = (convert(values) for convert, values in zip(converters, by_column, strict=True))
        insert(connection, table, columns, list(zip(*converted, strict=True)))


def _into_sqlite(connection: Connection, table: sa.Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    """Compiled once, so that the driver gets the tuples as they are."""
    statement = sqlite.insert(table).on_conflict_do_nothing()
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=list(columns))
    places = [columns.index(name) for name in compiled.positiontup or ()]
    in_order = rows if places == sorted(places) else [tuple(row[place] for place in places) for row in rows]
    connection.exec_driver_sql(str(compiled), in_order)


def _into_mysql(connection: Connection, table: sa.Table, columns: Sequence[str], rows: list[tuple[Any, ...]]) -> None:
    told = ", ".join(COLUMN.format(place=place, type=_told_as(table.c[name])) for place, name in enumerate(columns))
    selected = sa.select(*(sa.literal_column(f"told.c{place}") for place in range(len(columns))))
    source = selected.select_from(sa.text(TOLD.format(columns=told)))
    statement = mysql.insert(table).from_select(list(columns), source, include_defaults=False)
    try:
        body = orjson.dumps(rows, option=orjson.OPT_SERIALIZE_NUMPY)
    except orjson.JSONEncodeError as error:
        raise DataIntegrityError(f"{table.name}: a value that no column can hold: {error}.") from error
    connection.execute(kept_as_it_is(statement), {"rows": b64encode(body).decode()})


def _told_as(column: sa.Column[Any]) -> str:
    """The type in which a value is read from JSON; what the column is makes the rest of it, or refuses it."""
    if isinstance(column.type, sa.Integer | sa.Boolean):
        return "BIGINT"
    return "DOUBLE" if isinstance(column.type, sa.Float) else "LONGTEXT"


def _to_driver(column: sa.Column[Any], dialect: Dialect) -> Callable[[Values], Iterable[Any]]:
    """What turns a column's values into the driver's, each different one once."""
    if isinstance(column.type, sa.Float):
        return lambda values: _numbers(column, values)
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    if process is None:
        return lambda values: values

    def convert(values: Values) -> Iterable[Any]:
        drivers = {value: process(value) for value in set(values)}
        return map(drivers.__getitem__, values)

    return convert


def _numbers(column: sa.Column[Any], values: Values) -> Values:
    if not all(map(math.isfinite, filter(None, values))):
        raise DataIntegrityError(f"{column.table.name}.{column.name}: not a number, or an infinite one.", field=column.name)
    return values
