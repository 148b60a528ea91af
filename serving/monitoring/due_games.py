"""Which games are to be graded: those with answers of which the archive has learned something since the last run."""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.transactions import reading, writing
from feature_store.archive import tables as archive
from feature_store.archive.change_log import newest_revision
from serving.monitoring.tables import due, graded_games
from serving.monitoring.tallying import GAME, LOCK, make_due, position, set_position
from serving.predictions.tables import answers

GAMES_AT_ONCE = 250


def note_changed_games(engine: Engine, league: League) -> None:
    """Make the league's games due of which something was recorded since the last call, where an answer names them."""
    mark, changes = f"{league.sport}/{league.key}", archive.changes.c
    with reading(engine) as connection:
        if newest_revision(connection, league.sport, league.key) == position(connection, mark):
            return
    with writing(engine, alone=LOCK) as connection:
        newest = newest_revision(connection, league.sport, league.key)
        changed = sa.select(*(changes[name] for name in GAME)).where(
            changes.sport == league.sport,
            changes.league == league.key,
            changes.revision > position(connection, mark),
            changes.revision <= newest,
            sa.or_(*(_names_game(table, archive.changes) for table in (answers, graded_games))),
        )
        make_due(connection, changed)
        set_position(connection, mark, newest)


def _names_game(table: sa.Table, other: sa.Table) -> sa.ColumnElement[bool]:
    return sa.exists().where(*(table.c[name] == other.c[name] for name in GAME)).select_from(table).correlate(other)


def due_leagues(engine: Engine) -> list[tuple[str, str]]:
    """Sport and league of the games that are due."""
    with reading(engine) as connection:
        return [
            (sport, league) for sport, league in connection.execute(sa.select(due.c.sport, due.c.league).distinct())
        ]


def due_batches(engine: Engine, league: League) -> Iterator[list[str]]:
    """Ids of the league's due games in parts, those that start first first: their yardsticks need the same past."""
    games = archive.games.c
    start = (
        sa.select(sa.func.max(games.start_at))
        .where(games.sport == due.c.sport, games.league == due.c.league, games.game_id == due.c.game_id)
        .correlate(due)
        .scalar_subquery()
    )
    query = (
        sa.select(due.c.game_id)
        .where(due.c.sport == league.sport, due.c.league == league.key)
        .order_by(start, due.c.game_id)
    )
    with reading(engine) as connection:
        ids = list(connection.scalars(query))
    for first in range(0, len(ids), GAMES_AT_ONCE):
        yield ids[first : first + GAMES_AT_ONCE]


def still_due(connection: Connection, league: League, game_ids: Sequence[str]) -> list[str]:
    """Those of the games that no other run has graded meanwhile."""
    return list(connection.scalars(sa.select(due.c.game_id).where(_of(due, league, game_ids)).order_by(due.c.game_id)))


def dismiss(connection: Connection, league: League, game_ids: Sequence[str]) -> None:
    """Take the games off those that are due."""
    connection.execute(sa.delete(due).where(_of(due, league, game_ids)))


def _of(table: sa.Table, league: League, game_ids: Sequence[str]) -> sa.ColumnElement[bool]:
    return (table.c.sport == league.sport) & (table.c.league == league.key) & table.c.game_id.in_(game_ids)
