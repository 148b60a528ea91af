"""Feature rows and states of the leagues, and their games where servers read them.

The resident collector imports this: nothing that needs pandas or Parquet may enter.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Engine

from core.betting.leagues import load_leagues
from core.errors import CacheError, ConflictError
from core.logs import get_logger
from core.settings import Settings
from feature_store.identity.matched_games import withheld_games
from feature_store.rows.build import Built, build
from feature_store.rows.online import watermarks
from flows.jobs.databases import our_database
from flows.jobs.leagues import OnLeague, archived_leagues, ignore_progress
from flows.jobs.matching import match_league

log = get_logger(__name__)


def build_features(
    settings: Settings, now: datetime, names: Sequence[str] | None = None, on_league: OnLeague = ignore_progress
) -> list[Built]:
    """Link the games that several sources show, update the leagues' rows and states, publish their games to Redis.

    Of ids that may be one game only one has a row.
    """
    with our_database(settings) as engine:
        built = []
        leagues = archived_leagues(engine, load_leagues(settings.leagues_file), names)
        for number, league in enumerate(leagues):
            on_league(league.key, number, len(leagues))
            match_league(engine, league, now)
            built.append(build(engine, league, now, withheld_games(engine, league, now)))
        _publish_games(settings, engine, [league.key for league in leagues])
        return built


def _publish_games(settings: Settings, engine: Engine, leagues: list[str]) -> None:
    """Put the games into Redis, for servers that lose the database. Without Redis, log a warning and continue."""
    from serving.games.published_slate import publish

    try:
        publish(settings, engine, leagues)
    except CacheError as error:
        log.warning("the games were not put into Redis", reason=error.message)


def refuse_older_rows(settings: Settings, moment: datetime, names: Sequence[str] | None = None) -> None:
    """Raises ConflictError naming the leagues whose online rows, which the server reads, are of a later moment."""
    with our_database(settings) as engine:
        built = watermarks(engine)
        leagues = archived_leagues(engine, load_leagues(settings.leagues_file), names)
    later = [league.key for league in leagues if league.key in built and built[league.key] > moment]
    if later:
        msg = f"The online rows of {', '.join(later)} are of a later moment than {moment:%Y-%m-%d %H:%M}."
        raise ConflictError(msg, hint="`dbsbm features rows --as-of` writes the rows of any moment to a file.")
