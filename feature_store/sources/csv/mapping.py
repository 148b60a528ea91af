"""CSV archives in any layout: a TOML file says what their columns mean, and each row is put into our own columns.

The tables are ``[columns]``, ``[constants]``, ``[leagues]`` and ``[formats]``; docs/data-scientists.md shows them. Only
what is named is read. Team names are taken as they are; the alias table (feature_store/identity/team_aliases.py)
decides which club they mean.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic import ValidationError as PydanticValidationError

from core.errors import ValidationError
from core.nearest import nearest
from feature_store.sources.csv.cells import ForeignCells
from feature_store.sources.csv.reader import DATES, NEEDED, QUOTES
from feature_store.sources.csv.rows import CsvRow, read_rows

EXTRAS: Final = (
    "season", "neutral", "playoff", "finished_utc", "odds_kind", "home_score_reg", "away_score_reg",
    "home_shots", "away_shots", "home_sot", "away_sot",
)  # fmt: skip
LOCAL_TIMES: Final = ("kickoff", "kickoff_time")
"""``kickoff`` is date and time in one cell, ``kickoff_time`` the time beside ``game_date``; both in the file's zone."""

COLUMNS: Final = frozenset(
    {*NEEDED, *DATES, *EXTRAS, *LOCAL_TIMES, *(name for columns in QUOTES.values() for name in columns.values())}
)
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

    date: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("%Y-%m-%d",)
    time: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("%H:%M", "%H:%M:%S")
    kickoff: Annotated[tuple[str, ...], BeforeValidator(_listed), Field(min_length=1)] = ("%Y-%m-%d %H:%M",)
    time_zone: Annotated[ZoneInfo, BeforeValidator(_zone)] = ZoneInfo("UTC")
    odds: Literal["decimal", "american"] = "decimal"
    spread: Literal["home_expected_margin", "bookmaker"] = "home_expected_margin"
    game_id: Annotated[str, BeforeValidator(_template)] = "{date}-{home_team}-{away_team}"


class _Layout(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: dict[str, str]
    constants: dict[str, str | bool | int | float] = {}
    leagues: dict[str, str] = {}
    formats: Formats = Formats()

    @model_validator(mode="after")
    def _complete(self) -> "_Layout":
        given = {*self.columns, *self.constants}
        missing = [name for name in NEEDED if name not in given and name != "game_id"]
        if not given & {"game_date", "kickoff", "kickoff_utc"}:
            missing.append("game_date (or kickoff, or kickoff_utc)")
        if missing:
            raise ValueError(f"[columns] lacks {', '.join(missing)}")
        if twice := sorted(set(self.columns) & set(self.constants)):
            raise ValueError(f"[constants] {twice[0]} is in [columns] too")
        return self


@dataclass(frozen=True)
class CsvMapping:
    """What the columns of a layout mean."""

    source: Path
    columns: Mapping[str, str]
    """Their column by ours."""

    constants: Mapping[str, str]
    leagues: Mapping[str, str]
    """Our league by their word for it."""

    formats: Formats

    def rows(self, path: Path) -> Iterator[CsvRow]:
        """The rows of a CSV file in our columns, beside the file's other columns.

        Raises ValidationError when the file cannot be read or lacks a column that the mapping names.
        """
        ours = {theirs: name for name, theirs in self.columns.items()}
        ids: Counter[str] = Counter()
        try:
            for row in read_rows(path, tuple(ours), tuple(ours)):
                yield row if row.damage else self._ours(row, ids)
        except ValidationError as error:
            theirs = str(error.facts.get("field"))
            if theirs not in ours:
                raise
            msg = f"{self.source}: [columns] {ours[theirs]} = {theirs!r}: {error.message}"
            raise ValidationError(msg, field=ours[theirs]) from error

    def _ours(self, row: CsvRow, ids: Counter[str]) -> CsvRow:
        cells = ForeignCells(
            {**self.constants, **{name: row.optional(theirs) for name, theirs in self.columns.items()}}, self.formats
        )
        translated = cells.translate(self.leagues)
        if "game_id" not in self.columns:
            translated["game_id"] = _game_id(self.formats.game_id, cells, ids)
        others = {name: value for name, value in row.cells.items() if name not in COLUMNS}
        return replace(row, cells={**others, **translated})


def read_mapping(path: Path) -> CsvMapping:
    """Read a mapping file.

    Raises ValidationError naming the file, the table, the key, and for an unknown key the nearest ones.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValidationError(f"{path}: cannot be read as TOML: {error}.", field="mapping") from error
    try:
        layout = _Layout.model_validate(tables)
    except PydanticValidationError as error:
        raise _refused(path, *map(_in_words, error.errors())) from error
    for table, keys in (("columns", layout.columns), ("constants", layout.constants)):
        if unknown := [key for key in keys if key not in COLUMNS]:
            raise _refused(path, f"[{table}] {unknown[0]}: unknown column{_nearest(unknown[0], COLUMNS)}")
    constants = {name: _cell(value) for name, value in layout.constants.items()}
    return CsvMapping(path, layout.columns, constants, layout.leagues, layout.formats)


def _in_words(error: Any) -> str:
    """One of pydantic's errors in words, with its table and key."""
    table, *keys = [*map(str, error["loc"][:2]), ""][:2]
    where = " ".join(part for part in (f"[{table}]" if table else "", *keys) if part)
    if error["type"] == "extra_forbidden":
        allowed = Formats.model_fields if error["loc"][0] == "formats" else _Layout.model_fields
        return f"{where}: unknown {'key' if keys[0] else 'table'}{_nearest(str(error['loc'][-1]), allowed)}"
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}, got {error['input']!r}" if where else message


def _refused(path: Path, *complaints: str) -> ValidationError:
    return ValidationError(f"{path}: {'; '.join(complaints)}.", field="mapping")


def _nearest(name: str, allowed: Any) -> str:
    names = nearest(name, allowed)
    return f"; nearest: {', '.join(names)}" if names else ""


def _cell(value: object) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)


def _game_id(template: str, cells: ForeignCells, ids: Counter[str]) -> str:
    """The id made from the template; ``{nth}`` numbers games that would share it in the order of the file."""
    parts = cells.parts_of_id()
    if not (parts["date"] and parts["home_team"] and parts["away_team"]):
        return ""
    made = _PLACEHOLDER.sub(lambda match: parts.get(match[1], "{nth}"), template).replace(" ", "")
    ids[made] += 1
    return made.replace("{nth}", str(ids[made]))
