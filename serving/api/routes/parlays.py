"""What bets on several games are worth that must all win; bets on one game keep their correlation."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Response

from core.betting.markets import Bet, Pricing, combine
from core.betting.scores import ScoreDistribution
from core.betting.staking import parlay
from core.betting.value import Value
from core.errors import ValidationError
from serving.api.bet_schemas import Leg, ParlayAnswer, ParlayQuestion
from serving.api.responses import as_json, guarded_router, problems
from serving.bets.valuation import Judge, decimal_odds, offer_document
from serving.games.slate import key_of
from serving.predictions.body import game_document, odds_document
from serving.predictions.predictor import GameForecast
from serving.service import Service, ServiceDep

router = guarded_router("prices")


@dataclass(frozen=True, eq=False)
class _Asked:
    """One leg with everything that is needed to price it."""

    leg: Leg
    made: GameForecast
    judge: Judge
    odds: float

    def pricing(self, scores: ScoreDistribution) -> Pricing:
        bets = [Bet(bet.market, bet.selection, bet.line) for bet in self.leg.bets]
        return combine(scores, bets, ties=self.made.champion.ties)

    def silence(self) -> str | None:
        """Why it cannot be judged; None if it can."""
        return self.judge.silent_on(*(bet.market for bet in self.leg.bets))


@router.post(
    "/v1/parlays", response_model=ParlayAnswer, responses=problems(404, 413, 422, 503), summary="Price a parlay"
)
def price_parlay(asked: ParlayQuestion, service: ServiceDep) -> Response:
    """Chances and fair odds of bets that must all win, and what they are worth at the odds of their legs.

    Games are independent of each other; the bets of one game are taken from its one score distribution. Values and
    stakes follow the rule of ``/v1/prices``.
    """
    service.load.check("batch")
    now = service.clock.now()
    legs = [_found(service, leg, now) for leg in asked.legs]
    _must_differ(legs)
    own = [leg.pricing(leg.judge.scores) for leg in legs]
    whole = parlay([(pricing, leg.odds) for pricing, leg in zip(own, legs, strict=True)])
    return as_json(
        {
            "legs": [_leg_document(leg, pricing, now) for leg, pricing in zip(legs, own, strict=True)],
            **vars(whole.pricing),
            "fair_odds": odds_document(whole.pricing.fair_odds),
            "offer": offer_document(whole.decimal_odds, _judged(legs), asked.bankroll),
        }
    )


def _found(service: Service, leg: Leg, now: datetime) -> _Asked:
    made = service.predictor.forecast(leg.sport, leg.league, leg.game_id, now)
    return _Asked(leg, made, Judge.of(made, now), decimal_odds(leg.odds, leg.format))


def _must_differ(legs: Sequence[_Asked]) -> None:
    games = [key_of(leg.made.row) for leg in legs]
    twice = [game for number, game in enumerate(games) if game in games[:number]]
    if twice:
        msg = f"legs: game {twice[0][2]} is in two legs."
        raise ValidationError(msg, hint="Bets on one game are one leg with several bets.", field="legs")


def _leg_document(leg: _Asked, pricing: Pricing, now: datetime) -> dict[str, Any]:
    return {
        "game": game_document(leg.made.row, now),
        "bets": [bet.model_dump() for bet in leg.leg.bets],
        **vars(pricing),
        "fair_odds": odds_document(pricing.fair_odds),
        "decimal": round(leg.odds, 4),
        "model": {"name": leg.made.champion.model, "version": leg.made.champion.version.version},
        **leg.made.age(now),
    }


def _judged(legs: Sequence[_Asked]) -> tuple[Pricing, Value] | str:
    """The whole's pricing and edge as they are believed, or which leg cannot be judged and why.

    The interval has every leg at the worse end of its own, or every leg at the better one: wider than chance alone
    would have it, since legs of one league share their belief.
    """
    for number, leg in enumerate(legs, start=1):
        if (reason := leg.silence()) is not None:
            return f"Leg {number}: {reason}"
    pricings, low, high = [], 1.0, 1.0
    for leg in legs:
        pricing, edge = leg.judge.believed().value_bet(leg.pricing, leg.odds)
        pricings.append((pricing, leg.odds))
        low, high = low * (1 + edge.low), high * (1 + edge.high)
    whole = parlay(pricings)
    return whole.pricing, Value(whole.expected_value, low - 1, high - 1)
