"""Inserts many rows at the least processor time for this process.

MySQL and MariaDB get a batch as one parameter, a JSON array of rows that the server expands (``JSON_TABLE``, MySQL
8.0.4 and MariaDB 10.6). The driver would write each value into the statement in Python, which takes six times the
processor time and blocks other threads of the process (measured: docs/decisions/0043).
"""

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, sqlite
from sqlalchemy.engine import Connection, Dialect, Engine

from core.database.schema import SMALLEST_PACKET, LongText, UtcDateTime
from core.database.upserts import INSERT_BATCH, keep_existing_rows
from core.errors import DataIntegrityError

LARGEST_BODY: Final = (SMALLEST_PACKET - 2**13) // 2
"""Longest JSON array in one statement [bytes]: in hexadecimal it is twice as long, and the statement has a text."""

# As bytes the driver writes the rows in hexadecimal; as text it would escape them character by character.
JSON_ROWS: Final = "JSON_TABLE(CONVERT(:rows USING utf8mb4), '$[*]' COLUMNS ({columns})) AS sent"
CHARSET: Final = "CHARACTER SET utf8mb4"
"""Of text columns in ``JSON_TABLE``, which otherwise have the database's: in latin1 other letters become `?`."""

COLUMN: Final = "c{place} {type} PATH '$[{place}]' ERROR ON ERROR"
AS_JSON: Final = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_UTC_Z


def insert_new_tuples(
    connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Insert the rows, tuples in the order of ``columns``, whose primary or unique key does not exist yet.

    Raises DataIntegrityError for values that MySQL cannot hold: NaN and infinity, half of a surrogate pair, or a moment
    without a time zone.
    """
    insert = _into_sqlite if connection.dialect.name == "sqlite" else _into_mysql
    kinds = [table.c[name] for name in columns]
    for start in range(0, len(rows), INSERT_BATCH):
        batch = rows[start : start + INSERT_BATCH]
        for place, column in enumerate(kinds):
            if isinstance(column.type, sa.Float):
                _check_finite(column, map(itemgetter(place), batch))
        insert(connection, kinds, batch)


def add_tuples(connection: Connection, table: sa.Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert the rows, tuples of all columns; where the primary key exists, add their other numbers to those there."""
    columns = list(table.columns)
    for start in range(0, len(rows), INSERT_BATCH):
        batch = rows[start : start + INSERT_BATCH]
        if connection.dialect.name == "sqlite":
            insert = sqlite.insert(table)
            added = {column.name: column + insert.excluded[column.name] for column in _numbers(table)}
            statement = insert.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=added)
            connection.execute(statement, [dict(zip(table.columns.keys(), row, strict=True)) for row in batch])
        else:
            _send(connection, columns, batch, _as_json, _adding_statement)


def _numbers(table: sa.Table) -> list[sa.Column[Any]]:
    return [column for column in table.columns if not column.primary_key]


def has_json_table(engine: Engine) -> bool:
    """Whether the database supports these inserts."""
    if engine.dialect.name == "sqlite":
        return True
    with engine.connect() as connection:
        try:
            connection.exec_driver_sql("SELECT c0 FROM JSON_TABLE('[1]', '$[*]' COLUMNS (c0 INT PATH '$')) AS sent")
        except sa.exc.DBAPIError:
            return False
    return True


def _check_finite(column: sa.Column[Any], values: Iterable[float | None]) -> None:
    if not all(map(math.isfinite, filter(None, values))):
        raise DataIntegrityError(f"{column.table.name}.{column.name}: NaN or infinite.")


def insert_new_json(connection: Connection, table: sa.Table, columns: Sequence[str], rows: Sequence[bytes]) -> None:
    """``insert_new_tuples`` for rows that are JSON arrays, with moments in UTC such as ``2024-05-01T12:00:00.5Z``.

    Not for columns of ``LongText``, whose values are converted.
    """
    kinds = [table.c[name] for name in columns]
    for start in range(0, len(rows), INSERT_BATCH):
        batch = rows[start : start + INSERT_BATCH]
        if connection.dialect.name == "sqlite":
            _into_sqlite(connection, kinds, [_with_moments(kinds, orjson.loads(row)) for row in batch])
        else:
            _send(connection, kinds, batch, _joined)


def _with_moments(columns: list[sa.Column[Any]], row: list[Any]) -> tuple[Any, ...]:
    return tuple(
        datetime.fromisoformat(value) if value is not None and isinstance(column.type, UtcDateTime) else value
        for column, value in zip(columns, row, strict=True)
    )


