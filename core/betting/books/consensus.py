"""The consensus of several books' quotes: chances without the overround, and how far the books agree."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from core.arrays import FloatArray
from core.betting.books.quotes import BookQuote, moneyline
from core.betting.market_pooling import MarketView
from core.betting.odds import DevigMethod, devig

NO_WEIGHTS: Final[Mapping[str, float]] = {}
"""Every book counts the same."""


@dataclass(frozen=True)
class Agreement:
    """How many books a consensus is made of, how far they agree, and how old it is."""

    books: int
    quoted_at: datetime
    """Moment of the oldest quote in it: its age is that of the consensus."""
    disagreement: float
    """Standard deviation between the books of the first outcome's probability; 0 for a single book."""


@dataclass(frozen=True)
class Consensus:
    """The chances by several books, and their agreement by kind of price: outcome, spread, total."""

    view: MarketView
    agreement: Mapping[str, Agreement]

    @property
    def books(self) -> int:
        """Number of books of the kind of price that most books show."""
        return max((kind.books for kind in self.agreement.values()), default=0)


NO_CONSENSUS: Final = Consensus(MarketView(None), {})


def consensus(
    quotes: Sequence[BookQuote],
    *,
    outcomes: int,
    method: DevigMethod = "multiplicative",
    weights: Mapping[str, float] = NO_WEIGHTS,
) -> Consensus:
    """The weighted mean of the books' chances, each market by itself; a book without a weight counts 1.

    Outcomes: the mean of the normalised implied probabilities; the mean overround is added again and taken out by
    ``method``, as for the mean book that the pooling weight was learnt on. Spread and total: the books differ in the
    line, too. The line that most books show at a price counts, and the mean chance at it among those books; of equally
    frequent lines the one nearest to the mean of all. Spreads without prices have their mean line, at even chances.
    """
    share = {quote.book: weights.get(quote.book, 1.0) for quote in quotes}
    outcome, of_outcome = _outcome(quotes, share, outcomes, method)
    spread, cover, of_spread = _at_a_line(quotes, share, _spread)
    if spread is None:
        spread, of_spread = _mean_spread(quotes, share)
    total, over, of_total = _at_a_line(quotes, share, _total)
    kinds = {"outcome": of_outcome, "spread": of_spread, "total": of_total}
    return Consensus(
        MarketView(outcome, spread, total, over, cover),
        {name: kind for name, kind in kinds.items() if kind is not None},
    )


def _outcome(
    quotes: Sequence[BookQuote], share: Mapping[str, float], outcomes: int, method: DevigMethod
) -> tuple[tuple[float, ...] | None, Agreement | None]:
    shown = [(quote, odds) for quote in quotes if (odds := _moneyline(quote, outcomes)) is not None]
    if not shown:
        return None, None
    implied = 1 / np.array([odds for _, odds in shown])
    booked = implied.sum(axis=1)
    chances = implied / booked[:, None]
    own = np.array([share[quote.book] for quote, _ in shown])
    mean = own @ chances / own.sum()
    overround = float(own @ (booked - 1) / own.sum())
    fair = devig(1 / (mean * (1 + overround)), method)[0]
    agreement = _agreement([quote for quote, _ in shown], chances[:, 0], own)
    return tuple(fair.tolist()), agreement


def _moneyline(quote: BookQuote, outcomes: int) -> tuple[float, ...] | None:
    """The odds of every outcome; None unless all are shown."""
    odds = moneyline(quote, outcomes)
    return None if None in odds else odds  # type: ignore[return-value]


def _spread(quote: BookQuote) -> tuple[float | None, float | None, float | None]:
    return quote.spread_line, quote.odds_home_spread, quote.odds_away_spread


def _total(quote: BookQuote) -> tuple[float | None, float | None, float | None]:
    return quote.total_line, quote.odds_over, quote.odds_under


def _at_a_line(
    quotes: Sequence[BookQuote],
    share: Mapping[str, float],
    shown_by: Callable[[BookQuote], tuple[float | None, float | None, float | None]],
) -> tuple[float | None, float | None, Agreement | None]:
    """The most frequent line with the mean chance above it; None without a line at a price."""
    priced = [
        (quote, line, (1 / above) / (1 / above + 1 / below))
        for quote in quotes
        for line, above, below in (shown_by(quote),)
        if line is not None and above is not None and below is not None
    ]
    if not priced:
        return None, None, None
    counts = Counter(line for _, line, _ in priced)
    mean = float(np.mean([line for _, line, _ in priced]))
    line = min(counts, key=lambda one: (-counts[one], abs(one - mean), one))
    chosen = [(quote, chance) for quote, own, chance in priced if own == line]
    chances = np.array([chance for _, chance in chosen])
    own = np.array([share[quote.book] for quote, _ in chosen])
    return line, float(own @ chances / own.sum()), _agreement([quote for quote, _ in chosen], chances, own)


def _mean_spread(quotes: Sequence[BookQuote], share: Mapping[str, float]) -> tuple[float | None, Agreement | None]:
    shown = [(quote, quote.spread_line) for quote in quotes if quote.spread_line is not None]
    if not shown:
        return None, None
    lines = np.array([line for _, line in shown])
    own = np.array([share[quote.book] for quote, _ in shown])
    even = np.full(len(lines), 0.5)
    return float(own @ lines / own.sum()), _agreement([quote for quote, _ in shown], even, own)


def _agreement(quotes: Sequence[BookQuote], chances: FloatArray, share: FloatArray) -> Agreement:
    mean = share @ chances / share.sum()
    variance = share @ (chances - mean) ** 2 / share.sum()
    return Agreement(len(quotes), min(quote.quoted_at for quote in quotes), float(np.sqrt(variance)))
