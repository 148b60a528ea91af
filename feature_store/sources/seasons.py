"""To which season a game belongs where its source does not say: one rule for every source."""

from datetime import datetime
from typing import Final

from core.betting.leagues import League

FIRST_MONTH_OF_SEASON: Final = 7
CALENDAR_YEAR_SPORTS: Final = frozenset({"baseball", "afl", "mma", "tennis", "golf", "formula_1", "volleyball"})
CALENDAR_YEAR_LEAGUES: Final = frozenset(
    {"MLS", "BRAZIL_SERIE_A", "WORLDCUP", "WNBA", "CFL", "SUPERRUGBY", "SIXNATIONS"}
)
"""Leagues whose season is one calendar year although their sport's usually begins in summer."""


def guess_season(league: League, start_at: datetime) -> int:
    """The year in which the season of a game began, by its start: seasons that span two years turn over in July."""
    one_year = league.sport in CALENDAR_YEAR_SPORTS or league.key in CALENDAR_YEAR_LEAGUES
    return start_at.year if one_year or start_at.month >= FIRST_MONTH_OF_SEASON else start_at.year - 1