def _into_sqlite(connection: Connection, columns: list[sa.Column[Any]], rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert through one compiled statement, so that the driver gets tuples; values are converted column by column."""
    names = [column.name for column in columns]
    statement = sqlite.insert(columns[0].table).on_conflict_do_nothing()
    compiled = statement.compile(dialect=sqlite.dialect(paramstyle="qmark"), column_keys=names)
    by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
    table = {column.name: _to_driver(column, connection.dialect, by_name[column.name]) for column in columns}
    in_order = [table[name] for name in compiled.positiontup or ()]
    connection.exec_driver_sql(str(compiled), list(zip(*in_order, strict=True)))


def _to_driver(column: sa.Column[Any], dialect: Dialect, values: Sequence[Any]) -> Iterable[Any]:
    """The driver's values of a column; equal values are converted once."""
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    if process is None:
        return values
    drivers = {value: process(value) for value in set(values)}
    return map(drivers.__getitem__, values)


def _into_mysql(connection: Connection, columns: list[sa.Column[Any]], rows: Sequence[tuple[Any, ...]]) -> None:
    for place, column in enumerate(columns):
        if isinstance(column.type, UtcDateTime) and not {row[place].tzinfo for row in rows if row[place]} <= {UTC}:
            rows = [(*row[:place], _in_utc(column, row[place]), *row[place + 1 :]) for row in rows]
        elif isinstance(column.type, LongText):
            stored = _to_driver(column, connection.dialect, [row[place] for row in rows])
            rows = [(*row[:place], text, *row[place + 1 :]) for row, text in zip(rows, stored, strict=True)]
    try:
        _send(connection, columns, rows, _as_json)
    except orjson.JSONEncodeError as error:
        name = columns[0].table.name
        raise DataIntegrityError(f"{name}: a value that no column can hold: {error}.") from error


def _as_json(rows: Sequence[tuple[Any, ...]]) -> bytes:
    return orjson.dumps(rows, option=AS_JSON)


def _joined(rows: Sequence[bytes]) -> bytes:
    return b"[%b]" % b",".join(rows)


def _send(
    connection: Connection,
    columns: list[sa.Column[Any]],
    rows: Sequence[Any],
    encode: Callable[[Sequence[Any]], bytes],
    statement: Callable[[tuple[sa.Column[Any], ...]], str] | None = None,
) -> None:
    """Insert the rows by as few statements as packets of ``SMALLEST_PACKET`` allow."""
    body = encode(rows)
    parts = min(len(rows), -(-len(body) // LARGEST_BODY))
    if parts <= 1:
        connection.exec_driver_sql((statement or _statement)(tuple(columns)), (body,))
        return
    size = -(-len(rows) // parts)
    for start in range(0, len(rows), size):
        _send(connection, columns, rows[start : start + size], encode, statement)


@lru_cache(maxsize=64)
def _statement(columns: tuple[sa.Column[Any], ...]) -> str:
    """The statement in the driver's parameter style. Cached: compiling takes longer than inserting a thousand rows."""
    return _compiled(keep_existing_rows(_insert_sent(columns)))


@lru_cache(maxsize=64)
def _adding_statement(columns: tuple[sa.Column[Any], ...]) -> str:
    insert = _insert_sent(columns)
    added = {column.name: column + insert.inserted[column.name] for column in _numbers(columns[0].table)}
    return _compiled(insert.on_duplicate_key_update(added))


def _insert_sent(columns: tuple[sa.Column[Any], ...]) -> mysql.Insert:
    kinds = [_json_column(column) for column in columns]
    json_columns = ", ".join(COLUMN.format(place=place, type=kind.type) for place, kind in enumerate(kinds))
    selected = sa.select(*(sa.literal_column(kind.value.format(f"sent.c{place}")) for place, kind in enumerate(kinds)))
    source = selected.select_from(sa.text(JSON_ROWS.format(columns=json_columns)))
    names = [column.name for column in columns]
    return mysql.insert(columns[0].table).from_select(names, source, include_defaults=False)


def _compiled(statement: mysql.Insert) -> str:
    return str(statement.compile(dialect=mysql.dialect(paramstyle="format")))


def _in_utc(column: sa.Column[Any], moment: datetime | None) -> datetime | None:
    if moment is None:
        return None
    if moment.tzinfo is None:
        raise DataIntegrityError(f"{column.table.name}.{column.name}: a moment without a time zone.")
    return moment.astimezone(UTC)


class _JsonColumn(NamedTuple):
    """The SQL type of a value in the JSON, and the expression that converts it for the column."""

    type: str
    value: str


def _json_column(column: sa.Column[Any]) -> _JsonColumn:
    if isinstance(column.type, sa.Boolean):
        return _JsonColumn(f"VARCHAR(5) {CHARSET}", "{} = 'true'")
    if isinstance(column.type, sa.Integer):
        return _JsonColumn("BIGINT", "{}")
    if isinstance(column.type, sa.Float):
        return _JsonColumn("DOUBLE", "{}")
    return _JsonColumn(
        f"LONGTEXT {CHARSET}", "TRIM(TRAILING 'Z' FROM {})" if isinstance(column.type, UtcDateTime) else "{}"
    )
