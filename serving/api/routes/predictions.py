"""Predictions of scheduled games, one or up to a hundred per request."""

from typing import Annotated

from fastapi import Header, Request, Response

from serving.api.prediction_responses import PredictionRequest, respond_to_many, respond_to_one
from serving.api.responses import MEANINGS, GameIdPath, LeaguePath, SportPath, guarded_router, problems
from serving.api.schemas import Batch, BatchAnswer, Prediction
from serving.http.cache_control import is_recomputation
from serving.service import ServiceDep, TraceDep

router = guarded_router("predictions")


@router.get(
    "/v1/predictions/{sport}/{league}/{game_id:path}",
    response_model=Prediction,
    responses={304: {"description": MEANINGS[304]}, **problems(404, 422, 503)},
    summary="Predict one game",
)
async def prediction(
    sport: SportPath,
    league: LeaguePath,
    game_id: GameIdPath,
    service: ServiceDep,
    trace: TraceDep,
    request: Request,
    if_none_match: Annotated[
        str | None, Header(max_length=1000, description="ETags of earlier responses, or `*`.")
    ] = None,
    _cache_control: Annotated[
        str | None,
        Header(alias="cache-control", description="`no-cache` bypasses the caches and computes the forecast."),
    ] = None,
) -> Response:
    """Outcome probabilities, fair odds and expected scores, with the model and the age of its data.

    A game that has begun keeps the forecast from its start.
    """
    tags = None if if_none_match is None else ", ".join(request.headers.getlist("if-none-match"))
    prediction_request = PredictionRequest(sport, league, game_id, tags, is_recomputation(request.scope))
    return (await respond_to_one(service, trace, prediction_request)).as_response()


@router.post(
    "/v1/predictions/batch",
    response_model=BatchAnswer,
    responses=problems(413, 422, 503),
    summary="Predict many games",
)
async def predictions(batch: Batch, service: ServiceDep, trace: TraceDep) -> Response:
    """Up to a hundred games; the response has a prediction or a problem for each, in the order of the request."""
    return (await respond_to_many(service, trace, batch.games)).as_response()
