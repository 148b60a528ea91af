"""How the prices of one game have moved, from the quotes that the archive has recorded."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from core.betting.books.best_price import bets_of
from core.betting.books.movement import BookMovement, PricePoint, Steam, book_movement, find_steam
from core.betting.books.quotes import BookQuote, book_key
from core.betting.markets import MarketSelection, price
from core.betting.odds import devig
from core.betting.scores import ScoreDistribution
from feature_store.archive.facts import Quote

SIDES: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("moneyline", "home"): ("odds_home", "odds_draw", "odds_away"),
    ("moneyline", "draw"): ("odds_draw", "odds_home", "odds_away"),
    ("moneyline", "away"): ("odds_away", "odds_home", "odds_draw"),
    ("spread", "home"): ("odds_home_spread", "odds_away_spread"),
    ("total", "over"): ("odds_over", "odds_under"),
    ("both_teams_score", "yes"): ("odds_both_score", "odds_not_both_score"),
}
"""The bets whose movement is given, each with its own odds first and those against it."""


PRICES: Final = BookQuote._fields[BookQuote._fields.index("odds_home") :]


@dataclass(frozen=True)
class BetMovement:
    """The movement of one bet's price at every book that has shown it."""

    market: str
    selection: str
    books: list[BookMovement]
    steam: list[Steam]


def movements(
    history: Iterable[tuple[Quote, str]], scores: ScoreDistribution, *, outcomes: int, ties: str
) -> list[BetMovement]:
    """Return the movement of each bet that any book has shown, from quotes with their sources in order of time.

    A book that has shown a price once has opened and not moved. Where the line has changed, what the new one is worth
    comes from the score distribution.
    """
    quotes = _followed(history)
    found = []
    for (market, selection), sides in SIDES.items():
        shown = [side for side in sides if side != "odds_draw" or outcomes == 3]
        points = _points_by_book(quotes, market, selection, shown)
        if points:
            shift_of = _shift_of(scores, market, selection, ties)
            books = [book_movement(book, of_book, shift_of) for book, of_book in sorted(points.items())]
            found.append(BetMovement(market, selection, books, find_steam(points, shift_of)))
    return found


def _followed(history: Iterable[tuple[Quote, str]]) -> list[Quote]:
    """The quotes of each book by the source that has followed it for the longest, in order of time.

    Two sources see a book's price at different moments, so that turning from one to the other would look like a move,
    and like steam where it happens to several books at once.
    """
    of_books: dict[str, dict[str, list[Quote]]] = {}
    for quote, source in history:
        of_books.setdefault(book_key(quote.book), {}).setdefault(source, []).append(quote)
    chosen = (max(by_source.values(), key=_time_followed) for by_source in of_books.values())
    return sorted((quote for quotes in chosen for quote in quotes), key=lambda quote: quote.known_at)


def _time_followed(quotes: Sequence[Quote]) -> tuple[timedelta, float]:
    """From the first quote to the last one; of equal times the earlier opening is the greater."""
    first = quotes[0].known_at
    return quotes[-1].known_at - first, -first.timestamp()


def _points_by_book(
    quotes: Iterable[Quote], market: str, selection: str, sides: list[str]
) -> dict[str, list[PricePoint]]:
    points: dict[str, list[PricePoint]] = {}
    for quote in quotes:
        point = _point(quote, market, selection, sides)
        if point is not None:
            of_book = points.setdefault(quote.book, [])
            if not of_book or of_book[-1][1:] != point[1:]:
                of_book.append(point)
    return points


def _point(quote: Quote, market: str, selection: str, sides: list[str]) -> PricePoint | None:
    """The price of the bet in one quote; None unless every side is shown, without which there is no chance."""
    odds = [getattr(quote, side) for side in sides]
    if None in odds:
        return None
    shown = BookQuote(quote.book, quote.quoted_at, **{name: getattr(quote, name) for name in PRICES})
    for bet, decimal in bets_of(shown, outcomes=3 if "odds_draw" in sides else 2):
        if (bet.market, bet.selection) == (market, selection):
            return PricePoint(quote.quoted_at, decimal, float(devig(odds, "multiplicative")[0][0]), bet.line)
    return None


def _shift_of(scores: ScoreDistribution, market: str, selection: str, ties: str) -> Callable[[float, float], float]:
    chances: dict[float, float] = {}

    def chance(line: float) -> float:
        if line not in chances:
            bet = MarketSelection(market, selection, line)
            pricing = price(scores, bet.market, bet.selection, bet.line, ties=ties)
            chances[line] = pricing.win / (pricing.win + pricing.lose)
        return chances[line]

    return lambda before, after: chance(after) - chance(before)
