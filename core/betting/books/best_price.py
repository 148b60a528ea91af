"""The best price that any book shows for a bet."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from core.betting.books.quotes import BookQuote
from core.betting.markets import MarketSelection


class BookPrice(NamedTuple):
    """One book's price of a bet."""

    book: str
    decimal: float
    quoted_at: datetime


def best_price(quotes: Sequence[BookQuote], bet: MarketSelection) -> BookPrice | None:
    """The longest odds among the quotes that may be displayed; of equal ones the youngest. None if no book shows it."""
    prices = [
        BookPrice(quote.book, odds, quote.quoted_at)
        for quote in quotes
        if quote.displayed
        for shown, odds in bets_of(quote)
        if shown == bet
    ]
    return max(prices, key=lambda price: (price.decimal, price.quoted_at, price.book), default=None)


def quoted_bets(quotes: Iterable[BookQuote]) -> list[MarketSelection]:
    """Every bet that a book shows a price for, once, in the order in which they are first shown."""
    return list(dict.fromkeys(bet for quote in quotes if quote.displayed for bet, _ in bets_of(quote)))


def bets_of(quote: BookQuote) -> Iterator[tuple[MarketSelection, float]]:
    """The bets that a book shows with their decimal odds; lines have the bookmaker's sign, as in ``markets.price``."""
    spread, total = quote.spread_line, quote.total_line
    shown = [
        (MarketSelection("moneyline", "home"), quote.odds_home),
        (MarketSelection("moneyline", "draw"), quote.odds_draw),
        (MarketSelection("moneyline", "away"), quote.odds_away),
        (MarketSelection("both_teams_score", "yes"), quote.odds_both_score),
        (MarketSelection("both_teams_score", "no"), quote.odds_not_both_score),
    ]
    if spread is not None:
        shown += [
            (MarketSelection("spread", "home", -spread or 0.0), quote.odds_home_spread),
            (MarketSelection("spread", "away", spread or 0.0), quote.odds_away_spread),
        ]
    if total is not None:
        shown += [
            (MarketSelection("total", "over", total), quote.odds_over),
            (MarketSelection("total", "under", total), quote.odds_under),
        ]
    for bet, odds in shown:
        if odds is not None:
            yield bet, odds
