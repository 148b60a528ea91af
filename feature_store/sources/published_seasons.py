"""Seasons that a site publishes, fetched and read into the archive; uses the network.

The one module that knows two sources: ``library`` finds and fetches a season, ``csv`` reads it.
"""

import csv
import tempfile
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.errors import ExternalServiceError, ValidationError
from feature_store.identity.team_aliases import load_aliases
from feature_store.sources.csv.backfill import BackfillReport, record_reading
from feature_store.sources.csv.mapping_file import find_mapping
from feature_store.sources.csv.reader import read_csv
from feature_store.sources.library.football_data import FOOTBALL_DATA, fetch_season
from feature_store.sources.library.scores import COLUMNS, fetch_scores


def backfill_season(
    engine: Engine, leagues: Leagues, name: str, season: int, *, now: datetime, address: str | None = None
) -> BackfillReport:
    """Read one season of a league, named by the year in which it began, from football-data.co.uk into the archive.

    ``address`` is that of another server with the same pages. Raises what ``fetch_season`` raises, and
    ExternalServiceError for a file that cannot be read.
    """
    league = leagues.get(name)
    content = fetch_season(league, season, address)
    mapping = find_mapping(FOOTBALL_DATA).with_constants(league=league.key, season=str(season))
    report = BackfillReport(files=1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{FOOTBALL_DATA}-{league.key}-{season}.csv"
        path.write_bytes(content)
        try:
            reading = read_csv(path, leagues, load_aliases(engine), mapping, now=now)
        except ValidationError as error:
            raise ExternalServiceError(f"{FOOTBALL_DATA}: the season's file cannot be read: {error.message}") from error
    record_reading(engine, report, reading, file=path.name, source=f"{FOOTBALL_DATA}:{league.key}", now=now)
    return report


def backfill_scores(
    engine: Engine,
    leagues: Leagues,
    source: str,
    name: str,
    season: int,
    *,
    now: datetime,
    address: str | None = None,
) -> BackfillReport:
    """Read one season of a source of ``library.scores.SCORES`` into the archive.

    ``season`` is the year in which it began. Raises what ``fetch_scores`` raises.
    """
    league = leagues.get(name)
    rows = fetch_scores(source, league, season, address)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{source}-{season}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        reading = read_csv(path, leagues, load_aliases(engine), now=now)
    report = BackfillReport(files=1)
    record_reading(engine, report, reading, file=path.name, source=f"{source}:{league.key}", now=now)
    return report
