"""When a live source last showed each book's prices, so that a price that has not changed is known to be fresh."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from core.betting.leagues import League
from core.database.upserts import upsert
from feature_store.archive.facts import Quote
from feature_store.archive.origin import Origin
from feature_store.archive.tables import quote_sightings

KEPT: Final = timedelta(days=7)
"""How long a sighting is kept after a source has stopped showing the prices; by then they are too old for anything."""


class Sighting(NamedTuple):
    """The last look that showed a book's prices of a game."""

    seen_at: datetime
    quoted_at: datetime
    """The moment of the prices by the source's clock; the look's own where it has none."""
    source: str


def note_sightings(connection: Connection, origin: Origin, quotes: Sequence[Quote]) -> None:
    """Note that a look has shown these quotes, and forget what no look has shown for long."""
    shown: dict[tuple[str, str], datetime] = {}
    for quote in quotes:
        key = quote.game_id, quote.book
        shown[key] = max(quote.quoted_at, shown.get(key, quote.quoted_at))
    rows = [
        {
            "sport": origin.sport,
            "league": origin.league,
            "game_id": game_id,
            "book": book,
            "seen_at": origin.recorded_at,
            "quoted_at": quoted_at,
            "source": origin.source,
        }
        for (game_id, book), quoted_at in sorted(shown.items())
    ]
    upsert(connection, quote_sightings, rows)
    of_league = (quote_sightings.c.sport == origin.sport) & (quote_sightings.c.league == origin.league)
    forgotten = quote_sightings.c.seen_at < origin.recorded_at - KEPT
    connection.execute(sa.delete(quote_sightings).where(of_league, forgotten))


def sightings_of(connection: Connection, league: League) -> dict[tuple[str, str], Sighting]:
    """The league's sightings, by game id and book."""
    table = quote_sightings.c
    query = sa.select(table.game_id, table.book, table.seen_at, table.quoted_at, table.source).where(
        table.sport == league.sport, table.league == league.key
    )
    return {
        (row.game_id, row.book): Sighting(row.seen_at, row.quoted_at, row.source) for row in connection.execute(query)
    }


def forget_sightings(connection: Connection, sport: str, league: str, since: datetime) -> None:
    """Delete the league's sightings noted since the moment, whose quotes are taken back."""
    table = quote_sightings.c
    condition = (table.sport == sport) & (table.league == league) & (table.seen_at >= since)
    connection.execute(sa.delete(quote_sightings).where(condition))
