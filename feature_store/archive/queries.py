"""Smaller questions to the archive than ``store.load`` answers: single games, spans of time, who wrote what."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.leagues import League
from core.database.transactions import reading
from feature_store.archive import tables
from feature_store.archive.facts import GameFact, Quote, Result
from feature_store.archive.game_links import links_of, replaced_ids, with_linked_ids

IDS_PER_QUERY: Final = 1_000


class Listing(NamedTuple):
    """One version of a game without its clock, the source that it comes from, and when it was recorded."""

    game_id: str
    season: int
    start_at: datetime
    date_only: bool
    home_team: str
    away_team: str
    playoff: bool
    status: str
    source: str
    recorded_at: datetime


def listings(
    connection: Connection, league: League, known_by: datetime, since: datetime | None = None
) -> Iterator[Listing]:
    """Every version of the league's games known by the moment, in order of ``known_at``.

    With ``since`` only of games that start then or later.
    """
    games = tables.games.c
    query = (
        sa.select(*(games[name] for name in Listing._fields))
        .where(_of(tables.games, league), games.known_at <= known_by)
        .order_by(games.known_at)
    )
    if since is not None:
        query = query.where(games.start_at >= since)
    return map(Listing._make, connection.execute(query))


def latest_games(engine: Engine, league: League) -> list[GameFact]:
    """The league's games as last known."""
    games = tables.games.c
    query = (
        sa.select(*(games[name] for name in GameFact._fields)).where(_of(tables.games, league)).order_by(games.known_at)
    )
    with reading(engine) as connection:
        latest = {row.game_id: GameFact._make(row) for row in connection.execute(query)}
    return list(latest.values())


