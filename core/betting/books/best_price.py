"""The best price that any book shows for a bet."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from core.betting.books.quotes import BookQuote, moneyline, sides_of
from core.betting.markets import OVER_UNDER, MarketSelection, is_quarter

NO_LINES: Final[Mapping[str, float]] = {}


class BookPrice(NamedTuple):
    """One book's price of a bet."""

    book: str
    decimal: float
    quoted_at: datetime


def best_price(quotes: Sequence[BookQuote], bet: MarketSelection, *, outcomes: int) -> BookPrice | None:
    """The longest odds among the quotes that may be displayed; of equal ones the youngest. None if no book shows it."""
    prices = [
        BookPrice(quote.book, odds, quote.quoted_at)
        for quote in quotes
        if quote.displayed
        for shown, odds in bets_of(quote, outcomes)
        if shown == bet
    ]
    return max(prices, key=lambda price: (price.decimal, price.quoted_at, price.book), default=None)


def quoted_bets(quotes: Iterable[BookQuote], *, outcomes: int) -> list[MarketSelection]:
    """Every bet that a book shows a price for, once, in the order in which they are first shown."""
    shown = (bet for quote in quotes if quote.displayed for bet, _ in bets_of(quote, outcomes))
    return list(dict.fromkeys(shown))


def bets_of(quote: BookQuote, outcomes: int) -> Iterator[tuple[MarketSelection, float]]:
    """The bets that a book shows with their decimal odds; lines have the bookmaker's sign, as in ``markets.price``.

    ``outcomes`` are those of the league's moneyline. A market without one of its sides is left out, because a single
    typing error in its odds cannot be seen; so is a line between the quarters, which is the mean of several.
    """
    yield from _whole("moneyline", dict(zip(sides_of(outcomes), moneyline(quote, outcomes), strict=True)))
    yield from _whole("both_teams_score", {"yes": quote.odds_both_score, "no": quote.odds_not_both_score})
    spread, total = quote.spread_line, quote.total_line
    if spread is not None and is_quarter(spread):
        lines = {"home": -spread or 0.0, "away": spread or 0.0}
        yield from _whole("spread", {"home": quote.odds_home_spread, "away": quote.odds_away_spread}, lines)
    if total is not None and is_quarter(total):
        yield from _whole(
            "total", {"over": quote.odds_over, "under": quote.odds_under}, dict.fromkeys(OVER_UNDER, total)
        )


def _whole(
    market: str, odds: Mapping[str, float | None], lines: Mapping[str, float] = NO_LINES
) -> Iterator[tuple[MarketSelection, float]]:
    """A market's bets; none unless every side is shown."""
    shown = [(MarketSelection(market, side, lines.get(side)), price) for side, price in odds.items() if price]
    if len(shown) == len(odds):
        yield from shown
