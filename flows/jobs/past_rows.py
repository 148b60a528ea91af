"""Feature rows in files: of past games as Parquet, of any moment for whoever asks."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from core.betting.leagues import load_leagues
from core.settings import Settings
from feature_store.rows.offline import Materialized, export_rows, materialize
from flows.jobs.databases import our_database
from flows.jobs.leagues import OnLeague, archived_leagues, ignore_progress


def materialize_features(
    settings: Settings, now: datetime, names: Sequence[str] | None = None, on_league: OnLeague = ignore_progress
) -> list[Materialized]:
    """Update the Parquet files of past games' feature rows."""
    with our_database(settings) as engine:
        leagues = archived_leagues(engine, load_leagues(settings.leagues_file), names)
        written = []
        for number, league in enumerate(leagues):
            on_league(league.key, number, len(leagues))
            written.append(materialize(engine, league, settings.features_dir, now))
        return written


def write_rows(
    settings: Settings, name: str, output: Path, known_by: datetime, as_of: datetime | None, *, for_others: bool = False
) -> int:
    """Write a league's feature rows to a file: past games as of their starts, or the games to come as of a moment.

    Facts that became known after ``known_by`` do not enter, with ``for_others`` none that its source's terms
    keep in the house. Raises ValidationError for a file that is neither .parquet nor .csv.
    """
    league = load_leagues(settings.leagues_file).get(name)
    with our_database(settings) as engine:
        return export_rows(engine, league, output, known_by, as_of, for_others=for_others)
