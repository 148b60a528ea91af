"""What the columns of a CSV layout mean, and its rows in our own columns.

``mapping_file`` reads mappings from TOML files, ``ready`` those that are part of this package. Only what is named is
read. Team names are taken as they are; the alias table (feature_store/identity/team_aliases.py) decides which club
they mean.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from core.errors import ValidationError
from feature_store.sources.csv.cells import ForeignCells, Values, known_cells
from feature_store.sources.csv.columns import COLUMNS, DATES, LOCAL_TIMES, NEEDED, CsvColumn
from feature_store.sources.csv.encoding import Encoding
from feature_store.sources.csv.plain_text import MISSING, spellings_of_missing
from feature_store.sources.csv.records import CsvRecord
from feature_store.sources.csv.rows import CsvRow
from feature_store.sources.csv.table import CsvTable, PickedCells

PLACEHOLDERS: Final = frozenset({"league", "season", "date", "home_team", "away_team", "nth"})
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _zone(value: object) -> object:
    try:
        return ZoneInfo(value) if isinstance(value, str) else value
    except (KeyError, ValueError, OSError):
        raise ValueError("unknown time zone; examples: UTC, Europe/London") from None


def _template(value: str) -> str:
    unknown = set(_PLACEHOLDER.findall(value)) - PLACEHOLDERS
    if unknown or not _PLACEHOLDER.search(value):
        raise ValueError(f"use {', '.join(f'{{{name}}}' for name in sorted(PLACEHOLDERS))}")
    return value


class Formats(BaseModel):
    """How the file writes what our columns hold as ISO dates, UTC, decimal odds and expected home score margins."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    encoding: Annotated[tuple[Encoding, ...], BeforeValidator(_listed)] = ()
    delimiter: Literal[",", ";", "\t", "|"] = ","
    missing: Annotated[tuple[str, ...], BeforeValidator(_listed)] = MISSING
    decimal: Literal[".", ","] = "."
    date: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("%Y-%m-%d",)
    time: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("%H:%M", "%H:%M:%S")
    kickoff: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("%Y-%m-%d %H:%M",)
    time_zone: Annotated[ZoneInfo, BeforeValidator(_zone)] = ZoneInfo("UTC")
    odds: Literal["decimal", "american"] = "decimal"
    spread: Literal["home_expected_margin", "bookmaker"] = "home_expected_margin"
    game_id: Annotated[str, BeforeValidator(_template)] = "{date}-{home_team}-{away_team}"


ISO_FORMATS: Final = Formats()


@dataclass(frozen=True)
class BookColumns:
    """The prices of one book in a row; ``total_line`` is that of its over and under odds where no column has it."""

    name: str
    columns: Sequence[CsvColumn]
    total_line: str = ""


