"""Exhibition games by the calendar and by the names of the sides, where the feed has no word for them.

The feed lists spring training, pre-season and All-Star games under the league itself. They say nothing of the clubs'
strength, because no one plays them to win.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import chain
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from core.betting.leagues import League


class _Calendar(NamedTuple):
    """When the league's games begin to count."""

    lead: int
    """For how many days before the opening day exhibition games are played."""
    earliest: str
    """Month and day before which no season has opened, for years of which the opening day is not listed."""
    openings: tuple[str, ...] = ()
    """Known opening days; two in 2020 of baseball, whose season was put off after the first."""
    abroad: tuple[tuple[str, str], ...] = ()
    """Games that count before the opening day: the day, and a part of either side's name."""
    zone: ZoneInfo = ZoneInfo("America/Los_Angeles")


_FAR_EAST: Final = ZoneInfo("Asia/Tokyo")
CALENDARS: Final[Mapping[str, _Calendar]] = {
    "MLB": _Calendar(
        60,
        "03-18",
        ("2018-03-29", "2019-03-28", "2020-03-26", "2020-07-23", "2021-04-01", "2022-04-07", "2023-03-30",
         "2024-03-28", "2025-03-27", "2026-03-25"),
        (("2019-03-20", "Mariners Athletics"), ("2019-03-21", "Mariners Athletics"),
         ("2024-03-20", "Dodgers Padres"), ("2024-03-21", "Dodgers Padres"),
         ("2025-03-18", "Cubs Dodgers"), ("2025-03-19", "Cubs Dodgers")),
    ),
    "KBO": _Calendar(
        60, "03-20", ("2022-04-02", "2023-04-01", "2024-03-23", "2025-03-22", "2026-03-28"), zone=_FAR_EAST
    ),
    "NPB": _Calendar(
        60, "03-20", ("2022-03-25", "2023-03-30", "2024-03-29", "2025-03-28", "2026-03-27"), zone=_FAR_EAST
    ),
    "NBA": _Calendar(
        30,
        "10-16",
        ("2018-10-16", "2019-10-22", "2020-12-22", "2021-10-19", "2022-10-18", "2023-10-24", "2024-10-22",
         "2025-10-21"),
    ),
    "WNBA": _Calendar(30, "05-06", ("2022-05-06", "2023-05-19", "2024-05-14", "2025-05-16", "2026-05-08")),
    "NHL": _Calendar(
        30,
        "09-26",
        ("2018-10-03", "2019-10-02", "2021-01-13", "2021-10-12", "2022-10-11", "2023-10-10", "2024-10-08",
         "2025-10-07"),
        (("2022-10-07", "Predators Sharks"), ("2022-10-08", "Predators Sharks"),
         ("2024-10-04", "Devils Sabres"), ("2024-10-05", "Devils Sabres")),
    ),
    "NFL": _Calendar(45, "09-03"),
    "CFL": _Calendar(30, "06-01", ("2022-06-09", "2023-06-08", "2024-06-06", "2025-06-05")),
}  # fmt: skip

_NAMES: Final = re.compile(r"\ball[\s-]?stars?\b|\bpro[\s-]?bowl\b|\brising stars\b|\bfutures\b", re.IGNORECASE)
_CAPTAINS: Final = re.compile(r"team [\w.' -]+", re.IGNORECASE)
"""Sides that a captain has chosen: no club of these leagues is called so."""
_UNITS: Final = re.compile(r"\s+(?:division|conference|conf\.?)$")
_SELECTIONS: Final[Mapping[str, frozenset[str]]] = {
    "MLB": frozenset({"american league", "national league", "al", "nl"}),
    "NPB": frozenset({"central league", "pacific league", "all central", "all pacific"}),
    "KBO": frozenset({"dream", "nanum", "dream league", "nanum league"}),
    "NBA": frozenset({"east", "west", "eastern", "western", "usa", "world", "usa stars", "usa stripes"}),
    "WNBA": frozenset({"east", "west", "eastern", "western", "usa", "team usa", "usa basketball"}),
    "NHL": frozenset({"atlantic", "metropolitan", "central", "pacific", "eastern", "western", "east", "west"}),
    "NFL": frozenset({"afc", "nfc"}),
}


def is_exhibition(league: League, start_at: datetime, home_team: str, away_team: str) -> bool:
    """Whether the game does not count: it is played before the season opens, or a side is no club."""
    if any(_is_selection(league, side) for side in (home_team, away_team)):
        return True
    calendar = CALENDARS.get(league.key)
    if calendar is None:
        return False
    day = start_at.astimezone(calendar.zone).date()
    opening = min(opening for opening in _openings(calendar, day.year) if opening > day)
    return opening - day <= timedelta(days=calendar.lead) and not _abroad(calendar, day, home_team, away_team)


def _openings(calendar: _Calendar, year: int) -> Iterator[date]:
    """The opening days about a year: those known, and in other years the earliest one possible."""
    known = [date.fromisoformat(opening) for opening in calendar.openings]
    unknown = {year, year + 1} - {opening.year for opening in known}
    return chain(known, (date.fromisoformat(f"{each}-{calendar.earliest}") for each in unknown))


def _abroad(calendar: _Calendar, day: date, home_team: str, away_team: str) -> bool:
    names = f"{home_team} {away_team}".casefold()
    return any(
        day.isoformat() == when and all(club in names for club in clubs.casefold().split())
        for when, clubs in calendar.abroad
    )


def _is_selection(league: League, side: str) -> bool:
    """Whether the name is that of players chosen from all clubs."""
    selections = _SELECTIONS.get(league.key)
    if selections is None:
        return False
    name = _UNITS.sub("", side.strip().casefold())
    return name in selections or bool(_NAMES.search(side) or _CAPTAINS.fullmatch(side.strip()))
