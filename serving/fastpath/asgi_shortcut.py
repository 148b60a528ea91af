"""Requests for predictions that are all ready, answered before routing and validation cost anything.

Whatever is not a plain, valid request for hits is left to the routes, which compute, validate and refuse. Both use
``serving.api.prediction_responses`` and the same admission control, so that their responses cannot differ.
"""

import json
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import DbsbmError
from serving.api.guarded_route import REQUIRED_SCOPES
from serving.api.prediction_responses import (
    PredictionRequest,
    RawResponse,
    find_hits,
    respond_with,
    respond_with_hits,
)
from serving.api.schemas import Batch
from serving.http.middleware import LARGEST_QUESTION
from serving.service import Service
from serving.telemetry.trace import trace_of

ONE_ROUTE: Final = "/v1/predictions/{sport}/{league}/{game_id}"
MANY_ROUTE: Final = "/v1/predictions/batch"
PREFIX: Final = "/v1/predictions/"

LONGEST_SPORT: Final = 32
LONGEST_NAME: Final = 120
LONGEST_TAG: Final = 1_000
NO_CACHE: Final = b"no-cache"


class AsgiShortcut:
    """Answers hits and passes the rest on. With ``cors``, requests of browsers are left to the framework."""

    def __init__(self, app: ASGIApp, *, cors: bool) -> None:
        self._app = app
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = None
        if scope["type"] == "http" and scope["path"].startswith(PREFIX):
            method = scope["method"]
            if method == "GET":
                response = await self._respond_to_one(scope)
            elif method == "POST" and scope["path"] == MANY_ROUTE:
                response, receive = await self._respond_to_many(scope, receive)
        if response is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await send({"type": "http.response.body", "body": response.body})

    async def _respond_to_one(self, scope: Scope) -> RawResponse | None:
        request = plain_request(scope, cors=self._cors)
        if request is None or request.afresh:
            return None
        trace = trace_of(scope)
        service: Service = scope["state"]["service"]
        now = service.clock.now()
        answer = service.predictor.hit(request.sport, request.league, request.game_id, now)
        if answer is None:
            return None
        try:
            await service.admission.admit(scope, REQUIRED_SCOPES[ONE_ROUTE])
        except DbsbmError:
            return None  # the route refuses it, with the same result of admission
        trace.route = ONE_ROUTE
        return respond_with(service, trace, answer, request.if_none_match, now)

    async def _respond_to_many(self, scope: Scope, receive: Receive) -> tuple[RawResponse | None, Receive]:
        trace = trace_of(scope)
        service: Service = scope["state"]["service"]
        if not self._has_plain_body(scope):
            return None, receive
        try:
            await service.admission.admit(scope, REQUIRED_SCOPES[MANY_ROUTE])
        except DbsbmError:
            return None, receive
        read = [await receive()]
        while read[-1].get("more_body"):
            read.append(await receive())
        try:
            # The parser that the framework uses: others read NaN or huge numbers in another way.
            batch = Batch.model_validate(json.loads(b"".join(message.get("body", b"") for message in read)))
        except (ValueError, RecursionError):
            return None, _replay(read, receive)
        now = service.clock.now()
        hits = find_hits(service, batch.games, now)
        answers = [hit for hit in hits if hit is not None]
        if len(answers) < len(hits) or service.load.sheds("batch"):
            return None, _replay(read, receive)
        trace.route = MANY_ROUTE
        return respond_with_hits(service, trace, answers, now), receive

    def _has_plain_body(self, scope: Scope) -> bool:
        length = kind = b""
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                kind = value
            elif name == b"origin" and self._cors:
                return False
        return kind == b"application/json" and length.isdigit() and int(length) <= LARGEST_QUESTION


def plain_request(scope: Scope, *, cors: bool) -> PredictionRequest | None:
    """Return what a GET below ``PREFIX`` asks for; None for what is left to the routes."""
    parts = scope["path"][len(PREFIX) :].split("/", 2)
    if len(parts) != 3 or scope["query_string"]:
        return None
    sport, league, game_id = parts
    if not (0 < len(sport) <= LONGEST_SPORT and 0 < len(league) <= LONGEST_NAME and len(game_id) <= LONGEST_NAME):
        return None
    if_none_match, afresh = None, False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            if if_none_match is not None or len(value) > LONGEST_TAG:
                return None
            if_none_match = value.decode("latin-1")
        elif name == b"cache-control":
            afresh = afresh or NO_CACHE in value
        elif name == b"origin" and cors:
            return None
    return PredictionRequest(sport, league, game_id, if_none_match, afresh)


def _replay(read: list[Message], receive: Receive) -> Receive:
    """Gives the messages that were read already, then the others."""

    async def receiving() -> Message:
        return read.pop(0) if read else await receive()

    return receiving
