"""What the market said about a game by a moment: the books' latest quotes as one consensus."""

from collections.abc import Iterable
from typing import NamedTuple

from feature_store.facts import Quote

MOMENT_ORDER = {"open": 0, "last": 1, "close": 2}


class Prices(NamedTuple):
    """Consensus of the books: probabilities without their margin, expected home margin and expected total.

    None where no book had quoted the market.
    """

    home: float | None
    draw: float | None
    away: float | None
    spread_line: float | None
    total_line: float | None

    @property
    def home_expectation(self) -> float | None:
        """P(home win) plus half of P(draw): what a rating's expected score means."""
        return None if self.home is None else self.home + (self.draw or 0.0) / 2


def consensus(quotes: Iterable[Quote], *, outcomes: int) -> Prices | None:
    """Mean over the books of each one's latest quote; None if nothing was quoted.

    The margin is taken out in proportion (multiplicative): a learner corrects what that leaves of the
    long-shot bias, and it is defined for any odds above 1.
    """
    latest: dict[str, Quote] = {}
    for quote in quotes:
        other = latest.get(quote.book)
        if other is None or _later(quote, other):
            latest[quote.book] = quote
    if not latest:
        return None
    fair = [probabilities for quote in latest.values() if (probabilities := _fair(quote, outcomes)) is not None]
    home, draw, away = (sum(side) / len(fair) for side in zip(*fair, strict=True)) if fair else (None, None, None)
    return Prices(
        home,
        draw if outcomes == 3 else None,
        away,
        _mean([quote.spread_line for quote in latest.values()]),
        _mean([quote.total_line for quote in latest.values()]),
    )


def _later(quote: Quote, other: Quote) -> bool:
    return (quote.known_at, MOMENT_ORDER[quote.moment]) > (other.known_at, MOMENT_ORDER[other.moment])


def _fair(quote: Quote, outcomes: int) -> tuple[float, float, float] | None:
    if quote.odds_home is None or quote.odds_away is None or (outcomes == 3 and quote.odds_draw is None):
        return None
    home, away = 1 / quote.odds_home, 1 / quote.odds_away
    draw = 1 / quote.odds_draw if outcomes == 3 and quote.odds_draw is not None else 0.0
    booked = home + draw + away
    return home / booked, draw / booked, away / booked


def _mean(values: list[float | None]) -> float | None:
    given = [value for value in values if value is not None]
    return sum(given) / len(given) if given else None
