"""What a bet is worth: any market of a game, at any line and odds."""

from typing import Annotated, Any, Literal

from fastapi import Query, Response

from core.betting.markets import SELECTIONS, Pricing, price
from core.betting.odds import american_to_decimal, decimal_to_american
from core.betting.staking import kelly_fraction
from core.errors import ValidationError
from serving.answers import game_document, odds_document
from serving.routes.answering import GameIdPath, LeaguePath, SportPath, as_json, guarded_router, problems
from serving.shapes import Price
from serving.state import ServiceDep

OddsFormat = Literal["decimal", "american"]
SMALLEST_AMERICAN = 100
LARGEST_LINE = 1_000
LARGEST_ODDS = 1_000_000

LINE = Query(
    ge=-LARGEST_LINE, le=LARGEST_LINE, allow_inf_nan=False, examples=[2.5], description="-3.5 gives points away."
)
ODDS = Query(
    ge=-LARGEST_ODDS,
    le=LARGEST_ODDS,
    allow_inf_nan=False,
    examples=[-110],
    description="Decimal below 100, American from there on.",
)
FORMAT = Query(alias="format", description="How the odds are written, where that is not clear.")

router = guarded_router("prices")


@router.get(
    "/v1/prices/{sport}/{league}/{game_id:path}",
    response_model=Price,
    responses=problems(404, 422, 503),
    summary="Price one bet",
)
def bet(
    sport: SportPath,
    league: LeaguePath,
    game_id: GameIdPath,
    market: Annotated[str, Query(max_length=40, examples=["total"], description=f"One of {', '.join(SELECTIONS)}.")],
    selection: Annotated[str, Query(max_length=40, examples=["over"])],
    service: ServiceDep,
    line: Annotated[float | None, LINE] = None,
    odds: Annotated[float | None, ODDS] = None,
    written: Annotated[OddsFormat | None, FORMAT] = None,
) -> Response:
    """Probabilities of win, push and loss and the fair odds; with odds, also the value and the Kelly stake."""
    service.load.must_bear("single")
    champion, row, forecast = service.predictor.forecast(sport, league, game_id, service.clock.now())
    pricing = price(forecast.scores, market, selection, line, ties=champion.ties)
    return as_json(
        {
            "game": game_document(row, service.clock.now()),
            "market": market,
            "selection": selection,
            "line": line,
            "win": pricing.win,
            "push": pricing.push,
            "lose": pricing.lose,
            "fair_odds": odds_document(pricing.fair_odds),
            "offer": None if odds is None else _offer(pricing, _decimal(odds, written)),
            "model": {"name": champion.model, "version": champion.version.version},
            "as_of": row.as_of,
        }
    )


def _decimal(odds: float, written: OddsFormat | None) -> float:
    """The odds as decimal ones; without a format, what is 100 or more either way is American."""
    if written == "american" or (written is None and abs(odds) >= SMALLEST_AMERICAN):
        return american_to_decimal(odds)
    if odds <= 1:
        msg = f"odds: decimal odds are above 1, got {odds:g}."
        raise ValidationError(msg, hint="American odds are at most -100 or at least 100.", field="odds")
    return odds


def _offer(pricing: Pricing, decimal: float) -> dict[str, Any]:
    return {
        "decimal": round(decimal, 4),
        "american": round(decimal_to_american(decimal)),
        "expected_value": pricing.expected_value(decimal),
        "kelly_fraction": kelly_fraction(pricing, decimal),
    }
