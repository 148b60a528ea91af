"""Games that are probably one under several ids, counted after a build."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from core.betting.leagues import load_leagues
from core.settings import Settings
from feature_store.identity.duplicate_games import find_duplicates
from flows.jobs.databases import our_database
from flows.jobs.leagues import archived_leagues

RECENT: Final = timedelta(days=60)
"""How far back a build looks for games under two ids; `dbsbm doctor` and training look at the whole past."""


def count_duplicate_games(settings: Settings, now: datetime, names: Sequence[str] | None = None) -> dict[str, int]:
    """The number of pairs of ids that are probably one game, by league, among recent games and games to come.

    Leagues without such a pair are left out.
    """
    with our_database(settings) as engine:
        leagues = archived_leagues(engine, load_leagues(settings.leagues_file), names)
        counts = {league.key: len(find_duplicates(engine, league, now, since=now - RECENT)) for league in leagues}
    return {key: count for key, count in counts.items() if count}
