"""Which leagues a job works on."""

from collections.abc import Callable, Sequence

from sqlalchemy.engine import Engine

from core.betting.leagues import League, Leagues
from core.logs import get_logger
from feature_store.archive import store as archive

log = get_logger(__name__)

OnLeague = Callable[[str, int, int], None]
"""Called with a league's key, the number of leagues done and the number of leagues, before each league."""


def archived_leagues(engine: Engine, leagues: Leagues, names: Sequence[str] | None) -> list[League]:
    """The named leagues; without names, every configured league that has games in the archive.

    Raises ResourceNotFoundError for an unknown name.
    """
    if names:
        return [leagues.get(name) for name in names]
    archived = archive.league_keys(engine)
    unconfigured = [key for key in archived if key not in leagues]
    if unconfigured:
        log.warning("archived leagues that are not configured are skipped", leagues=unconfigured)
    return [leagues.get(key) for key in archived if key in leagues]


def ignore_progress(_league: str, _done: int, _total: int) -> None:
    """The default ``OnLeague``: shows nothing."""
