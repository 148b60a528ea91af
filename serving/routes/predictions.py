"""Predictions of scheduled games, one or up to a hundred at once."""

from datetime import datetime
from hashlib import sha256
from typing import Annotated

import orjson
from fastapi import Header, Response

from core.errors import DbsbmError
from serving.answers import Served
from serving.errors import problem_of
from serving.prediction_log import Entry
from serving.routes.answering import MEANINGS, GameIdPath, LeaguePath, SportPath, guarded_router, joined, problems
from serving.shapes import Batch, BatchAnswer, GameRef, Prediction
from serving.state import Service, ServiceDep, TraceDep
from serving.trace import Trace

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
    if_none_match: Annotated[str | None, Header(max_length=1000)] = None,
) -> Response:
    """Outcome probabilities, fair odds and expected scores, with the model, its data and their age.

    A game that has begun keeps the forecast it had at its start.
    """
    now = service.clock.now()
    served = await service.predictor.predict(sport, league, game_id, now)
    headers = {"ETag": _etag(served, now), "Cache-Control": "private, no-cache"}
    trace.level = served.level
    if if_none_match is not None and headers["ETag"] in if_none_match:
        return Response(status_code=304, headers=headers)
    _record(service, trace, served, now)
    return Response(served.complete(now), headers=headers, media_type="application/json")


@router.post(
    "/v1/predictions/batch",
    response_model=BatchAnswer,
    responses=problems(413, 422),
    summary="Many games' predictions",
)
async def predictions(batch: Batch, service: ServiceDep, trace: TraceDep) -> Response:
    """Up to a hundred games, answered in the order asked, each by a prediction or by a problem of its own."""
    now = service.clock.now()
    items = [await _item(service, trace, game, now) for game in batch.games]
    return Response(b'{"items":' + joined(items) + b"}", media_type="application/json")


async def _item(service: Service, trace: Trace, game: GameRef, now: datetime) -> bytes:
    try:
        served = await service.predictor.predict(game.sport, game.league, game.game_id, now)
    except DbsbmError as error:
        return b'{"problem":' + orjson.dumps(problem_of(error, trace.request_id)) + b"}"
    _record(service, trace, served, now)
    return b'{"prediction":' + served.complete(now) + b"}"


def _record(service: Service, trace: Trace, served: Served, now: datetime) -> None:
    service.metrics.predictions.labels(served.level).inc()
    service.log.put(Entry(served, trace.request_id, now, trace.key_id))


def _etag(served: Served, now: datetime) -> str:
    """Weak, because age and cache level may differ between answers that mean the same."""
    stale = "-stale" if served.stale(now) else ""
    return f'W/"{sha256(served.body).hexdigest()[:24]}{stale}"'
