"""The rows of a CSV file, each read for itself, so that a damaged one costs no other.

A row that is not UTF-8, does not close its quotes or has too many or too few cells is passed on with its damage in
words. A file that cannot be read to its end is refused: half a gzip file has no checksum. Messages name a row by its
line in the file.
"""

import csv
import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from pathlib import Path
from typing import Final

from core.errors import ValidationError

LARGEST_WHOLE: Final = 1_000_000
EARLIEST_YEAR: Final = 1850
LATEST_YEAR: Final = 2150
_SMALL_NUMBERS: Final = {str(number): number for number in range(1_000)}
"""Scores, shots and seasons are looked up here before they are parsed."""


class DamagedError(ValueError):
    """A cell or a row is unreadable or implausible; the text says which and why."""


@dataclass(slots=True)
class CsvRow:
    """One row, the line of the file that it was on, and what is wrong with the row as a whole, if anything."""

    number: int
    cells: Mapping[str, str]
    damage: str = ""

    def optional(self, column: str, longest: int = LARGEST_WHOLE) -> str:
        cell = self.cells.get(column)
        if not cell:
            return ""
        value = cell.strip()
        if len(value) > longest:
            raise DamagedError(f"{column}: at most {longest} characters, got {len(value)}")
        return value

    def text(self, column: str, longest: int = LARGEST_WHOLE) -> str:
        value = self.optional(column, longest)
        if not value:
            raise DamagedError(f"{column} is empty")
        return value

    def whole(self, column: str) -> int | None:
        cell = self.cells.get(column)
        if not cell:
            return None
        small = _SMALL_NUMBERS.get(cell)
        if small is not None:
            return small
        number = self._number(column, "a whole number")
        if number is None:
            return None
        if not number.is_integer() or not 0 <= number <= LARGEST_WHOLE:
            value = self.optional(column)
            raise DamagedError(f"{column}: expected a whole number from 0 to {LARGEST_WHOLE}, got {value!r}")
        return int(number)

    def decimal(self, column: str) -> float | None:
        cell = self.cells.get(column)
        if not cell:
            return None
        try:
            number: float | None = float(cell)
        except ValueError:
            number = self._number(column, "a number")
        if number is not None and not isfinite(number):
            raise DamagedError(f"{column}: expected a finite number, got {self.optional(column)!r}")
        return number

    def _number(self, column: str, expected: str) -> float | None:
        cell = self.cells.get(column)
        if not cell:
            return None
        try:
            return float(cell)
        except ValueError:
            value = self.optional(column)
            if not value:
                return None
            raise DamagedError(f"{column}: expected {expected}, got {value!r}") from None

    def yes(self, column: str) -> bool:
        if self.cells.get(column) in ("0", "", None):
            return False
        value = self.optional(column).lower()
        if value not in ("0", "1", "", "true", "false"):
            raise DamagedError(f"{column}: expected 0 or 1, got {value!r}")
        return value in ("1", "true")

    def moment(self, column: str) -> datetime | None:
        value = self.optional(column)
        if not value:
            return None
        try:
            moment = _utc(value)
        except ValueError:
            raise DamagedError(f"{column}: expected an ISO date or time, got {value!r}") from None
        if not EARLIEST_YEAR <= moment.year <= LATEST_YEAR:
            raise DamagedError(f"{column}: expected a year from {EARLIEST_YEAR} to {LATEST_YEAR}, got {value!r}")
        return moment

    def has_time(self, column: str) -> bool:
        """Whether the cell holds a time of day and not a bare date."""
        return any(mark in self.optional(column) for mark in "T :")

    def __str__(self) -> str:
        return ",".join(f"{name}={value}" for name, value in self.cells.items() if value)[:2000]


@lru_cache(maxsize=1024)
def _utc(text: str) -> datetime:
    """An ISO moment; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    # A conversion of year 1 or 9999 may overflow; the caller rejects such years in any case.
    in_range = EARLIEST_YEAR <= moment.year <= LATEST_YEAR
    return moment.astimezone(UTC) if moment.tzinfo is not None and in_range else moment.replace(tzinfo=UTC)


def csv_files(paths: list[Path]) -> list[Path]:
    """The CSV files among the paths and directly inside the folders among them. Raises ValidationError if none."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise ValidationError(f"PATH: {path} does not exist.", field="PATH")
        files += sorted((*path.glob("*.csv"), *path.glob("*.csv.gz"))) if path.is_dir() else [path]
    if not files:
        msg = f"PATH: no .csv or .csv.gz file in {', '.join(map(str, paths))}."
        raise ValidationError(msg, field="PATH")
    return files


def read_rows(path: Path, needed: Sequence[str], one_of: Sequence[str]) -> Iterator[CsvRow]:
    """Every row of a CSV or gzipped CSV file below its header, blank lines left out.

    Raises ValidationError when the file cannot be read or its header lacks a needed column or one of ``one_of``.
    """
    number = 1
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            columns = _columns(path, file.readline(), needed, one_of)
            for number, raw in enumerate(file, start=2):
                if raw.strip():
                    yield _row(number, raw, columns)
    except (OSError, EOFError, zlib.error) as error:
        msg = f"{path}: line {number}: cannot be read further: {error}."
        raise ValidationError(msg, field="PATH") from error


def _columns(path: Path, raw: bytes, needed: Sequence[str], one_of: Sequence[str]) -> list[str]:
    try:
        columns = [name.strip() for name in _cells(raw.removeprefix(b"\xef\xbb\xbf"))]
    except DamagedError as error:
        raise ValidationError(f"{path}: line 1: {error}.", field="PATH") from error
    missing = [column for column in needed if column not in columns]
    if not any(column in columns for column in one_of):
        missing.append(" or ".join(one_of))
    if missing:
        msg = f"{path}: column {missing[0]} is missing; the file has {', '.join(columns) or 'no columns'}."
        raise ValidationError(msg, field=missing[0])
    twice = [name for name in columns if name and columns.count(name) > 1]
    if twice:
        raise ValidationError(f"{path}: column {twice[0]} is twice in the header.", field=twice[0])
    return columns


def _row(number: int, raw: bytes, columns: Sequence[str]) -> CsvRow:
    try:
        cells = _cells(raw)
    except DamagedError as error:
        return CsvRow(number, {"line": raw.decode("utf-8", "replace").strip()}, str(error))
    named = dict(zip(columns, cells, strict=False))
    if len(cells) != len(columns):
        return CsvRow(number, named, f"the row has {len(cells)} cells, the header {len(columns)}")
    return CsvRow(number, named)


def _cells(raw: bytes) -> list[str]:
    try:
        text = raw.decode("utf-8").rstrip("\r\n")
        if '"' not in text and "\r" not in text:
            return text.split(",")
        return next(csv.reader([text], strict=True), [])
    except UnicodeDecodeError as error:
        raise DamagedError(f"the line is not UTF-8 at byte {error.start + 1}") from None
    except csv.Error as error:
        raise DamagedError(f"the line is not CSV: {error}") from None
