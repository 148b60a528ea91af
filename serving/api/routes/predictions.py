"""Predictions of scheduled games, one or up to a hundred at once."""

from typing import Annotated

from fastapi import Header, Request, Response

from serving.api.prediction_responses import PredictionRequest, respond_to_many, respond_to_one
from serving.api.responses import MEANINGS, GameIdPath, LeaguePath, SportPath, guarded_router, problems
from serving.api.schemas import Batch, BatchAnswer, Prediction
from serving.service import ServiceDep, TraceDep

router = guarded_router("predictions")


@router.get(
    "/v1/predictions/{sport}/{league}/{game_id:path}",
    response_model=Prediction,
    responses={304: {"description": MEANINGS[304]}, **problems(404, 422, 503)},
    summary="One game's prediction",
)
async def prediction(
    sport: SportPath,
    league: LeaguePath,
    game_id: GameIdPath,
    service: ServiceDep,
    trace: TraceDep,
    request: Request,
    if_none_match: Annotated[str | None, Header(max_length=1000, description="Tags already known, or `*`.")] = None,
    cache_control: Annotated[str | None, Header(description="`no-cache` has the forecast computed anew.")] = None,
) -> Response:
    """Outcome probabilities, fair odds and expected scores, with the model, its data and their age.

    A game that has begun keeps the forecast it had at its start.
    """
    known = None if if_none_match is None else ", ".join(request.headers.getlist("if-none-match"))
    asked = PredictionRequest(sport, league, game_id, known, "no-cache" in (cache_control or ""))
    return (await respond_to_one(service, trace, asked)).as_response()


@router.post(
    "/v1/predictions/batch",
    response_model=BatchAnswer,
    responses=problems(413, 422, 503),
    summary="Many games' predictions",
)
async def predictions(batch: Batch, service: ServiceDep, trace: TraceDep) -> Response:
    """Up to a hundred games, answered in the order asked, each by a prediction or by a problem of its own."""
    return (await respond_to_many(service, trace, batch.games)).as_response()
