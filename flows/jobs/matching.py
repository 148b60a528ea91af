"""Games of several sources matched after a look, so that each is one game when rows are built."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.engine import Engine

from core.betting.leagues import League, load_leagues
from core.logs import get_logger
from core.settings import Settings
from feature_store.identity.matched_games import LeagueMatches, link_matches
from flows.jobs.databases import our_database
from flows.jobs.leagues import archived_leagues

log = get_logger(__name__)


def match_games(settings: Settings, now: datetime, names: Sequence[str] | None = None) -> list[LeagueMatches]:
    """Link the recent and coming games that are sure to be one, in the named leagues or all of the archive.

    Safe to repeat, to kill and to run twice at once. Raises ResourceNotFoundError for an unknown league.
    """
    with our_database(settings) as engine:
        leagues = archived_leagues(engine, load_leagues(settings.leagues_file), names)
        return [match_league(engine, league, now) for league in leagues]


def match_league(engine: Engine, league: League, now: datetime) -> LeagueMatches:
    """The same in one league, with a log line for what was linked and what was found to be two clubs."""
    matches = link_matches(engine, league, now)
    if matches.links or matches.aliases:
        log.info(
            "games matched",
            league=matches.league,
            links=len(matches.links),
            aliases={alias.alias: alias.team for alias in matches.aliases},
            doubtful=matches.doubtful,
        )
    for alias in matches.refuted:
        log.warning("names of one game are two clubs in the archive", league=matches.league, names=alias[1:3])
    return matches
