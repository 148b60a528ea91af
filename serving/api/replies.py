"""Replies to questions for predictions, as status, headers and bytes: what the front sends and the routes wrap."""

import asyncio
from datetime import datetime
from typing import Final, NamedTuple

import orjson
from starlette.responses import Response

from core.errors import DbsbmError
from serving.api.schemas import GameRef
from serving.http.etags import names
from serving.http.headers import Header, Headers
from serving.http.problems import problem_of
from serving.predictions.answer import AS_JSON, REVALIDATED, Served
from serving.service import Service
from serving.telemetry.trace import Trace

NOT_MODIFIED: Final = 304
MANY: Final = Headers.of(REVALIDATED, AS_JSON)


class Reply(NamedTuple):
    """A whole answer, but for the headers that every answer gets."""

    status: int
    about: Headers
    body: bytes

    @property
    def headers(self) -> list[Header]:
        """Those of this answer alone."""
        if self.status == NOT_MODIFIED:
            return [*self.about.pairs]
        return [*self.about.pairs, (b"content-length", b"%d" % len(self.body))]

    def wrapped(self) -> Response:
        """The same as the framework has it."""
        response = Response(self.body, self.status)
        response.raw_headers = self.headers
        return response


class Question(NamedTuple):
    """One game asked for, and what the caller has of it already."""

    sport: str
    league: str
    game_id: str
    known: str | None = None
    """The header If-None-Match."""
    afresh: bool = False
    """Whether the answer must not come from a cache (the request header Cache-Control: no-cache)."""


async def reply_to_one(service: Service, trace: Trace, question: Question) -> Reply:
    """One game's prediction, or 304 if the caller has it. Raises as ``Predictor.predict`` does."""
    now = service.clock.now()
    sport, league, game_id, known, afresh = question
    served = None if afresh else service.predictor.ready(sport, league, game_id, now)
    if served is None:
        service.load.must_bear("single")
        served = await service.predictor.predict(sport, league, game_id, now, afresh=afresh)
    return reply_with(service, trace, served, known, now)


def reply_with(service: Service, trace: Trace, served: Served, known: str | None, now: datetime) -> Reply:
    """This prediction, counted and logged; or 304 if the caller has it."""
    trace.level = served.level
    trace.generation = served.generation
    stale = served.stale(now)
    if known is not None and names(known, served.etag(stale=stale)):
        return Reply(NOT_MODIFIED, served.headers(stale=stale, content=False), b"")
    record(service, trace, served, now)
    return Reply(200, served.headers(stale=stale), served.complete(now))


async def reply_to_many(service: Service, trace: Trace, games: list[GameRef]) -> Reply:
    """Each game's prediction or problem, in the order asked. Raises OverloadedError."""
    service.load.must_bear("batch")
    now = service.clock.now()
    ready = [service.predictor.ready(game.sport, game.league, game.game_id, now) for game in games]
    # Together, so that the shared cache is asked for all that is missing at once.
    missing = (_item(service, trace, game, now) for game, served in zip(games, ready, strict=True) if served is None)
    fetched = iter(await asyncio.gather(*missing) if None in ready else ())
    items = [next(fetched) if served is None else _prediction(service, trace, served, now) for served in ready]
    body = b'{"items":[' + b",".join(items) + b"]}"
    return Reply(200, MANY, body)


async def _item(service: Service, trace: Trace, game: GameRef, now: datetime) -> bytes:
    try:
        served = await service.predictor.predict(game.sport, game.league, game.game_id, now)
    except DbsbmError as error:
        return b'{"problem":' + orjson.dumps(problem_of(error, trace.request_id)) + b"}"
    return _prediction(service, trace, served, now)


def _prediction(service: Service, trace: Trace, served: Served, now: datetime) -> bytes:
    trace.note(served.level, served.generation)
    record(service, trace, served, now)
    return b'{"prediction":' + served.complete(now) + b"}"


def record(service: Service, trace: Trace, served: Served, now: datetime) -> None:
    """Count and log a prediction that is about to be served."""
    service.metrics.count_prediction(served.level)
    service.log.put(served, trace.request_id, now, trace.key_id)
    if service.shadow is not None:
        service.shadow.put(served, trace.request_id, now)
