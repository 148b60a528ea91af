"""What an answer about a bet says of the prices behind it: how many books, from when, how old, how far they agree."""

from datetime import datetime
from typing import Any

from core.betting.books.best_price import BookPrice, best_price
from core.betting.markets import MarketSelection
from serving.bets.valuation import BetValuation
from serving.predictions.body import odds_document


def prices_document(valuation: BetValuation, market: str, now: datetime) -> dict[str, Any]:
    """Return the age of the fresh prices that the market needs; without any, of the game's newest price."""
    agreement = valuation.agreement(market)
    if agreement is not None:
        return {
            **aged(agreement.quoted_at, now),
            "books": agreement.books,
            # Of two books it would tell the price of the one whose terms forbid that.
            "disagreement": round(agreement.disagreement, 4) if valuation.all_displayed else None,
        }
    newest = valuation.quotes[0].quoted_at if valuation.quotes else None
    return {**aged(newest, now), "books": 0, "disagreement": None}


def best_document(valuation: BetValuation, bet: MarketSelection, now: datetime) -> dict[str, Any] | None:
    """Return the best fresh price of the bet; None if no book shows one."""
    best = best_price(valuation.fresh_quotes, bet, outcomes=valuation.outcomes)
    return None if best is None else book_price_document(best, now)


def book_price_document(price: BookPrice, now: datetime) -> dict[str, Any]:
    """Return one book's price with its age."""
    odds = odds_document(price.decimal)
    return {"book": price.book, "decimal": odds["decimal"], "american": odds["american"], **aged(price.quoted_at, now)}


def aged(quoted_at: datetime | None, now: datetime) -> dict[str, Any]:
    """Return a moment and its age, both None without a moment."""
    age = None if quoted_at is None else round(max(0.0, (now - quoted_at).total_seconds()), 3)
    return {"quoted_at": quoted_at, "price_age_s": age}
