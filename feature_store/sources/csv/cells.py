"""Cells of another CSV layout in our notation: ISO dates, UTC, decimal odds, expected home score margins.

A cell that does not follow its format is passed on with a note of that in it, so that it is rejected where it is read
and costs only the fact it belongs to.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from core.betting.odds import american_to_decimal
from core.errors import ValidationError

SPREADS: Final = ("spread_line", "spread_open")
EVEN: Final = frozenset({"even", "evens", "ev"})
PICK: Final = frozenset({"pk", "pick", "pickem", "pick'em"})
_TWO_YEARS = re.compile(r"(\d{4})\s*[-/]\s*\d{2,4}", re.ASCII)


class Notation(Protocol):
    """How the file writes dates, times, odds and spreads."""

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


class ForeignCells:
    """The cells of one row by our column, still as the file writes them."""

    def __init__(self, theirs: Mapping[str, str], notation: Notation) -> None:
        self._theirs = theirs
        self._notation = notation

    def translate(self, leagues: Mapping[str, str]) -> dict[str, str]:
        """The cells as our reader expects them; ``leagues`` gives our league for their word."""
        ours = {name: self._ours(name, cell) if cell else "" for name, cell in self._theirs.items()}
        ours["league"] = leagues.get(ours.get("league", ""), ours.get("league", ""))
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
        if name in SPREADS:
            return _spread(cell, turned=self._notation.spread == "bookmaker")
        if name.startswith("odds_") and name != "odds_kind" and self._notation.odds == "american":
            return _decimal(cell)
        return cell

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
        return repr(american_to_decimal(100.0 if cell.casefold() in EVEN else float(cell)))
    except (ValueError, ValidationError):
        return f"{cell} (not American odds)"


def _spread(cell: str, *, turned: bool) -> str:
    if cell.casefold() in PICK:
        return "0"
    try:
        return repr(0.0 - float(cell)) if turned else cell
    except ValueError:
        return cell
