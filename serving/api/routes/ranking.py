"""A day's games, the most confident forecast first."""

from datetime import date
from typing import Annotated

import orjson
from fastapi import Query, Response

from core.errors import DbsbmError
from serving.api.prediction_responses import record
from serving.api.readiness import check_games_loaded
from serving.api.responses import REVALIDATED, LeagueQuery, guarded_router, json_list, problems
from serving.api.schemas import Ranking
from serving.games.slate import key_of
from serving.predictions.answer import Answer
from serving.service import ServiceDep, TraceDep

MOST_RANKED = 25

router = guarded_router("predictions")


@router.get(
    "/v1/ranking", response_model=Ranking, responses=problems(404, 422, 503), summary="A day's games by confidence"
)
async def ranking(
    service: ServiceDep,
    trace: TraceDep,
    league: LeagueQuery = None,
    date: Annotated[
        date | None, Query(examples=["2024-05-04"], description="UTC day of the start; default today.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_RANKED)] = MOST_RANKED,
) -> Response:
    """Games that have not begun, by the probability of their most likely outcome.

    Games without a forecast are left out. If no game has one, the response is the problem of the first.
    """
    service.load.check("batch")
    now = service.clock.now()
    selected = None if league is None else service.leagues.get(league)
    check_games_loaded(service, selected, now)
    day = now.date() if date is None else date
    rows = [
        row
        for row in service.slate.upcoming(now)
        if row.game.start_at.date() == day and (selected is None or row.league == selected.key)
    ]
    answers = await service.predictor.predict_many([key_of(row) for row in rows], now)
    errors = [answer for answer in answers if isinstance(answer, DbsbmError)]
    if errors and len(errors) == len(answers):
        raise errors[0]
    predicted = [(_confidence(answer), answer) for answer in answers if not isinstance(answer, DbsbmError)]
    ranked = sorted(predicted, key=lambda pair: -pair[0])[:limit]
    for _, served in ranked:
        trace.record_prediction(served.level, served.generation)
        record(service, trace, served, now)
    items = [
        b'{"confidence":%s,"prediction":%s}'
        % (repr(chance).encode(), one.complete(now, service.quotes.of(one.row).age(now)))
        for chance, one in ranked
    ]
    return Response(b'{"items":' + json_list(items) + b"}", headers=REVALIDATED, media_type="application/json")


def _confidence(answer: Answer) -> float:
    """Return the probability of the most likely outcome."""
    probabilities = orjson.loads(answer.body)["probabilities"]
    return max(probabilities[side] or 0.0 for side in ("home", "draw", "away"))
