"""Price and value of a bet, in any market of a game, at any line and odds."""

from typing import Annotated

from fastapi import Query, Response

from core.betting.markets import SELECTIONS, MarketSelection, Pricing, price
from core.betting.scores import ScoreDistribution
from serving.api.bet_schemas import LARGEST_LINE, LARGEST_ODDS, Price
from serving.api.responses import GameIdPath, LeaguePath, SportPath, as_json, guarded_router, problems
from serving.bets.price_age import best_document, prices_document
from serving.bets.valuation import OddsFormat, decimal_odds, offer_document
from serving.predictions.body import game_document, odds_document
from serving.service import ServiceDep

LINE = Query(
    ge=-LARGEST_LINE,
    le=LARGEST_LINE,
    allow_inf_nan=False,
    examples=[2.5],
    description="The handicap or total; -3.5 gives 3.5 points away.",
)
ODDS = Query(
    ge=-LARGEST_ODDS,
    le=LARGEST_ODDS,
    allow_inf_nan=False,
    examples=[-110],
    description="Offered odds; decimal below 100, American from 100 on (or -100 and less).",
)
BOOK = Query(
    max_length=64,
    examples=["pinnacle"],
    description="The book that offers the odds: they are judged by the prices of the other books.",
)
BANKROLL = Query(
    ge=0, le=LARGEST_ODDS * 1_000, allow_inf_nan=False, description="Bankroll that the stake is a share of [units]."
)
FORMAT = Query(alias="format", description="Format of the odds; guessed from their size if left out.")

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
    odds_format: Annotated[OddsFormat | None, FORMAT] = None,
    book: Annotated[str | None, BOOK] = None,
    bankroll: Annotated[float, BANKROLL] = 100.0,
) -> Response:
    """Probabilities and fair odds by the model and by the bookmakers' prices; with `odds`, value and stake.

    The value pools the model with the books' fresh prices by a weight learned on past games. If the 90 % interval of
    the edge includes zero, or too few prices are fresh, the stake is 0. `best` is the longest fresh odds of any book.
    """
    service.load.check("single")
    now = service.clock.now()
    priced = service.priced_games.of(sport, league, game_id, now)
    game, valuation = priced.game, priced.valuation

    def price_by(scores: ScoreDistribution) -> Pricing:
        return price(scores, market, selection, line, ties=game.champion.ties)

    pricing = price_by(game.forecast.scores)
    judged = valuation if book is None else valuation.beside_others(book)
    by_market = valuation.market_scores(market)
    offer = None
    if odds is not None:
        decimal = decimal_odds(odds, odds_format)
        offer = offer_document(decimal, judged.reason_against(now, market) or judged.value(price_by, decimal), bankroll)
    return as_json(
        {
            "game": game_document(game.row, now),
            "market": market,
            "selection": selection,
            "line": line,
            "win": pricing.win,
            "push": pricing.push,
            "lose": pricing.lose,
            "fair_odds": odds_document(pricing.fair_odds),
            "by_market": None if by_market is None else vars(price_by(by_market)),
            **prices_document(valuation, market, now),
            "best": best_document(valuation, MarketSelection(market, selection, line), now),
            "offer": offer,
            "model": {"name": game.champion.model, "version": game.champion.version.version},
            **game.age(now),
        }
    )
