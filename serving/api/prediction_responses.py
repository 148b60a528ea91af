"""Responses to requests for predictions, as status, headers and bytes, for the routes and the fast path."""

from datetime import datetime
from typing import Final, NamedTuple

import orjson
from starlette.responses import Response

from core.errors import DbsbmError
from serving.api.schemas import GameRef
from serving.games.slate_quotes import PriceAge
from serving.http.etags import matches
from serving.http.headers import JSON_CONTENT, REVALIDATED, Header
from serving.http.problems import problem_of
from serving.predictions.answer import Answer
from serving.service import Service
from serving.telemetry.trace import Trace

NOT_MODIFIED: Final = 304
BATCH_HEADERS: Final = (REVALIDATED, JSON_CONTENT)


class RawResponse(NamedTuple):
    """A response without the headers that every response carries."""

    status: int
    own_headers: tuple[Header, ...]
    """Headers of this response alone, without Content-Length."""
    body: bytes

    @property
    def headers(self) -> list[Header]:
        """Headers of this response alone."""
        if self.status == NOT_MODIFIED:
            return [*self.own_headers]
        return [*self.own_headers, (b"content-length", b"%d" % len(self.body))]

    def as_response(self) -> Response:
        """Return the same as a response of the framework."""
        response = Response(self.body, self.status)
        response.raw_headers = self.headers
        return response


class PredictionRequest(NamedTuple):
    """A request for one game's prediction."""

    sport: str
    league: str
    game_id: str
    if_none_match: str | None = None
    """The header If-None-Match."""
    recompute: bool = False
    """Whether the caches are bypassed (the header Cache-Control: no-cache)."""


async def respond_to_one(service: Service, trace: Trace, request: PredictionRequest) -> RawResponse:
    """Return one game's prediction, or 304 if the caller has it.

    Raises as ``Predictor.predict`` does, and OverloadedError if it would have to be computed under load.
    """
    now = service.clock.now()
    sport, league, game_id, if_none_match, recompute = request
    answer = None if recompute else service.predictor.cached_answer(sport, league, game_id, now)
    if answer is None:
        service.load.check("single")
        answer = await service.predictor.predict(sport, league, game_id, now, recompute=recompute)
    return respond_with(service, trace, answer, if_none_match, now)


def respond_with(
    service: Service, trace: Trace, answer: Answer, if_none_match: str | None, now: datetime
) -> RawResponse:
    """Return this prediction, counted and logged; or 304 if the caller has it."""
    trace.level = answer.level
    trace.generation = answer.generation
    stale, prices = answer.stale(now), service.quotes.of(answer.row).age(now)
    etag = etag_of(answer, prices, stale=stale)
    if if_none_match is not None and matches(if_none_match, etag):
        return RawResponse(NOT_MODIFIED, ((b"etag", etag.encode()), REVALIDATED), b"")
    record(service, trace, answer, now)
    body = answer.complete(now, prices, stale=stale)
    return RawResponse(200, ((b"etag", etag.encode()), REVALIDATED, JSON_CONTENT), body)


def etag_of(answer: Answer, prices: PriceAge, *, stale: bool) -> str:
    """Return a weak tag, because ages and cache level differ between answers with the same content."""
    return f'W/"{answer.tag}{prices.tag}-stale"' if stale else f'W/"{answer.tag}{prices.tag}"'


async def respond_to_many(service: Service, trace: Trace, games: list[GameRef]) -> RawResponse:
    """Return each game's prediction or problem, in the order of the request. Raises OverloadedError."""
    service.load.check("batch")
    now = service.clock.now()
    keys = [(game.sport, game.league, game.game_id) for game in games]
    items = [_item(service, trace, answer, now) for answer in await service.predictor.predict_many(keys, now)]
    return RawResponse(200, BATCH_HEADERS, b'{"items":[' + b",".join(items) + b"]}")


def _item(service: Service, trace: Trace, answer: Answer | DbsbmError, now: datetime) -> bytes:
    if isinstance(answer, DbsbmError):
        return b'{"problem":' + orjson.dumps(problem_of(answer, trace.request_id)) + b"}"
    trace.record_prediction(answer.level, answer.generation)
    record(service, trace, answer, now)
    return b'{"prediction":' + answer.complete(now, service.quotes.of(answer.row).age(now)) + b"}"


def record(service: Service, trace: Trace, answer: Answer, now: datetime) -> None:
    """Count and log a prediction that is about to be served."""
    service.metrics.count_prediction(answer.level)
    service.log.put(answer, trace.request_id, now, trace.key_id)
    if service.shadow is not None:
        service.shadow.put(answer, trace.request_id, now)
