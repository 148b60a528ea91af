"""Seasons from football-data.co.uk, found through the `sports-betting` library's source; network only when asked.

The library says which seasons there are and where each file lies. The file itself is read through our own door: the
library's reader skips bad lines in silence and keeps neither the closing prices nor the books.
"""

import csv
import tempfile
from collections.abc import Mapping
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from core.betting.leagues import League, Leagues
from core.errors import ExternalServiceError, ResourceNotFoundError, ValidationError
from feature_store.archive.facts import Batch
from feature_store.identity.team_aliases import Aliases, load_aliases
from feature_store.sources.csv.backfill import BackfillReport, record_reading
from feature_store.sources.csv.mapping import CsvMapping, Formats
from feature_store.sources.csv.reader import CsvReading, read_csv
from feature_store.sources.library.pages import client, fetched, published, sources

FOOTBALL_DATA: Final = "football-data"
COUNTRIES: Final[Mapping[str, str]] = {
    "EPL": "England",
    "LALIGA": "Spain",
    "BUNDESLIGA": "Germany",
    "SERIEA": "Italy",
    "LIGUE1": "France",
}
"""Leagues with one file per season there, all of them first divisions."""

GAME_COLUMNS: Final[Mapping[str, str]] = {
    "game_date": "Date", "kickoff_time": "Time", "home_team": "HomeTeam", "away_team": "AwayTeam", "home_score": "FTHG",
    "away_score": "FTAG", "home_shots": "HS", "away_shots": "AS", "home_sot": "HST", "away_sot": "AST",
}  # fmt: skip
MONEYLINE: Final[Mapping[str, tuple[str, str]]] = {
    "market_average": ("AvgC", "Avg"),
    "bet365": ("B365C", "B365"),
    "pinnacle": ("PSC", "PS"),
}
"""By book, what its closing and its opening columns begin with; the opening prices are those of days before."""

AVERAGE_LINES: Final[Mapping[str, str]] = {
    "odds_over": "AvgC>2.5", "odds_under": "AvgC<2.5", "spread_line": "AHCh", "spread_open": "AHh",
}  # fmt: skip
FORMATS: Final = Formats(
    date=("%d/%m/%Y", "%d/%m/%y"), time_zone=ZoneInfo("Europe/London"), odds="decimal", spread="bookmaker"
)


def backfill_season(
    engine: Engine, leagues: Leagues, name: str, season: int, *, now: datetime, address: str | None = None
) -> BackfillReport:
    """Read one season of a league, named by the year in which it began, into the archive.

    ``address`` is that of another server with the same pages. Raises ResourceNotFoundError for a league or season that
    is not published, ExternalServiceError when the library is missing or the server answers with anything else than
    its pages, NetworkError when it cannot be reached, OperationTimeoutError when it takes too long.
    """
    league = leagues.get(name)
    content = _season_file(league, season, address)
    report = BackfillReport(files=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FOOTBALL_DATA}-{league.key}-{season}.csv"
        path.write_text(content, encoding="utf-8")
        try:
            reading = _read(path, leagues, league, season, load_aliases(engine))
        except ValidationError as error:
            raise ExternalServiceError(f"{FOOTBALL_DATA}: the season's file cannot be read: {error.message}") from error
    record_reading(engine, report, reading, source=f"{FOOTBALL_DATA}:{league.key}", now=now)
    return report


def _season_file(league: League, season: int, address: str | None) -> str:
    """The text of the season's file. Two requests: the country's page and the file it names."""
    country = COUNTRIES.get(league.key)
    if country is None:
        msg = f"{FOOTBALL_DATA} has no season files of {league.key}."
        raise ResourceNotFoundError(msg, nearest=tuple(COUNTRIES), resource_type="league")
    library = sources()
    source, selection = library.FootballDataStats(), {"league": [country]}
    with client() as session:
        pages = [
            library.RawPayload(item, fetched(session, item.url, address)) for item in source.list_index_items(selection)
        ]
        seasons = published(FOOTBALL_DATA, source, pages)
        items = source.list_required_items([{"league": country, "division": 1, "year": season + 1}])
        if not items:
            years = [str(entry["year"] - 1) for entry in seasons if entry["division"] == 1]
            msg = f"{FOOTBALL_DATA} has no season {season} of {league.key}."
            raise ResourceNotFoundError(msg, hint=f"It has {', '.join(years)}.", resource_type="season")
        return _text(fetched(session, items[0].url, address))


def _text(content: bytes) -> str:
    """The site writes UTF-8 in newer seasons and Latin 1 in older ones."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _read(path: Path, leagues: Leagues, league: League, season: int, aliases: Aliases) -> CsvReading:
    """The file read once per book: games and results as the first reading gives them, quotes of all."""
    header = set(next(csv.reader(path.read_text(encoding="utf-8").splitlines()), []))
    readings = [
        read_csv(path, leagues, aliases, _mapping(book, header, league, season).lines(path)) for book in MONEYLINE
    ]
    first = readings[0].batches.get(league, Batch())
    quotes = [
        quote
        for quote in chain.from_iterable(reading.batches.get(league, Batch()).quotes for reading in readings)
        if quote.odds_home is not None or quote.odds_over is not None
    ]
    rejected = {
        (item.place, item.fact, item.reason, item.content if item.fact == "quote" else ""): item
        for item in chain.from_iterable(reading.rejected for reading in readings)
    }
    return CsvReading({league: Batch(first.games, first.results, quotes)}, list(rejected.values()), readings[0].lines)


def _mapping(book: str, header: set[str], league: League, season: int) -> CsvMapping:
    """What the season's columns mean for one book; seasons differ in what they have."""
    closing, opening = MONEYLINE[book]
    columns = {
        **GAME_COLUMNS,
        **{f"odds_{side}": f"{closing}{side[0].upper()}" for side in ("home", "draw", "away")},
        **{f"odds_{side}_open": f"{opening}{side[0].upper()}" for side in ("home", "draw", "away")},
        **(AVERAGE_LINES if book == "market_average" else {}),
    }
    needed = ("game_date", "home_team", "away_team", "home_score", "away_score")
    present = {ours: theirs for ours, theirs in columns.items() if theirs in header or ours in needed}
    constants = {"league": league.key, "season": str(season), "odds_kind": book}
    if "odds_over" in present:
        constants["total_line"] = "2.5"
    return CsvMapping(Path(FOOTBALL_DATA), present, constants, {}, FORMATS)
