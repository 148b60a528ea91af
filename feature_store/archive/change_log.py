"""The change log: of which games each transaction wrote something new, and from when to when it became known.

Builds and materializations read it to find what has changed since they last ran.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.betting.leagues import League
from core.database.bulk_insert import insert_new_tuples
from feature_store.archive import tables
from feature_store.archive.facts import GameFact, Quote, Result
from feature_store.archive.game_links import links_of, with_linked_ids

NO_GAME: Final = ""
"""Id of the entry by which a retraction marks the moment from which on something may be gone from the archive."""

Span = tuple[datetime, datetime]
"""From when to when something of a game became known."""


def note_changes(connection: Connection, sport: str, league: str, spans: Mapping[str, Span]) -> None:
    """Enter in the change log of which games something new was written, and from when to when it became known.

    All of it under the league's next revision. Ids that stand for the same game change together. The writer of
    a league's archive is alone with it, so revisions are in the order of commits and a reader that has seen one has
    seen all before it.
    """
    links = links_of(connection, sport, league)
    next_revision = 1 + newest_revision(connection, sport, league)
    entries = dict(spans)
    for game_id in links.keys() & spans.keys() | set(links.values()) & spans.keys():
        for other in with_linked_ids([game_id], links):
            first, last = entries.get(other, spans[game_id])
            entries[other] = (min(first, spans[game_id][0]), max(last, spans[game_id][1]))
    insert_new_tuples(
        connection,
        tables.changes,
        ("sport", "league", "revision", "game_id", "known_from", "known_until"),
        [(sport, league, next_revision, game_id, *moments) for game_id, moments in entries.items()],
    )


def note_all_facts(connection: Connection, league: League, game_ids: Collection[str]) -> None:
    """Enter everything that was ever known of the games in the change log as if it were new."""
    moments: list[datetime] = []
    for table in (tables.games, tables.results, tables.quotes):
        of_games = (table.c.sport == league.sport) & (table.c.league == league.key) & table.c.game_id.in_(game_ids)
        moments += connection.scalars(sa.select(table.c.known_at).where(of_games))
    span = (min(moments), max(moments))
    note_changes(connection, league.sport, league.key, dict.fromkeys(game_ids, span))


def spans_by_game(facts: Sequence[GameFact | Result | Quote]) -> dict[str, Span]:
    """From when to when something of the facts became known, by game."""
    spans: dict[str, Span] = {}
    for fact in facts:
        game_id, at = fact.game_id, fact.known_at
        first, last = spans.get(game_id) or (at, at)
        if not first < at < last:
            spans[game_id] = min(first, at), max(last, at)
    return spans


def newest_revision(connection: Connection, sport: str, league: str) -> int:
    """The league's last entry in the change log; 0 before the first."""
    last = sa.select(sa.func.max(tables.changes.c.revision)).where(
        tables.changes.c.sport == sport, tables.changes.c.league == league
    )
    return connection.scalar(last) or 0


def first_end_changed(connection: Connection, league: League, since: int) -> datetime | None:
    """The earliest end of a game of which something new was written after revision ``since``; None without one.

    After a retraction the earliest moment that it touches, if that is earlier.
    """
    results, changes = tables.results.c, tables.changes.c
    changed = sa.select(changes.game_id).where(
        changes.sport == league.sport, changes.league == league.key, changes.revision > since
    )
    first_end = sa.select(sa.func.min(results.finished_at)).where(
        results.sport == league.sport, results.league == league.key, results.game_id.in_(changed)
    )
    moments = (connection.scalar(first_end), _first_retracted(connection, league, since))
    return min((moment for moment in moments if moment is not None), default=None)


def first_start_affected(connection: Connection, league: League, since: int, through: datetime) -> datetime | None:
    """The start of the first game whose row may differ from one as of ``through``; None if there is no such game.

    Counts what was written after revision ``since`` or became known after ``through``. A game changes its own row, and
    the rows of games that start after something new was known of it and its result.
    """
    changes, games, results = tables.changes.c, tables.games.c, tables.results.c
    new = (
        sa.select(changes.game_id, sa.func.min(changes.known_from).label("known_from"))
        .where(changes.sport == league.sport, changes.league == league.key)
        .where((changes.revision > since) | (changes.known_until > through))
        .group_by(changes.game_id)
        .subquery()
    )
    ended = (results.sport == league.sport) & (results.league == league.key) & (results.game_id == new.c.game_id)
    listed = (games.sport == league.sport) & (games.league == league.key) & (games.game_id == new.c.game_id)
    moments_by_game = (
        sa.select(new.c.known_from, sa.func.min(results.known_at), sa.func.min(games.start_at))
        .select_from(new.join(tables.results, ended).join(tables.games, listed))
        .group_by(new.c.game_id, new.c.known_from)
    )
    moments = [
        min(start, max(known_from, result_known))
        for known_from, result_known, start in connection.execute(moments_by_game)
    ]
    retracted = _first_retracted(connection, league, since)
    return min(moments if retracted is None else [*moments, retracted], default=None)


def note_retraction(
    connection: Connection, sport: str, league: str, first: datetime, game_ids: Collection[str]
) -> None:
    """Enter in the change log that facts of the games are gone, which touches states and rows from ``first`` on."""
    span = (first, first)
    note_changes(connection, sport, league, {**dict.fromkeys(game_ids, span), NO_GAME: span})


def _first_retracted(connection: Connection, league: League, since: int) -> datetime | None:
    changes = tables.changes.c
    query = sa.select(sa.func.min(changes.known_from, type_=changes.known_from.type)).where(
        changes.sport == league.sport,
        changes.league == league.key,
        changes.game_id == NO_GAME,
        changes.revision > since,
    )
    moment: datetime | None = connection.scalar(query)
    return moment