def latest_game(connection: Connection, league: League, game_id: str) -> GameFact | None:
    """The game as last known, None if the archive lacks it."""
    games = tables.games.c
    query = (
        sa.select(*(games[name] for name in GameFact._fields))
        .where(_of(tables.games, league) & (games.game_id == game_id))
        .order_by(games.known_at.desc())
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else GameFact._make(row)


def teams_of_games(connection: Connection, league: League, game_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Home and away side of the games, as last known, by id."""
    games = tables.games.c
    query = (
        sa.select(games.game_id, games.home_team, games.away_team)
        .where(_of(tables.games, league))
        .order_by(games.known_at)
    )
    return {
        game_id: (home, away)
        for part in _parts(game_ids)
        for game_id, home, away in connection.execute(query.where(games.game_id.in_(part)))
    }


def exchanged_at(connection: Connection, league: League, game_ids: Sequence[str]) -> dict[str, datetime]:
    """When the sides of the games were last exchanged, of those to which that has happened.

    What was shown of home and away before is of the other side.
    """
    games = tables.games.c
    query = (
        sa.select(games.game_id, games.known_at, games.home_team, games.away_team)
        .where(_of(tables.games, league))
        .order_by(games.known_at)
    )
    sides: dict[str, tuple[str, str]] = {}
    exchanged: dict[str, datetime] = {}
    for part in _parts(game_ids):
        for game_id, known_at, home, away in connection.execute(query.where(games.game_id.in_(part))):
            if sides.get(game_id) == (away, home):
                exchanged[game_id] = known_at
            sides[game_id] = home, away
    return exchanged


def latest_results(engine: Engine, league: League, game_ids: Sequence[str]) -> dict[str, Result]:
    """The latest result of each of the games, by id."""
    results = tables.results.c
    query = (
        sa.select(*(results[name] for name in Result._fields))
        .where(_of(tables.results, league))
        .order_by(results.known_at)
    )
    with reading(engine) as connection:
        return {
            row.game_id: Result._make(row)
            for part in _parts(game_ids)
            for row in connection.execute(query.where(results.game_id.in_(part)))
        }


def latest_quotes(
    connection: Connection, league: League, game_ids: Sequence[str], known_by: datetime
) -> Iterator[tuple[Quote, str]]:
    """The newest version of each book's quotes of the games known by the moment, with its source, older moments first.

    A book that has quoted an opening and a later price comes twice.
    """
    quotes = tables.quotes.c
    identity = (quotes.game_id, quotes.book, quotes.moment)
    for part in _parts(game_ids):
        chosen = _of(tables.quotes, league) & quotes.game_id.in_(part) & (quotes.known_at <= known_by)
        newest = (
            sa.select(*identity, sa.func.max(quotes.known_at, type_=quotes.known_at.type).label("known_at"))
            .where(chosen)
            .group_by(*identity)
            .subquery()
        )
        same = sa.and_(*(tables.quotes.c[name] == column for name, column in newest.c.items()))
        query = (
            sa.select(*(quotes[name] for name in Quote._fields), quotes.source)
            .join(newest, same)
            .where(_of(tables.quotes, league))
            .order_by(quotes.quoted_at, quotes.known_at)
        )
        for *values, source in connection.execute(query):
            yield Quote._make(values), source


def quote_history(engine: Engine, league: League, game_id: str, known_by: datetime) -> list[tuple[Quote, str]]:
    """Every version of every book's quotes of the game known by the moment, with its source, in order of ``known_at``.

    Quotes of ids that are linked to the game's are its own; those from before the sides were exchanged are left out.
    """
    quotes = tables.quotes.c
    with reading(engine) as connection:
        links = links_of(connection, league.sport, league.key)
        of_game = {one: same_as for one, same_as in links.items() if same_as == links.get(game_id, game_id)}
        replaced = replaced_ids(connection, league.sport, league.key, of_game) if of_game else set()
        ids = sorted(with_linked_ids([game_id], links) - replaced)
        exchanged = exchanged_at(connection, league, ids)
        query = (
            sa.select(*(quotes[name] for name in Quote._fields), quotes.source)
            .where(_of(tables.quotes, league), quotes.game_id.in_(ids), quotes.known_at <= known_by)
            .order_by(quotes.known_at, quotes.quoted_at)
        )
        recorded = [(Quote._make(values), source) for *values, source in connection.execute(query)]
    return [one for one in recorded if one[0].known_at >= exchanged.get(one[0].game_id, one[0].known_at)]


def final_scores(
    connection: Connection, league: League, known_by: datetime, since: datetime | None = None
) -> dict[str, tuple[int, int]]:
    """The latest final score of each game known by the moment, by id; with ``since`` of those that ended after it."""
    results = tables.results.c
    query = (
        sa.select(results.game_id, results.home_score, results.away_score)
        .where(_of(tables.results, league), results.known_at <= known_by)
        .order_by(results.known_at)
    )
    if since is not None:
        query = query.where(results.finished_at >= since)
    latest = {game_id: (home, away) for game_id, home, away in connection.execute(query)}
    return {game_id: score for game_id, score in latest.items() if score[0] is not None}


def first_and_last_start(connection: Connection, league: League) -> tuple[datetime | None, datetime | None]:
    """The earliest and the latest start of the league's games; None for both without games."""
    starts = tables.games.c.start_at
    query = sa.select(sa.func.min(starts), sa.func.max(starts)).where(_of(tables.games, league))
    first, last = connection.execute(query).one()
    return first, last


def first_and_last_end(connection: Connection, league: League) -> tuple[datetime | None, datetime | None]:
    """The earliest and the latest end of the league's games; None for both without results."""
    ends = tables.results.c.finished_at
    query = sa.select(sa.func.min(ends), sa.func.max(ends)).where(_of(tables.results, league))
    first, last = connection.execute(query).one()
    return first, last


def games_in_time(
    connection: Connection, league: League, *, after: datetime | None, before: datetime | None
) -> set[str]:
    """Ids of the games that start at ``after`` or later, or end later, and in either case earlier than ``before``."""
    games, results = tables.games.c, tables.results.c
    starting = sa.select(games.game_id).where(_of(tables.games, league))
    ending = sa.select(results.game_id).where(_of(tables.results, league))
    if after is not None:
        starting = starting.where(games.start_at >= after)
        ending = ending.where(results.finished_at > after)
    if before is not None:
        starting = starting.where(games.start_at < before)
        ending = ending.where(results.finished_at < before)
    return {game_id for query in (starting, ending) for (game_id,) in connection.execute(query)}


def _of(table: sa.Table, league: League) -> sa.ColumnElement[bool]:
    return (table.c.sport == league.sport) & (table.c.league == league.key)


def _parts(game_ids: Sequence[str]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(game_ids), IDS_PER_QUERY):
        yield game_ids[start : start + IDS_PER_QUERY]
