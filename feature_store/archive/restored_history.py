"""The change log when a backup replaces the archive: whatever was built from the replaced facts is built again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from feature_store.archive.tables import changes, games, results


class RestoredHistory:
    """Continues each league's change log after the last revision that any process has seen.

    Feature files and states note the revision up to which they go. If the log went back, later entries would have
    numbers that they take for done, and what these change would never reach them.
    """

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._newest: dict[tuple[str, str], sa.Row[Any]] = {}

    def read(self, connection: Connection) -> None:
        """Note the last revision of each league."""
        self._newest = _newest(connection)

    def compare(self, table: str, row: Mapping[str, Any]) -> None:
        """Nothing: facts are counted, not compared."""

    def statements(self) -> list[str]:
        """Nothing is revived."""
        return []

    def apply(self, connection: Connection) -> None:
        """Enter the league's first game as changed, after which everything is built again."""
        restored = _newest(connection)
        for (sport, league), before in self._newest.items():
            after = restored.get((sport, league))
            first = _first_game(connection, sport, league)
            known_at = self._now if first is None or first.known_at is None else first.known_at
            entry = {
                "sport": sport,
                "league": league,
                "revision": 1 + max(before.revision, 0 if after is None else after.revision),
                "game_id": before.game_id if first is None else first.game_id,
                "known_from": known_at,
                "known_until": known_at,
            }
            connection.execute(sa.insert(changes), [entry])


def _newest(connection: Connection) -> dict[tuple[str, str], sa.Row[Any]]:
    """The last revision of each league, and some game of its change log."""
    by_league = (changes.c.sport, changes.c.league)
    last, some = sa.func.max(changes.c.revision).label("revision"), sa.func.max(changes.c.game_id).label("game_id")
    query = sa.select(*by_league, last, some).group_by(*by_league)
    return {(row.sport, row.league): row for row in connection.execute(query)}


def _first_game(connection: Connection, sport: str, league: str) -> sa.Row[Any] | None:
    """The game that ended first, and when that was known; without results the one that starts first."""
    same = (results.c.sport == games.c.sport) & (results.c.league == games.c.league)
    query = (
        sa.select(games.c.game_id, sa.func.coalesce(results.c.known_at, games.c.known_at).label("known_at"))
        .outerjoin(results, same & (results.c.game_id == games.c.game_id))
        .where(games.c.sport == sport, games.c.league == league)
        .order_by(results.c.finished_at.is_(None), results.c.finished_at, games.c.start_at)
        .limit(1)
    )
    return connection.execute(query).first()
