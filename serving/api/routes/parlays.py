"""Parlays: bets on several games that must all win. Bets on one game keep their correlation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response

from core.betting.markets import MarketSelection, Pricing, combine
from core.betting.scores import ScoreDistribution
from core.betting.staking import parlay
from core.betting.value import Value
from core.errors import ValidationError
from serving.api.bet_schemas import Leg, ParlayAnswer, ParlayQuestion
from serving.api.responses import as_json, guarded_router, problems
from serving.bets.no_value import NoValue
from serving.bets.price_age import best_document, prices_document
from serving.bets.valuation import BetValuation, decimal_odds, offer_document
from serving.games.slate import key_of
from serving.predictions.body import game_document, odds_document
from serving.predictions.predictor import GameForecast
from serving.service import Service, ServiceDep

router = guarded_router("prices")


@dataclass(frozen=True, eq=False)
class _ForecastLeg:
    """A leg with the forecast and the valuation of its game."""

    leg: Leg
    game: GameForecast
    valuation: BetValuation
    odds: float

    def pricing(self, scores: ScoreDistribution) -> Pricing:
        bets = [MarketSelection(bet.market, bet.selection, bet.line) for bet in self.leg.bets]
        return combine(scores, bets, ties=self.game.champion.ties)

    def reason_against(self, now: datetime) -> NoValue | None:
        """Return why it cannot be valued; None if it can."""
        return self.valuation.reason_against(now, *(bet.market for bet in self.leg.bets))


@router.post(
    "/v1/parlays", response_model=ParlayAnswer, responses=problems(404, 413, 422, 503), summary="Price a parlay"
)
def price_parlay(request: ParlayQuestion, service: ServiceDep) -> Response:
    """Probabilities and fair odds of bets that must all win, with value and stake at the odds of the legs.

    Games are independent of each other. Bets on one game are priced from its score distribution, so that their
    correlation is included. Value and stake follow the rule of `/v1/prices`.
    """
    service.load.check("batch")
    now = service.clock.now()
    legs = [_forecast_leg(service, leg, now) for leg in request.legs]
    _check_different_games(legs)
    own = [leg.pricing(leg.valuation.scores) for leg in legs]
    whole = parlay([(pricing, leg.odds) for pricing, leg in zip(own, legs, strict=True)])
    return as_json(
        {
            "legs": [_leg_document(leg, pricing, now) for leg, pricing in zip(legs, own, strict=True)],
            **vars(whole.pricing),
            "fair_odds": odds_document(whole.pricing.fair_odds),
            "offer": offer_document(whole.decimal_odds, _value_of(legs, now), request.bankroll),
        }
    )


def _forecast_leg(service: Service, leg: Leg, now: datetime) -> _ForecastLeg:
    priced = service.priced_games.of(leg.sport, leg.league, leg.game_id, now)
    return _ForecastLeg(leg, priced.game, priced.valuation, decimal_odds(leg.odds, leg.format))


def _check_different_games(legs: Sequence[_ForecastLeg]) -> None:
    games = [key_of(leg.game.row) for leg in legs]
    repeated = [game for number, game in enumerate(games) if game in games[:number]]
    if repeated:
        msg = f"legs: game {repeated[0][2]} appears in two legs."
        raise ValidationError(msg, hint="Put all bets on a game into one leg.", field="legs")


def _leg_document(leg: _ForecastLeg, pricing: Pricing, now: datetime) -> dict[str, Any]:
    return {
        "game": game_document(leg.game.row, now),
        "bets": [bet.model_dump() for bet in leg.leg.bets],
        **vars(pricing),
        "fair_odds": odds_document(pricing.fair_odds),
        "decimal": round(leg.odds, 4),
        **prices_document(leg.valuation, _weakest(leg), now),
        "best": _best_of(leg, now),
        "model": {"name": leg.game.champion.model, "version": leg.game.champion.version.version},
        **leg.game.age(now),
    }


def _best_of(leg: _ForecastLeg, now: datetime) -> dict[str, Any] | None:
    """Return the longest fresh odds of the leg's bet; None for several bets, which no book shows together."""
    if len(leg.leg.bets) > 1:
        return None
    (bet,) = leg.leg.bets
    return best_document(leg.valuation, MarketSelection(bet.market, bet.selection, bet.line), now)


def _weakest(leg: _ForecastLeg) -> str:
    """Return the market of the leg whose prices the fewest books show."""
    agreements = {bet.market: leg.valuation.agreement(bet.market) for bet in leg.leg.bets}
    return min(agreements, key=lambda market: 0 if (held := agreements[market]) is None else held.books)


def _value_of(legs: Sequence[_ForecastLeg], now: datetime) -> tuple[Pricing, Value] | NoValue:
    """Return pricing and edge of the parlay, or which leg cannot be valued and why.

    The ends of the interval combine the lower ends, or the upper ends, of all legs. That is wider than for independent
    errors, because legs of one league share their pooling weight.
    """
    for number, leg in enumerate(legs, start=1):
        if (reason := leg.reason_against(now)) is not None:
            return reason._replace(text=f"Leg {number}: {reason.text}")
    pricings, low, high = [], 1.0, 1.0
    for leg in legs:
        pricing, edge = leg.valuation.value(leg.pricing, leg.odds)
        pricings.append((pricing, leg.odds))
        low, high = low * (1 + edge.low), high * (1 + edge.high)
    whole = parlay(pricings)
    return whole.pricing, Value(whole.expected_value, low - 1, high - 1)
