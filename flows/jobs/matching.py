"""Games of several sources matched after a look, so that each is one game when rows are built."""

from collections.abc import Sequence
from datetime import datetime

from core.betting.leagues import load_leagues
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
        matches = [link_matches(engine, league, now) for league in leagues]
    for one in matches:
        if one.links or one.aliases:
            log.info(
                "games matched",
                league=one.league,
                links=len(one.links),
                aliases={alias.alias: alias.team for alias in one.aliases},
                doubtful=one.doubtful,
            )
        for alias in one.refuted:
            log.warning("names of one game are two clubs in the archive", league=one.league, names=alias[1:3])
    return matches