@dataclass(frozen=True)
class CsvMapping:
    """What the columns of a layout mean."""

    source: str
    """Names the mapping in errors."""

    columns: Sequence[CsvColumn]
    constants: Mapping[str, str] = field(default_factory=dict)
    leagues: Mapping[str, str] = field(default_factory=dict)
    """Our league by their word for it."""

    values: Values = field(default_factory=dict)
    books: Sequence[BookColumns] = ()
    """The books of a file that shows the prices of several."""

    formats: Formats = ISO_FORMATS
    either: Sequence[str] = ()
    """Columns of which the file must have one."""

    def with_constants(self, **constants: str) -> "CsvMapping":
        """The mapping with these values in place of its columns of those names."""
        columns = [column for column in self.columns if column.ours not in constants]
        return replace(self, columns=columns, constants={**self.constants, **constants})

    def without_scores(self) -> "CsvMapping":
        """The mapping of a file of games to come, which may have no columns of scores."""
        scores = ("home_score", "away_score")
        return replace(
            self,
            columns=[
                column._replace(required=column.required and column.ours not in scores) for column in self.columns
            ],
        )

    def open_table(self, path: Path) -> CsvTable:
        """The file with its header. Raises ValidationError when it cannot be read or lacks a required column."""
        groups = [self.columns, *(book.columns for book in self.books)]
        formats = self.formats
        try:
            return CsvTable(path, groups, either=self.either, encodings=formats.encoding, delimiter=formats.delimiter)
        except ValidationError as error:
            raise self._name_column(error) from error

    def rows(self, table: CsvTable) -> Iterator[CsvRow]:
        """The rows of a file in our columns."""
        ids: Counter[str] = Counter()
        for record in table:
            yield self._row(table, record, ids)

    def _row(self, table: CsvTable, record: CsvRecord, ids: Counter[str]) -> CsvRow:
        picked = table.pick(record)
        damage = table.excess(record)
        known = known_cells(picked.cells, self._missing, self.values)
        if self is OWN_LAYOUT:
            return CsvRow(record.line, known, damage, picked.damaged, picked.absent)
        content = (table.names, record.cells)
        if damage:
            return CsvRow(record.line, picked.cells, damage, content=content)
        cells = self._in_our_notation(known, ids)
        prices = [self._prices(book, table.pick(record, 1 + group), record) for group, book in enumerate(self.books)]
        absent = [name for name in picked.absent if name in self._required] if picked.absent else ()
        return _picked_row(record, picked, cells, absent, [each for each in prices if each], content)

    def _in_our_notation(self, known: dict[str, str], ids: Counter[str]) -> dict[str, str]:
        constants = self.constants
        if "total_line" in constants and not _has_totals(known):
            constants = {name: value for name, value in constants.items() if name != "total_line"}
        cells = ForeignCells({**constants, **known}, self.formats)
        translated = cells.translate(self.leagues)
        if "game_id" not in known:
            translated["game_id"] = _game_id(self.formats.game_id, cells, ids)
        return translated

    def _prices(self, book: BookColumns, picked: PickedCells, record: CsvRecord) -> CsvRow | None:
        """The prices of one book; None if the row shows none."""
        known = known_cells(picked.cells, self._missing, self.values)
        if not any(known.values()) and not picked.damaged:
            return None
        cells = ForeignCells(known, self.formats).translate({})
        if book.total_line and _has_totals(known):
            cells["total_line"] = book.total_line
        return _picked_row(record, picked, {**cells, "odds_kind": book.name})

    @cached_property
    def _missing(self) -> frozenset[str]:
        return frozenset(written for word in self.formats.missing for written in spellings_of_missing(word))

    @cached_property
    def _required(self) -> frozenset[str]:
        return frozenset(column.ours for column in self.columns if column.required)

    def _name_column(self, error: ValidationError) -> ValidationError:
        """The error with the entry of the mapping whose column the file lacks or has twice."""
        ours = error.facts.get("field")
        for table, columns in (
            ("columns", self.columns),
            *((f"books.{book.name}", book.columns) for book in self.books),
        ):
            theirs = next((" or ".join(column.theirs) for column in columns if column.ours == ours), None)
            if theirs is not None and self is not OWN_LAYOUT:
                return ValidationError(f"{self.source}: [{table}] {ours} = {theirs!r}: {error.message}", field=ours)
        return error


OWN_LAYOUT: Final = CsvMapping(
    "our own columns",
    [
        *(CsvColumn(name, (name,), required=True) for name in NEEDED),
        *(CsvColumn(name, (name,), required=False) for name in sorted(COLUMNS - {*NEEDED, *LOCAL_TIMES})),
    ],
    either=DATES,
)
"""The layout of docs/data-scientists.md, which needs no mapping."""


def _has_totals(cells: Mapping[str, str]) -> bool:
    """Whether there are odds for a total: a line that is the same in every row says nothing without them."""
    return bool(cells.get("odds_over") or cells.get("odds_under"))


def _picked_row(
    record: CsvRecord,
    picked: PickedCells,
    cells: Mapping[str, str],
    absent: Sequence[str] = (),
    prices: Sequence[CsvRow] = (),
    content: tuple[Sequence[str], Sequence[str]] = ((), ()),
) -> CsvRow:
    damaged = picked.damaged
    if damaged and any(name in damaged for name in LOCAL_TIMES):
        damaged = {**damaged, "kickoff_utc": next(damaged[name] for name in LOCAL_TIMES if name in damaged)}
    return CsvRow(record.line, cells, "", damaged, absent, prices, content)


def _game_id(template: str, cells: ForeignCells, ids: Counter[str]) -> str:
    """The id made from the template; ``{nth}`` numbers games that would share it in the order of the file."""
    parts = cells.parts_of_id()
    if not (parts["date"] and parts["home_team"] and parts["away_team"]):
        return ""
    made = _PLACEHOLDER.sub(lambda match: parts.get(match[1], "{nth}"), template).replace(" ", "")
    ids[made] += 1
    return made.replace("{nth}", str(ids[made]))
