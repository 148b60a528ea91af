"""Cells of another CSV layout in our notation: ISO dates, UTC, decimal odds, expected home score margins.

A cell that does not follow its format is passed on with a note of that in it, so that it is rejected where it is read
and costs only the fact it belongs to.
"""

import re
from collections.abc import Mapping, Set
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from core.betting.odds import american_to_decimal
from core.errors import ValidationError
from feature_store.sources.csv.columns import PRICES
from feature_store.sources.csv.plain_text import plain_number, plain_spaces

SPREADS: Final = ("spread_line", "spread_open")
EVEN: Final = frozenset({"even", "evens", "ev"})
PICK: Final = frozenset({"pk", "pick", "pickem", "pick'em"})
_TWO_YEARS = re.compile(r"(\d{4})\s*[-/]\s*\d{2,4}", re.ASCII)


class Notation(Protocol):
    """How the file writes missing values, dates, times, numbers, odds and spreads."""

    @property
    def missing(self) -> tuple[str, ...]: ...
    @property
    def decimal(self) -> str: ...
    @property
    def date(self) -> tuple[str, ...]: ...
    @property
    def time(self) -> tuple[str, ...]: ...
    @property
    def kickoff(self) -> tuple[str, ...]: ...
    @property
    def time_zone(self) -> ZoneInfo: ...
    @property
    def odds(self) -> str: ...
    @property
    def spread(self) -> str: ...


OTHERS: Final = "*"
"""Stands in a table of values for every cell that has no entry of its own and is not blank."""

Values = Mapping[str, Mapping[str, str]]
"""What the cells of a column mean: by our column, our value by theirs."""


def known_cells(cells: dict[str, str], missing: Set[str], values: Values) -> dict[str, str]:
    """The cells with our values for theirs, and blank where they are among ``missing``, words for what is not known."""
    if not values and missing.isdisjoint(cells.values()):
        return cells
    return {name: _known(cell, missing, values.get(name, {})) for name, cell in cells.items()}


def _known(cell: str, missing: Set[str], values: Mapping[str, str]) -> str:
    if values and cell in values:
        return values[cell]
    if not cell or cell in missing:
        return values.get("", "")
    return values.get(OTHERS, cell)


class ForeignCells:
    """The cells of one row by our column, still as the file writes them."""

    def __init__(self, theirs: Mapping[str, str], notation: Notation) -> None:
        self._theirs = {name: cell if cell.isascii() else plain_spaces(cell) for name, cell in theirs.items()}
        self._notation = notation

    def translate(self, leagues: Mapping[str, str]) -> dict[str, str]:
        """The cells as our reader expects them; ``leagues`` gives our league for their word."""
        ours = {name: self._ours(name, cell) if cell else "" for name, cell in self._theirs.items()}
        if league := ours.get("league"):
            ours["league"] = leagues.get(league, league)
        if kickoff := self._kickoff():
            ours["kickoff_utc"] = kickoff
        ours.pop("kickoff", None)
        ours.pop("kickoff_time", None)
        return ours

    def parts_of_id(self) -> dict[str, str]:
        """The parts that a game's id may be made of; the date is the file's own."""
        parts = {name: self._theirs.get(name, "") for name in ("league", "season", "home_team", "away_team")}
        day = self._moment("game_date", self._notation.date) or self._moment("kickoff", self._notation.kickoff)
        return {**parts, "date": f"{day:%Y-%m-%d}" if day else self._theirs.get("kickoff_utc", "")[:10]}

    def _ours(self, name: str, cell: str) -> str:
        if name == "game_date":
            day = self._moment(name, self._notation.date)
            return f"{day:%Y-%m-%d}" if day else _note_format(cell, self._notation.date)
        if name == "season" and (years := _TWO_YEARS.fullmatch(cell)):
            return years[1]
        if name not in PRICES:
            return cell
        if self._notation.decimal == ",":
            cell = plain_number(cell, ",")
        if name in SPREADS:
            return _spread(cell, turned=self._notation.spread == "bookmaker")
        return _decimal(cell) if name.startswith("odds_") and self._notation.odds == "american" else cell

    def _kickoff(self) -> str:
        """The kick-off in UTC, empty where the row gives no time of day."""
        notation = self._notation
        if cell := self._theirs.get("kickoff"):
            moment = self._moment("kickoff", notation.kickoff)
            return _utc(moment, notation.time_zone) if moment else _note_format(cell, notation.kickoff)
        day, cell = self._moment("game_date", notation.date), self._theirs.get("kickoff_time")
        if not cell or day is None:
            return ""
        hour = self._moment("kickoff_time", notation.time)
        if hour is None:
            return _note_format(cell, notation.time)
        return _utc(day.replace(hour=hour.hour, minute=hour.minute, second=hour.second), notation.time_zone)

    def _moment(self, name: str, formats: tuple[str, ...]) -> datetime | None:
        return _parse(self._theirs.get(name, ""), formats)


@lru_cache(maxsize=4096)
def _parse(text: str, formats: tuple[str, ...]) -> datetime | None:
    for form in formats:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the file's zone is applied where there is a time
        except ValueError:
            continue
    return None


def _utc(wall: datetime, zone: ZoneInfo) -> str:
    aware = wall if wall.tzinfo is not None else wall.replace(tzinfo=zone)
    return aware.astimezone(UTC).isoformat()


def _note_format(cell: str, formats: tuple[str, ...]) -> str:
    return f"{cell} (not {' or '.join(formats)})"


def _decimal(cell: str) -> str:
    try:
        return repr(american_to_decimal(100.0 if cell.casefold() in EVEN else float(plain_number(cell))))
    except (ValueError, ValidationError):
        return f"{cell} (not American odds)"


def _spread(cell: str, *, turned: bool) -> str:
    if cell.casefold() in PICK:
        return "0"
    try:
        return repr(0.0 - float(plain_number(cell))) if turned else cell
    except ValueError:
        return cell
