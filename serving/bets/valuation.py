"""Value and stake of a bet: the model's score distribution, pooled with the market's prices by a learned weight."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from core.betting.market_pooling import MarketView, PooledDistributions, pool_with_interval, pooled_scores
from core.betting.markets import Pricing
from core.betting.odds import american_to_decimal, devig
from core.betting.scores import ScoreDistribution
from core.betting.staking import kelly_fraction, stakes
from core.betting.value import Value
from core.errors import ValidationError
from core.registry.pooling_weight import PoolingWeight
from feature_store.rows.online import OnlineRow
from serving.predictions.body import has_begun, odds_document
from serving.predictions.predictor import GameForecast

OddsFormat = Literal["decimal", "american"]
SMALLEST_AMERICAN: Final = 100

GAME_BEGUN: Final = "No value, no stake: the game has begun."
DATA_STALE: Final = "No value, no stake: the data is stale, and prices may have moved."
NOT_EVALUATED: Final = "No value, no stake: the model has not been evaluated beside prices."
NO_MARKET_PRICE: Final = "No value, no stake: no bookmaker's price for this kind of bet."
EDGE_UNCERTAIN: Final = "No stake: the 90 % interval of the edge includes zero."


@dataclass(frozen=True, eq=False)
class BetValuation:
    """What is needed to value bets on one game: the model's scores, the market's prices, and the pooling weight."""

    scores: ScoreDistribution
    belief: PoolingWeight | None
    market: MarketView
    begun: bool
    stale: bool

    @classmethod
    def of(cls, game: GameForecast, now: datetime) -> "BetValuation":
        """Return the valuation of a forecast beside the prices in its feature row."""
        belief = game.champion.bundle.forecaster.spec.belief
        market = _market(belief, game.row)
        return cls(game.forecast.scores, belief, market, has_begun(game.row, now), game.stale)

    def reason_against(self, *markets: str) -> str | None:
        """Return why bets on these markets cannot be valued; None if they can."""
        if self.begun:
            return GAME_BEGUN
        if self.stale:
            return DATA_STALE
        if self.belief is None:
            return NOT_EVALUATED
        return None if all(self.market.covers(market) for market in markets) else NO_MARKET_PRICE

    def market_scores(self, market: str) -> ScoreDistribution | None:
        """Return the distribution by the bookmakers' prices alone; None without the prices that the market needs."""
        return pooled_scores(self.scores, self.market, 0.0) if self.market.covers(market) else None

    def pooled(self) -> PooledDistributions:
        """Return model and market pooled. Requires that ``reason_against`` is None."""
        assert self.belief is not None  # noqa: S101 - reason_against is None
        return pool_with_interval(self.scores, self.market, self.belief.shrinkage)


def _market(belief: PoolingWeight | None, row: OnlineRow) -> MarketView:
    """Return the bookmakers' latest prices of the game, de-vigged by the league's method."""
    prices = row.prices
    if prices is None:
        return MarketView(None)
    odds = prices.odds
    outcome = None if odds is None else devig(odds, "multiplicative" if belief is None else belief.devig)[0].tolist()
    return MarketView(outcome and tuple(outcome), prices.spread_line, prices.total_line, prices.over)


def decimal_odds(odds: float, odds_format: OddsFormat | None) -> float:
    """Return decimal odds; without a format, odds of 100 and more, or -100 and less, are American."""
    if odds_format == "american" or (odds_format is None and abs(odds) >= SMALLEST_AMERICAN):
        return american_to_decimal(odds)
    if odds <= 1:
        msg = f"odds: decimal odds must be above 1, got {odds:g}."
        raise ValidationError(msg, hint="American odds must be at most -100 or at least 100.", field="odds")
    return odds


def offer_document(decimal: float, valued: tuple[Pricing, Value] | str, bankroll: float) -> dict[str, Any]:
    """Return the offered odds with their value and stake, or with the reason why they cannot be valued or stated."""
    odds = odds_document(decimal)
    if odds["decimal"] is None:
        return {**odds, "value": None, "stake": 0.0}
    if isinstance(valued, str):
        return {**odds, "value": None, "stake": 0.0, "note": valued}
    pricing, edge = valued
    value = {
        **vars(pricing),
        "expected_value": edge.expected_value,
        "low": edge.low,
        "high": edge.high,
        "is_value": edge.is_certain,
    }
    (stake,) = stakes([kelly_fraction(pricing, decimal) if edge.is_certain else 0.0], bankroll)
    return {**odds, "value": value, "stake": round(stake, 2), "note": None if edge.is_certain else EDGE_UNCERTAIN}
