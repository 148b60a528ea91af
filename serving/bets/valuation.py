"""Value and stake of a bet: the model's score distribution, pooled with the books' fresh prices by a learned weight."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal

from core.betting.books.consensus import Agreement, Consensus, consensus
from core.betting.books.quotes import BookQuote, FreshnessRule, book_key
from core.betting.market_pooling import (
    REQUIRED_PRICES,
    MarketView,
    PooledDistributions,
    pool_with_interval,
    pooled_scores,
)
from core.betting.markets import Pricing
from core.betting.odds import american_to_decimal
from core.betting.scores import ScoreDistribution
from core.betting.staking import kelly_fraction, stakes
from core.betting.value import Value
from core.errors import ValidationError
from core.registry.pooling_weight import PoolingWeight
from serving.bets.no_value import (
    DATA_STALE,
    EDGE_UNCERTAIN,
    GAME_BEGUN,
    NO_MARKET_PRICE,
    NOT_EVALUATED,
    NoValue,
    price_too_old,
    too_few_books,
)
from serving.games.slate_quotes import GameQuotes
from serving.predictions.body import NOT_STATED, odds_document
from serving.predictions.predictor import GameForecast

OddsFormat = Literal["decimal", "american"]
PricingOf = Callable[[ScoreDistribution], Pricing]
SMALLEST_AMERICAN: Final = 100
MOST_VIEWS: Final = 4
"""Views of the market whose pooled distributions are kept for further bets: three grids each."""


@dataclass(frozen=True, eq=False)
class BetValuation:
    """What is needed to value bets on one game: the model's scores, the books' quotes, and the pooling weight."""

    scores: ScoreDistribution
    belief: PoolingWeight | None
    quotes: Sequence[BookQuote]
    """The youngest first."""
    fresh: int
    """How many of them are young enough to count."""
    rule: FreshnessRule
    outcomes: int
    start_at: datetime
    stale: bool

    @classmethod
    def of(cls, game: GameForecast, quotes: GameQuotes, now: datetime) -> "BetValuation":
        """Return the valuation of a forecast beside the quotes of its game."""
        return cls(
            scores=game.forecast.scores,
            belief=game.champion.bundle.forecaster.spec.belief,
            quotes=quotes.quotes,
            fresh=len(quotes.fresh(now)),
            rule=quotes.rule,
            outcomes=quotes.outcomes,
            start_at=game.row.game.start_at,
            stale=game.stale,
        )

    def beside_others(self, book: str) -> "BetValuation":
        """Return the valuation without a book's own quotes, to judge its price by those of the others.

        In any spelling of the book's name.
        """
        own = book_key(book)
        others = [quote for quote in self.quotes if book_key(quote.book) != own]
        fresh = sum(book_key(quote.book) != own for quote in self.fresh_quotes)
        return replace(self, quotes=others, fresh=fresh)

    @property
    def fresh_quotes(self) -> Sequence[BookQuote]:
        """The quotes that are young enough to count."""
        return self.quotes[: self.fresh]

    @cached_property
    def consensus(self) -> Consensus:
        """The consensus of the fresh quotes."""
        return self._consensus(self.fresh_quotes)

    @property
    def all_displayed(self) -> bool:
        """Whether the terms of every source of the fresh quotes allow to show them."""
        return len(self._displayed) == self.fresh

    @property
    def _displayed(self) -> list[BookQuote]:
        return [quote for quote in self.fresh_quotes if quote.displayed]

    def agreement(self, market: str) -> Agreement | None:
        """Return the agreement of the books on the prices that the market needs; of several kinds the weakest."""
        kinds = [self.consensus.agreement.get(kind) for kind in REQUIRED_PRICES[market]]
        shown = [kind for kind in kinds if kind is not None]
        return min(shown, key=lambda kind: (kind.books, kind.quoted_at)) if len(shown) == len(kinds) else None

    def reason_against(self, now: datetime, *markets: str) -> NoValue | None:
        """Return why bets on these markets cannot be valued now; None if they can."""
        if self.start_at <= now:
            return GAME_BEGUN
        if self.stale:
            return DATA_STALE
        if self.belief is None:
            return NOT_EVALUATED
        reasons = (self._reason_against_prices(kind, now) for market in markets for kind in REQUIRED_PRICES[market])
        return next((reason for reason in reasons if reason is not None), None)

    def market_scores(self, market: str) -> ScoreDistribution | None:
        """Return the distribution by the fresh prices alone that may be shown; None without those the market needs."""
        view, scores = self._displayed_market
        return scores if view.covers(market) else None

    @cached_property
    def _displayed_market(self) -> tuple[MarketView, ScoreDistribution]:
        view = self.consensus.view if self.all_displayed else self._consensus(self._displayed).view
        return view, pooled_scores(self.scores, view, 0.0)

    def value(self, pricing_of: PricingOf, decimal: float) -> tuple[Pricing, Value]:
        """Return pricing and edge at these odds. Requires that ``reason_against`` is None.

        Each chance is the worst of what the fresh quotes give and of what they give together with older ones: a price
        must not look better because another one has become too old to speak against it. The least edge alone would not
        do: a view in which more of the stake comes back has a smaller edge and may still ask for a larger stake.
        """
        values = [self._pooled_value(view, pricing_of, decimal) for view in self._views()]
        win, lose = min(one.win for one, _ in values), max(one.lose for one, _ in values)
        pricing = values[0][0] if len(values) == 1 else Pricing(win, 1 - win - lose, lose)
        edge = pricing.expected_value(decimal)
        return pricing, Value(
            edge, min(edge, *(one.low for _, one in values)), max(edge, min(one.high for _, one in values))
        )

    def _views(self) -> Iterator[MarketView]:
        """The consensus of the fresh quotes, then with older ones added, from the youngest on.

        Quotes of one moment become too old together, so they are added together.
        """
        moments = [quote.quoted_at for quote in self.quotes]
        ends = [count for count in range(1, len(moments)) if moments[count] != moments[count - 1]]
        seen: list[MarketView] = []
        for count in [self.fresh, *(end for end in [*ends, len(moments)] if end > self.fresh)]:
            view = self.consensus.view if count == self.fresh else self._consensus(self.quotes[:count]).view
            if view not in seen:
                seen.append(view)
                yield view

    def _pooled_value(self, view: MarketView, pricing_of: PricingOf, decimal: float) -> tuple[Pricing, Value]:
        assert self.belief is not None  # noqa: S101 - reason_against is None
        pooled = self._pooled.get(view)
        if pooled is None:
            pooled = pool_with_interval(self.scores, view, self.belief.shrinkage)
            if len(self._pooled) < MOST_VIEWS:
                self._pooled[view] = pooled
        return pooled.price_and_value(pricing_of, decimal)

    @cached_property
    def _pooled(self) -> dict[MarketView, PooledDistributions]:
        """The pooled distributions made so far: all bets on the game share them."""
        return {}

    def _consensus(self, quotes: Sequence[BookQuote]) -> Consensus:
        if self.belief is None:
            return consensus(quotes, outcomes=self.outcomes)
        return consensus(quotes, outcomes=self.outcomes, method=self.belief.devig, weights=self.belief.books)

    @cached_property
    def _of_all_ages(self) -> Consensus:
        return self._consensus(self.quotes)

    def _reason_against_prices(self, kind: str, now: datetime) -> NoValue | None:
        fresh, every = self.consensus.agreement.get(kind), self._of_all_ages.agreement.get(kind)
        if every is None:
            return NO_MARKET_PRICE
        books = 0 if fresh is None else fresh.books
        if books >= self.rule.least_books:
            return None
        if books and every.books < self.rule.least_books:
            return too_few_books(books, self.rule.least_books)
        first_too_old = self.quotes[min(self.fresh, len(self.quotes) - 1)]
        return price_too_old(now - first_too_old.quoted_at, self.rule.limit(self.start_at - now))


def decimal_odds(odds: float, odds_format: OddsFormat | None) -> float:
    """Return decimal odds; without a format, odds of 100 and more, or -100 and less, are American."""
    if odds_format == "american" or (odds_format is None and abs(odds) >= SMALLEST_AMERICAN):
        return american_to_decimal(odds)
    if odds <= 1:
        msg = f"odds: decimal odds must be above 1, got {odds:g}."
        raise ValidationError(msg, hint="American odds must be at most -100 or at least 100.", field="odds")
    return odds


def offer_document(decimal: float, valued: tuple[Pricing, Value] | NoValue, bankroll: float) -> dict[str, Any]:
    """Return the offered odds with their value and stake, or with the reason why they cannot be valued or stated."""
    odds = odds_document(decimal)
    if odds["decimal"] is None:
        return {**odds, "value": None, "stake": 0.0, "reason": "odds_not_stated", "note": NOT_STATED}
    if isinstance(valued, NoValue):
        return {**odds, "value": None, "stake": 0.0, "reason": valued.code, "note": valued.text}
    pricing, edge = valued
    value = {
        **vars(pricing),
        "expected_value": edge.expected_value,
        "low": edge.low,
        "high": edge.high,
        "is_value": edge.is_certain,
    }
    against = None if edge.is_certain else EDGE_UNCERTAIN
    return {
        **odds,
        "value": value,
        "stake": round(stake_of(pricing, edge, decimal, bankroll), 2),
        "reason": None if against is None else against.code,
        "note": None if against is None else against.text,
    }


def stake_of(pricing: Pricing, edge: Value, decimal: float, bankroll: float) -> float:
    """Return the stake in units: 0 unless the whole interval of the edge is above zero."""
    (stake,) = stakes([kelly_fraction(pricing, decimal) if edge.is_certain else 0.0], bankroll)
    return stake
