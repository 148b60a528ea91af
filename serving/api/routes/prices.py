"""What a bet is worth: any market of a game, at any line and odds."""

from typing import Annotated

from fastapi import Query, Response

from core.betting.markets import SELECTIONS, Pricing, price
from core.betting.scores import ScoreDistribution
from serving.api.bet_schemas import LARGEST_LINE, LARGEST_ODDS, Price
from serving.api.responses import GameIdPath, LeaguePath, SportPath, as_json, guarded_router, problems
from serving.bets.valuation import Judge, OddsFormat, decimal_odds, offer_document
from serving.predictions.body import game_document, odds_document
from serving.service import ServiceDep

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
BANKROLL = Query(ge=0, le=LARGEST_ODDS * 1_000, allow_inf_nan=False, description="What stakes are a share of [units].")
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
    bankroll: Annotated[float, BANKROLL] = 100.0,
) -> Response:
    """Chances and fair odds by the model, the same by the books; with odds, the value and the stake.

    The model counts only as far as its past earned beside the market's; without a sure edge the stake is 0.
    """
    service.load.check("single")
    now = service.clock.now()
    made = service.predictor.forecast(sport, league, game_id, now)

    def priced(scores: ScoreDistribution) -> Pricing:
        return price(scores, market, selection, line, ties=made.champion.ties)

    pricing, judge = priced(made.forecast.scores), Judge.of(made, now)
    by_market = judge.market_scores(market)
    offer = None
    if odds is not None:
        decimal = decimal_odds(odds, written)
        offer = offer_document(
            decimal, judge.silent_on(market) or judge.believed().value_bet(priced, decimal), bankroll
        )
    return as_json(
        {
            "game": game_document(made.row, now),
            "market": market,
            "selection": selection,
            "line": line,
            "win": pricing.win,
            "push": pricing.push,
            "lose": pricing.lose,
            "fair_odds": odds_document(pricing.fair_odds),
            "by_market": None if by_market is None else vars(priced(by_market)),
            "offer": offer,
            "model": {"name": made.champion.model, "version": made.champion.version.version},
            **made.age(now),
        }
    )
