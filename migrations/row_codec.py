"""A table's rows as JSON arrays and back. Reading accepts only values that their columns can hold."""

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

import sqlalchemy as sa

from core.database.schema import LongText, UtcDateTime
from core.errors import DataIntegrityError

Convert = Callable[[Any], Any]
SHORT: Final = 2**16
"""A line up to this length is parsed at once [bytes]: whatever it holds, the result is small."""

SCALAR: Final = rb'(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|null|true|false|[-+.0-9eE]{1,40}+)'
FLOAT_NAMES: Final = ("inf", "-inf", "nan")
LARGEST_INTEGER: Final = 2**63 - 1


class RowCodec:
    """Encodes and decodes the rows of one table, whose columns are in the given order."""

    def __init__(self, table: sa.Table, names: Sequence[str]) -> None:
        self._table = table
        self._names = list(names)
        self._columns = [table.c[name] for name in names]
        self._encoders = [_unless_null(_ENCODERS[_kind(column)]) for column in self._columns]
        self._decoders = [_DECODERS[_kind(column)] for column in self._columns]

    @property
    def columns(self) -> list[sa.Column[Any]]:
        return list(self._columns)

    def encode(self, row: Sequence[Any]) -> list[object]:
        """The row as values that JSON holds exactly."""
        return [encode(value) for encode, value in zip(self._encoders, row, strict=True)]

    def decode(self, line: bytes, number: int) -> dict[str, Any]:
        """The row by column name. Raises DataIntegrityError naming the table, the row's number and the column."""
        values = self._parse(line, number)
        row: dict[str, Any] = {}
        for column, decode, value in zip(self._columns, self._decoders, values, strict=True):
            if value is None and column.nullable:
                row[column.name] = None
                continue
            try:
                row[column.name] = decode(value)
            except (ValueError, TypeError, OverflowError):
                raise self._error(number, f"{column.name} holds no value of its type") from None
        return row

    def _parse(self, line: bytes, number: int) -> list[Any]:
        count = len(self._names)
        if len(line) > SHORT and not _flat(count).fullmatch(line):
            raise self._error(number, f"it is no array of {count} plain values")
        try:
            values = json.loads(line)
        except (ValueError, RecursionError):
            raise self._error(number, "it is not JSON") from None
        if not isinstance(values, list) or len(values) != count:
            raise self._error(number, f"it is no array of {count} values")
        return values

    def _error(self, number: int, reason: str) -> DataIntegrityError:
        msg = f"The backup's table {self._table.name} is damaged at its row {number}: {reason}."
        return DataIntegrityError(msg, hint="Nothing was restored; use another backup.", table=self._table.name)


@lru_cache(maxsize=64)
def _flat(count: int) -> re.Pattern[bytes]:
    """An array of so many scalars: what a long line must be before it is parsed, since nesting would take memory."""
    return re.compile(rb"\[" + b",".join([SCALAR] * count) + rb"\]\n?", re.DOTALL)


def _kind(column: sa.Column[Any]) -> type:
    """The kind of a column's values. Raises TypeError for a kind without an encoder."""
    for kind in _ENCODERS:
        if isinstance(column.type, kind):
            return kind
    raise TypeError(f"{column} is of type {column.type!r}, for which a backup has no encoder")


def _unless_null(convert: Convert) -> Convert:
    return lambda value: None if value is None else convert(value)


def _encode_float(value: float) -> float | str:
    """The number, whose text in JSON is exact; the name of infinity or NaN, which JSON cannot hold."""
    return value if math.isfinite(value) else repr(value)


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value


def _integer(value: Any) -> int:
    if type(value) is not int or not -LARGEST_INTEGER - 1 <= value <= LARGEST_INTEGER:
        raise ValueError(value)
    return value


def _float(value: Any) -> float:
    if isinstance(value, bool) or (isinstance(value, str) and value not in FLOAT_NAMES):
        raise TypeError(value)
    return float(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    value.encode()
    return value


_ENCODERS: Final[Mapping[type, Convert]] = {
    UtcDateTime: lambda moment: moment.isoformat(timespec="microseconds"),
    sa.Boolean: bool,
    sa.Integer: int,
    sa.Float: _encode_float,
    LongText: str,
    sa.String: str,
}
_DECODERS: Final[Mapping[type, Convert]] = {
    UtcDateTime: _moment,
    sa.Boolean: _boolean,
    sa.Integer: _integer,
    sa.Float: _float,
    LongText: _text,
    sa.String: _text,
}
