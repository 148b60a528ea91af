"""Prices that are worth a bet, over all games to come."""

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import Query, Response

from serving.api.bet_schemas import Values
from serving.api.responses import LeagueQuery, as_json, guarded_router, problems
from serving.api.routes.prices import BANKROLL
from serving.bets.price_age import book_price_document, prices_document
from serving.bets.valuation import stake_of
from serving.bets.value_search import FoundValue
from serving.predictions.body import game_document
from serving.service import ServiceDep

MOST_VALUES: Final = 100

router = guarded_router("prices")


@router.get("/v1/value", response_model=Values, responses=problems(404, 422, 503), summary="Find value")
def values(
    service: ServiceDep,
    league: LeagueQuery = None,
    bankroll: Annotated[float, BANKROLL] = 100.0,
    limit: Annotated[int, Query(ge=1, le=MOST_VALUES)] = 25,
) -> Response:
    """The best fresh price of each bet, where it is worth a bet by the model and the prices of the other books.

    The surest edge comes first. The list is mostly empty near the start, when the books agree. A game is judged if more
    fresh books than a value needs show it.
    """
    service.load.check("batch")
    now = service.clock.now()
    selected = None if league is None else service.leagues.get(league)
    rows = [row for row in service.slate.upcoming(now) if selected is None or row.league == selected.key]
    found, judged = service.value_search.search(rows, now)
    return as_json(
        {
            "items": [_item(one, now, bankroll) for one in found[:limit]],
            "games": len(rows),
            "judged": judged,
        }
    )


def _item(found: FoundValue, now: datetime, bankroll: float) -> dict[str, Any]:
    value = found.value
    return {
        "game": game_document(found.game.row, now),
        "market": found.bet.market,
        "selection": found.bet.selection,
        "line": found.bet.line,
        "price": book_price_document(found.best, now),
        "value": {
            **vars(found.pricing),
            "expected_value": value.expected_value,
            "low": value.low,
            "high": value.high,
            "is_value": True,
        },
        "stake": round(stake_of(found.pricing, value, found.best.decimal, bankroll), 2),
        **prices_document(found.valuation, found.bet.market, now),
        "model": {"name": found.game.champion.model, "version": found.game.champion.version.version},
        **found.game.age(now),
    }
