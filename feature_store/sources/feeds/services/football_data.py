"""football-data.co.uk: the season's file of a league, and one file of the coming games with prices.

Plain files, asked for conditionally. Their columns are those of the ready mappings; prices are as old as the file.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

from core.betting.leagues import League
from feature_store.sources.feeds.client.polite_client import FetchedAnswer
from feature_store.sources.feeds.event_reader import EventReader, TableLayout
from feature_store.sources.feeds.service_feed import FeedRequest
from feature_store.sources.seasons import season_at

NAME: Final = "football-data"
ADDRESS: Final = "https://www.football-data.co.uk"
MAIN: Final = "football-data"
EXTRA: Final = "football-data-new"
DIVISIONS: Final = {"EPL": "E0", "LALIGA": "SP1", "BUNDESLIGA": "D1", "SERIEA": "I1", "LIGUE1": "F1"}
"""Leagues with a file for each season."""
COUNTRIES: Final = {"MLS": "USA", "BRAZIL_SERIE_A": "BRA"}
"""Leagues with one file of all seasons."""


def competition_of(league: League) -> str:
    """The site's name of a league's file."""
    return DIVISIONS.get(league.key) or COUNTRIES.get(league.key, "")


def requests(league: League, competition: str, now: datetime, _regions: Sequence[str]) -> list[FeedRequest]:
    """The league's file, then that of the coming games of all leagues."""
    season = season_at(league, now.date())
    if competition in COUNTRIES.values():
        played = _file(f"/new/{competition}.csv", TableLayout(EXTRA, season))
        return [played, _file("/new_league_fixtures.csv", TableLayout(EXTRA, season, to_come=True))]
    path = f"/mmz4281/{season % 100:02d}{(season + 1) % 100:02d}/{competition}.csv"
    played = _file(path, TableLayout(MAIN, season, one_season=True))
    return [played, _file("/fixtures.csv", TableLayout(MAIN, season, to_come=True))]


def _file(path: str, layout: TableLayout) -> FeedRequest:
    return FeedRequest(path, {}, partial(read_file, layout), plain=True)


def read_file(layout: TableLayout, reader: EventReader, answer: FetchedAnswer) -> Sequence[FeedRequest]:
    """Read a file of the layout. Raises ValidationError if it has another one."""
    reader.add_table(answer.content, layout, answer.modified)
    return ()
