"""What a file shows now: facts that are known from the look on, whatever the dates in the file.

A closing or opening column of a game to come holds the price of the moment; a score is known only now.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from operator import attrgetter
from typing import Final

from feature_store.archive.facts import FactBatch, GameFact, Quote, Result, Status

MARKETS: Final = (
    ("odds_home", "odds_draw", "odds_away"),
    ("spread_line",),
    ("total_line", "odds_over", "odds_under"),
)


def as_live(batch: FactBatch, now: datetime, shown_at: datetime) -> FactBatch:
    """The facts of a file as known at ``now``; prices of games to come as shown at ``shown_at``.

    Of a book's two prices of such a game the later one, closing before opening, counts market by market. Prices of a
    game that began and has no score yet are left out: what they were before the start was seen by then.
    """
    games = [game._replace(known_at=now, status=_status(game, now)) for game in batch.games]
    to_come = {game.game_id for game in games if game.status == "scheduled"}
    played = {game.game_id for game in games if game.status == "final"}
    quotes = [quote._replace(known_at=now) for quote in batch.quotes if quote.game_id in played]
    quotes += _latest((quote for quote in batch.quotes if quote.game_id in to_come), now, min(shown_at, now))
    results = [_result(result, now) for result in batch.results]
    return FactBatch(games, results, quotes, batch.rejected)


def _status(game: GameFact, now: datetime) -> Status:
    if game.status == "final":
        return "final"
    return "scheduled" if game.start_at > now else "unknown"


def _result(result: Result, now: datetime) -> Result:
    return result._replace(known_at=now, finished_at=min(result.finished_at, now))


def _latest(quotes: Iterable[Quote], now: datetime, shown_at: datetime) -> list[Quote]:
    """One quote of each game and book."""
    key = attrgetter("game_id", "book")
    latest = []
    for (game_id, book), moments in groupby(sorted(quotes, key=key), key):
        prices: dict[str, float] = {}
        for quote in sorted(moments, key=lambda one: one.moment == "close"):
            for market in MARKETS:
                shown = {name: getattr(quote, name) for name in market}
                if any(price is not None for price in shown.values()):
                    prices |= shown
        latest.append(Quote(game_id, book, "last", now, shown_at, **prices))
    return latest
