"""The newest quotes of every book for the games to come, as the server reads them.

Apart from the feature rows, because a look that finds all prices unchanged makes them young again and leaves every
forecast as it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson
import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from core.betting.books.quotes import BookQuote, book_key, newest_first
from core.betting.leagues import League
from core.database.clock import check_not_ahead
from core.database.transactions import reading, writing
from core.database.upserts import upsert
from feature_store.archive.facts import Quote
from feature_store.archive.game_links import links_of, replaced_ids, with_linked_ids
from feature_store.archive.queries import exchanged_at, latest_quotes
from feature_store.archive.sightings import Sighting, sightings_of
from feature_store.archive.sources.terms import hidden_sources
from feature_store.rows import tables

LINES_AND_ODDS: Final = BookQuote._fields[BookQuote._fields.index("odds_home") :]


class LeagueQuotes(NamedTuple):
    """A league's quotes as published: ``body`` is what ``quotes_by_game`` reads."""

    league: str
    as_of: datetime
    body: str


def publish_quotes(engine: Engine, league: League, now: datetime) -> int:
    """Store what each book shows now for the league's games to come; returns the number of quotes.

    Those of sources whose terms forbid to show them are marked. What another process stored as of a later moment stays
    in place. Raises ClockError if now is far ahead of the database's clock.
    """
    hidden = hidden_sources(engine)
    with writing(engine, alone=f"quotes {league.key}") as connection:
        check_not_ahead(connection, now)
        quotes = _newest_quotes(connection, league, now, hidden)
        body, own = _body(quotes), tables.league_quotes.c
        of_league = (own.sport == league.sport) & (own.league == league.key)
        held = connection.execute(sa.select(own.as_of, own.body).where(of_league)).one_or_none()
        if held is None or (held.as_of <= now and held.body != body):
            row = {"sport": league.sport, "league": league.key, "as_of": now, "body": body}
            upsert(connection, tables.league_quotes, [row])
    return sum(map(len, quotes.values()))


def quote_watermarks(engine: Engine) -> dict[str, datetime]:
    """When each league's quotes were last published, by league key."""
    own = tables.league_quotes.c
    with reading(engine) as connection:
        return dict(connection.execute(sa.select(own.league, own.as_of)).tuples().all())


def load_quotes(engine: Engine, leagues: Sequence[str]) -> dict[str, LeagueQuotes]:
    """The published quotes of the leagues named, by league key."""
    own = tables.league_quotes.c
    query = sa.select(own.league, own.as_of, own.body).where(own.league.in_(leagues))
    with reading(engine) as connection:
        return {row.league: LeagueQuotes._make(row) for row in connection.execute(query)}


def quotes_by_game(body: str) -> dict[str, list[BookQuote]]:
    """The quotes of each game, the youngest first."""
    return {
        game_id: [
            BookQuote(book, datetime.fromtimestamp(moment, UTC), displayed, *values)
            for book, moment, displayed, *values in quotes
        ]
        for game_id, quotes in orjson.loads(body).items()
    }


def _newest_quotes(
    connection: Connection, league: League, now: datetime, hidden: Set[str]
) -> dict[str, list[BookQuote]]:
    rows = tables.rows.c
    of_league = (rows.sport == league.sport) & (rows.league == league.key)
    games = set(connection.scalars(sa.select(rows.game_id).where(of_league, rows.start_at > now)))
    links = links_of(connection, league.sport, league.key)
    of_games = {game_id: same_as for game_id, same_as in links.items() if same_as in games}
    replaced = replaced_ids(connection, league.sport, league.key, of_games) if of_games else set()
    wanted = sorted(with_linked_ids(games, links) - replaced)
    seen, exchanged = sightings_of(connection, league), exchanged_at(connection, league, wanted)
    looked_at = _last_looks(seen)
    newest: dict[str, dict[str, BookQuote]] = defaultdict(dict)
    for quote, source in latest_quotes(connection, league, wanted, now):
        game_id, shown = links.get(quote.game_id, quote.game_id), _last_shown(quote, source, seen)
        if shown.seen_at < looked_at.get((quote.game_id, shown.source), shown.seen_at):
            continue
        if game_id in games and shown.seen_at >= exchanged.get(quote.game_id, shown.seen_at):
            book, held = book_key(quote.book), newest[game_id].get(book_key(quote.book))
            if held is None or held.quoted_at <= shown.quoted_at:
                newest[game_id][book] = _book_quote(quote, shown, hidden)
    return {game_id: newest_first(by_book.values()) for game_id, by_book in newest.items()}


def _last_looks(seen: Mapping[tuple[str, str], Sighting]) -> dict[tuple[str, str], datetime]:
    """When each source last showed any book's prices of a game: a book that this look lacked has withdrawn its own."""
    looks: dict[tuple[str, str], datetime] = {}
    for (game_id, _), sighting in seen.items():
        key = game_id, sighting.source
        looks[key] = max(sighting.seen_at, looks.get(key, sighting.seen_at))
    return looks


def _last_shown(quote: Quote, source: str, seen: Mapping[tuple[str, str], Sighting]) -> Sighting:
    """The last look that showed the quote: a later one that found it unchanged, or the one that brought it."""
    sighting = seen.get((quote.game_id, quote.book))
    if sighting is None or sighting.seen_at < quote.known_at:
        return Sighting(quote.known_at, quote.quoted_at, source)
    return sighting._replace(quoted_at=max(sighting.quoted_at, quote.quoted_at))


def _book_quote(quote: Quote, shown: Sighting, hidden: Set[str]) -> BookQuote:
    prices = (getattr(quote, name) for name in LINES_AND_ODDS)
    return BookQuote(quote.book, shown.quoted_at, shown.source not in hidden, *prices)


def _body(quotes: Mapping[str, Iterable[BookQuote]]) -> str:
    document: dict[str, list[list[Any]]] = {
        game_id: [[quote.book, quote.quoted_at.timestamp(), *quote[2:]] for quote in of_game]
        for game_id, of_game in sorted(quotes.items())
    }
    return orjson.dumps(document).decode()
