"""nflverse: one file of all NFL games with results and lines, kept by Lee Sharpe.

The lines of games to come are those of one market view, without a book's name; they are as old as the file.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from core.betting.leagues import League
from feature_store.sources.feeds.event_reader import TableLayout
from feature_store.sources.feeds.service_feed import FeedRequest
from feature_store.sources.feeds.services.football_data import read_file
from feature_store.sources.seasons import season_at

NAME: Final = "nflverse"
ADDRESS: Final = "https://raw.githubusercontent.com/nflverse/nfldata/master"
GAMES: Final = "/data/games.csv"


def competition_of(league: League) -> str:
    """The file holds one league."""
    return league.key if league.key == "NFL" else ""


def requests(league: League, _competition: str, now: datetime, _regions: Sequence[str]) -> list[FeedRequest]:
    """The one file."""
    layout = TableLayout("nflverse", season_at(league, now.date()))
    return [FeedRequest(GAMES, {}, partial(read_file, layout), plain=True)]
