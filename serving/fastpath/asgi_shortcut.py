"""Answers plain requests for predictions without the framework's routing.

Routing, dependencies and validation cost about as much as a forecast. Other requests and invalid ones are passed to the
routes, which validate and reject them. Both use ``serving.api.prediction_responses``, the same
admission control and the same problem documents, so that their responses cannot differ.
"""

import json
from typing import Final

from pydantic import ValidationError as PydanticValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import DbsbmError
from serving.api.guarded_route import REQUIRED_SCOPES
from serving.api.prediction_responses import PredictionRequest, RawResponse, respond_to_many, respond_to_one
from serving.api.schemas import Batch
from serving.http.cache_control import bypasses_caches
from serving.http.middleware import LARGEST_BODY
from serving.http.problems import invalid_body_response, problem_response
from serving.service import Service
from serving.telemetry.trace import trace_of

ONE_ROUTE: Final = "/v1/predictions/{sport}/{league}/{game_id}"
MANY_ROUTE: Final = "/v1/predictions/batch"
PREFIX: Final = "/v1/predictions/"

LONGEST_SPORT: Final = 32
LONGEST_NAME: Final = 120
LONGEST_TAG: Final = 1_000


class AsgiShortcut:
    """Middleware around the framework: answers plain requests for predictions and passes on all others.

    With ``cors``, requests of browsers are left to the framework.
    """

    def __init__(self, app: ASGIApp, *, cors: bool) -> None:
        self._app = app
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith(PREFIX) and not (self._cors and has_origin(scope)):
            if scope["method"] == "GET":
                request = plain_request(scope)
                if request is not None:
                    await self._respond_to_one(request, scope, receive, send)
                    return
            elif scope["method"] == "POST" and scope["path"] == MANY_ROUTE and _has_plain_body(scope):
                await self._respond_to_many(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _respond_to_one(self, request: PredictionRequest, scope: Scope, receive: Receive, send: Send) -> None:
        trace = trace_of(scope)
        trace.route = ONE_ROUTE
        service: Service = scope["state"]["service"]
        try:
            await service.admission.admit(scope, REQUIRED_SCOPES[ONE_ROUTE])
            response = await respond_to_one(service, trace, request)
        except DbsbmError as error:
            await problem_response(scope, error)(scope, receive, send)
            return
        await _send(response, send)

    async def _respond_to_many(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace = trace_of(scope)
        trace.route = MANY_ROUTE
        service: Service = scope["state"]["service"]
        try:
            await service.admission.admit(scope, REQUIRED_SCOPES[MANY_ROUTE])
            read = [await receive()]
            while read[-1].get("more_body"):
                read.append(await receive())
            batch = _parse_batch(b"".join(message.get("body", b"") for message in read))
            response = None if batch is None else await respond_to_many(service, trace, batch.games)
        except DbsbmError as error:
            await problem_response(scope, error)(scope, receive, send)
        except PydanticValidationError as error:
            await invalid_body_response(scope, error)(scope, receive, send)
        else:
            if response is None:
                await self._app(scope, _replay(read, receive), send)
            else:
                await _send(response, send)


async def _send(response: RawResponse, send: Send) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
    await send({"type": "http.response.body", "body": response.body})


def has_origin(scope: Scope) -> bool:
    """Whether a browser sent the request for a page."""
    return any(name == b"origin" for name, _ in scope["headers"])


def _parse_batch(body: bytes) -> Batch | None:
    """Return the batch; None if the body is no JSON object and is left to the routes.

    Raises pydantic's ValidationError.
    """
    try:
        content = json.loads(body)  # the parser of the framework: others treat NaN and huge numbers differently
    except (ValueError, RecursionError):
        return None
    return Batch.model_validate(content, from_attributes=True) if isinstance(content, dict) else None


def _has_plain_body(scope: Scope) -> bool:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    kinds = [value for name, value in scope["headers"] if name == b"content-type"]
    if kinds != [b"application/json"] or len(lengths) != 1:
        return False
    return lengths[0].isdigit() and int(lengths[0]) <= LARGEST_BODY


def plain_request(scope: Scope) -> PredictionRequest | None:
    """Return the request of a GET below ``PREFIX``; None if it is left to the routes."""
    parts = scope["path"][len(PREFIX) :].split("/", 2)
    if len(parts) != 3 or scope["query_string"]:
        return None
    sport, league, game_id = parts
    if not (0 < len(sport) <= LONGEST_SPORT and 0 < len(league) <= LONGEST_NAME and len(game_id) <= LONGEST_NAME):
        return None
    if_none_match, recompute = None, False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            if if_none_match is not None or len(value) > LONGEST_TAG:
                return None
            if_none_match = value.decode("latin-1")
        elif name == b"cache-control":
            recompute = recompute or bypasses_caches(value)
    return PredictionRequest(sport, league, game_id, if_none_match, recompute)


def _replay(read: list[Message], receive: Receive) -> Receive:
    """Return a receive function that repeats the messages read already, then receives further ones."""

    async def receiving() -> Message:
        return read.pop(0) if read else await receive()

    return receiving
