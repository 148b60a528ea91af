"""One row of a CSV file in our columns, whose cells are checked when they are read."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import zip_longest
from math import isfinite
from typing import Final, Literal

from feature_store.sources.csv.plain_text import plain_number, plain_spaces

LARGEST_WHOLE: Final = 1_000_000
EARLIEST_YEAR: Final = 1850
LATEST_YEAR: Final = 2150
TRUE: Final = frozenset({"1", "true", "yes", "1.0"})
FALSE: Final = frozenset({"0", "false", "no", "0.0"})
_SMALL_NUMBERS: Final = {str(number): number for number in range(1_000)}
"""Scores, shots and seasons are looked up here before they are parsed."""


class DamagedError(ValueError):
    """A cell or a row is unreadable or implausible; the text says which and why."""


@dataclass(slots=True)
class CsvRow:
    """The cells of one row by our columns and the line of the file it begins on."""

    number: int
    cells: Mapping[str, str]
    damage: str = ""
    """What is wrong with the row as a whole, if anything."""

    damaged: Mapping[str, str] = field(default_factory=dict)
    """What is wrong with single cells, by our columns; they are missing in ``cells``."""

    absent: Collection[str] = ()
    """Our columns that every row must have and this one ends before."""

    prices: "Sequence[CsvRow]" = ()
    """The prices of each book, where the row holds those of several; else they are among the row's own cells."""

    content: tuple[Sequence[str], Sequence[str]] = ((), ())
    """The names in the file's header and all cells of the row, if they are not ours."""

    def optional(self, column: str, longest: int = LARGEST_WHOLE) -> str:
        value = self.cells.get(column)
        if not value:
            return self._blank(column) if self.damaged else ""
        if not value.isascii():
            value = plain_spaces(value)
        if len(value) > longest:
            raise DamagedError(f"{column}: at most {longest} characters, got {len(value)}")
        return value

    def text(self, column: str, longest: int = LARGEST_WHOLE) -> str:
        value = self.optional(column, longest)
        if not value and column in self.absent:
            raise DamagedError(f"{column}: the row ends before this cell")
        if not value:
            raise DamagedError(f"{column} is empty")
        return value

    def whole(self, column: str) -> int | None:
        cell = self.cells.get(column)
        if not cell:
            return (self._blank(column) or None) if self.damaged else None
        small = _SMALL_NUMBERS.get(cell)
        if small is not None:
            return small
        number = self._number(column, cell, "a whole number")
        if not number.is_integer() or not 0 <= number <= LARGEST_WHOLE or "_" in cell:
            raise DamagedError(f"{column}: expected a whole number from 0 to {LARGEST_WHOLE}, got {cell!r}")
        return int(number)

    def decimal(self, column: str) -> float | None:
        cell = self.cells.get(column)
        if not cell:
            return (self._blank(column) or None) if self.damaged else None
        try:
            number = float(cell)
        except ValueError:
            number = self._number(column, cell, "a number")
        if not isfinite(number) or "_" in cell:  # Python reads 1_5 as 15.
            raise DamagedError(f"{column}: expected a finite number, got {cell!r}")
        return number

    def yes(self, column: str) -> bool:
        if self.cells.get(column) == "0":
            return False
        value = self.optional(column).lower()
        if value and value not in TRUE and value not in FALSE:
            raise DamagedError(f"{column}: expected 0 or 1, got {value!r}")
        return value in TRUE

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
        cell = self.cells.get(column, "")
        return "T" in cell or ":" in cell or " " in cell

    def __str__(self) -> str:
        cells = enumerate(zip_longest(*self.content, fillvalue=""), start=1)
        theirs = {name or f"column {number}": cell for number, (name, cell) in cells}
        named = ",".join(f"{name}={value}" for name, value in {**self.cells, **theirs, **self.cells}.items() if value)
        return named[:2000].encode(errors="backslashreplace").decode()

    def _blank(self, column: str) -> Literal[""]:
        """Nothing, for a cell that is blank. Raises DamagedError for one that is damaged."""
        if column in self.damaged:
            raise DamagedError(f"{column}: {self.damaged[column]}")
        return ""

    def _number(self, column: str, cell: str, expected: str) -> float:
        try:
            return float(cell if cell.isascii() else plain_number(cell))
        except ValueError:
            raise DamagedError(f"{column}: expected {expected}, got {cell!r}") from None


@lru_cache(maxsize=1024)
def _utc(text: str) -> datetime:
    """An ISO moment; one without a zone is taken as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    # A conversion of year 1 or 9999 may overflow; the caller rejects such years in any case.
    in_range = EARLIEST_YEAR <= moment.year <= LATEST_YEAR
    return moment.astimezone(UTC) if moment.tzinfo is not None and in_range else moment.replace(tzinfo=UTC)
