"""What a bet is worth to somebody who believes the model as far as it has earned, and how many units it deserves."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from core.betting.market_pooling import MarketView, PooledDistributions, pool_with_interval, pooled_scores
from core.betting.markets import Pricing
from core.betting.odds import american_to_decimal, decimal_to_american, devig
from core.betting.scores import ScoreDistribution
from core.betting.staking import kelly_fraction, stakes
from core.betting.value import Value
from core.errors import ValidationError
from core.registry.pooling_weight import PoolingWeight
from feature_store.rows.online import OnlineRow
from serving.predictions.body import has_begun
from serving.predictions.predictor import GameForecast

OddsFormat = Literal["decimal", "american"]
SMALLEST_AMERICAN: Final = 100

BEGUN: Final = "The game has begun: no value, no stake."
STALE: Final = "The data cannot be checked now, and prices may have moved: no value, no stake."
NOT_PROVED: Final = "The model has not been proved beside prices: no value, no stake."
NO_PRICE: Final = "No book's price of this kind of bet is known: no value, no stake."
NOT_SURE: Final = "The edge is not surely above nothing: no stake."


@dataclass(frozen=True, eq=False)
class Judge:
    """One game, its model's word, the books' word, and how far the one is believed beside the other."""

    scores: ScoreDistribution
    belief: PoolingWeight | None
    market: MarketView
    begun: bool
    stale: bool

    @classmethod
    def of(cls, made: GameForecast, now: datetime) -> "Judge":
        """Of a forecast and the prices known beside it."""
        belief = made.champion.bundle.forecaster.spec.belief
        market = _market(belief, made.row)
        return cls(made.forecast.scores, belief, market, has_begun(made.row, now), made.stale)

    def silent_on(self, *markets: str) -> str | None:
        """Why bets on these markets cannot be judged; None if they can."""
        if self.begun:
            return BEGUN
        if self.stale:
            return STALE
        if self.belief is None:
            return NOT_PROVED
        return None if all(self.market.covers(market) for market in markets) else NO_PRICE

    def market_scores(self, market: str) -> ScoreDistribution | None:
        """The distribution by the books' word alone; None where they say nothing of the market."""
        return pooled_scores(self.scores, self.market, 0.0) if self.market.covers(market) else None

    def believed(self) -> PooledDistributions:
        """What is believed. Only where ``silent_on`` gives no reason against it."""
        assert self.belief is not None  # noqa: S101 - the caller asked
        return pool_with_interval(self.scores, self.market, self.belief.shrinkage)


def _market(belief: PoolingWeight | None, row: OnlineRow) -> MarketView:
    """The books' latest prices of the game, the margin taken out by the league's own method."""
    prices = row.prices
    if prices is None:
        return MarketView(None)
    odds = prices.odds
    outcome = None if odds is None else devig(odds, "multiplicative" if belief is None else belief.devig)[0].tolist()
    return MarketView(outcome and tuple(outcome), prices.spread_line, prices.total_line, prices.over)


def decimal_odds(odds: float, written: OddsFormat | None) -> float:
    """The odds as decimal ones; without a format, what is 100 or more either way is American."""
    if written == "american" or (written is None and abs(odds) >= SMALLEST_AMERICAN):
        return american_to_decimal(odds)
    if odds <= 1:
        msg = f"odds: decimal odds are above 1, got {odds:g}."
        raise ValidationError(msg, hint="American odds are at most -100 or at least 100.", field="odds")
    return odds


def offer_document(decimal: float, judged: tuple[Pricing, Value] | str, bankroll: float) -> dict[str, Any]:
    """The odds asked about, with their value and stake, or with the reason why they cannot be judged."""
    odds = {"decimal": round(decimal, 4), "american": round(decimal_to_american(decimal))}
    if isinstance(judged, str):
        return {**odds, "value": None, "stake": 0.0, "note": judged}
    pricing, edge = judged
    said = {
        **vars(pricing),
        "expected_value": edge.expected_value,
        "low": edge.low,
        "high": edge.high,
        "is_value": edge.is_certain,
    }
    (stake,) = stakes([kelly_fraction(pricing, decimal) if edge.is_certain else 0.0], bankroll)
    return {**odds, "value": said, "stake": round(stake, 2), "note": None if edge.is_certain else NOT_SURE}
