"""The columns of our own CSV layout, which every mapping maps another layout to (docs/data-scientists.md)."""

from collections.abc import Mapping
from typing import Final, NamedTuple

NEEDED: Final = ("league", "game_id", "home_team", "away_team", "home_score", "away_score")
DATES: Final = ("kickoff_utc", "game_date")
LOCAL_TIMES: Final = ("kickoff", "kickoff_time")
"""``kickoff`` is date and time in one cell, ``kickoff_time`` the time beside ``game_date``; both in the file's zone."""

EXTRAS: Final = (
    "season", "neutral", "playoff", "finished_utc", "odds_kind", "home_score_reg", "away_score_reg",
    "home_shots", "away_shots", "home_sot", "away_sot",
)  # fmt: skip

QUOTES: Final[Mapping[str, Mapping[str, str]]] = {
    "close": {
        "odds_home": "odds_home",
        "odds_draw": "odds_draw",
        "odds_away": "odds_away",
        "spread_line": "spread_line",
        "total_line": "total_line",
        "odds_over": "odds_over",
        "odds_under": "odds_under",
    },
    "open": {
        "odds_home": "odds_home_open",
        "odds_draw": "odds_draw_open",
        "odds_away": "odds_away_open",
        "spread_line": "spread_open",
        "total_line": "total_open",
    },
}
"""CSV column by quote field, in the order of ``Quote``, for each moment a row may quote."""

PRICES: Final = frozenset(name for columns in QUOTES.values() for name in columns.values())
COLUMNS: Final = frozenset({*NEEDED, *DATES, *LOCAL_TIMES, *EXTRAS, *PRICES})


class CsvColumn(NamedTuple):
    """One of our columns and the names that a file may give it, of which the first in the header is read."""

    ours: str
    theirs: tuple[str, ...]
    required: bool
