"""Questions for predictions, answered before routing and validation cost anything.

Whatever does not look like a plain, good question is left to the routes, which know how to refuse it. Both make their
replies in ``serving.api.replies``, and both ask the same gate, so that they cannot differ.
"""

import json
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import DbsbmError
from serving.api.guarded_route import DEMANDED
from serving.api.replies import Question, Reply, reply_to_many, reply_to_one
from serving.api.schemas import Batch
from serving.http.middleware import LARGEST_QUESTION
from serving.telemetry.trace import trace_of

ONE_ROUTE: Final = "/v1/predictions/{sport}/{league}/{game_id}"
MANY_ROUTE: Final = "/v1/predictions/batch"
UNDER: Final = "/v1/predictions/"

LONGEST_SPORT: Final = 32
LONGEST_NAME: Final = 120
LONGEST_TAG: Final = 1_000
NO_CACHE: Final = b"no-cache"


class Front:
    """Answers what it can and passes the rest on. With ``cors`` a browser's requests are not for it."""

    def __init__(self, app: ASGIApp, *, cors: bool) -> None:
        self._app = app
        self._cors = cors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = None
        if scope["type"] == "http" and scope["path"].startswith(UNDER):
            method = scope["method"]
            if method == "GET":
                reply = await self._one(scope)
            elif method == "POST" and scope["path"] == MANY_ROUTE:
                reply, receive = await self._many(scope, receive)
        if reply is None:
            await self._app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _one(self, scope: Scope) -> Reply | None:
        question = question_of(scope, cors=self._cors)
        if question is None:
            return None
        trace = trace_of(scope)
        service = scope["state"]["service"]
        try:
            await service.gate.admit(scope, DEMANDED[ONE_ROUTE])
            reply = await reply_to_one(service, trace, question)
        except DbsbmError as error:
            trace.failure = error
            return None
        trace.route = ONE_ROUTE
        return reply

    async def _many(self, scope: Scope, receive: Receive) -> tuple[Reply | None, Receive]:
        trace = trace_of(scope)
        service = scope["state"]["service"]
        if not self._plain_body(scope) or service.load.gives_up("batch"):
            return None, receive
        try:
            await service.gate.admit(scope, DEMANDED[MANY_ROUTE])
        except DbsbmError:
            return None, receive
        read = [await receive()]
        while read[-1].get("more_body"):
            read.append(await receive())
        try:
            # The parser that the framework uses: others read NaN or huge numbers in another way.
            batch = Batch.model_validate(json.loads(b"".join(message.get("body", b"") for message in read)))
        except (ValueError, RecursionError):
            return None, _again(read, receive)
        try:
            reply = await reply_to_many(service, trace, batch.games)
        except DbsbmError as error:
            trace.failure = error
            return None, _again(read, receive)
        trace.route = MANY_ROUTE
        return reply, receive

    def _plain_body(self, scope: Scope) -> bool:
        length = kind = b""
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"content-type":
                kind = value
            elif name == b"origin" and self._cors:
                return False
        return kind == b"application/json" and length.isdigit() and int(length) <= LARGEST_QUESTION


def question_of(scope: Scope, *, cors: bool) -> Question | None:
    """What a GET under ``UNDER`` asks; None for what is the routes', as with ``cors`` a browser's request."""
    parts = scope["path"][len(UNDER) :].split("/", 2)
    if len(parts) != 3 or scope["query_string"]:
        return None
    sport, league, game_id = parts
    if not (0 < len(sport) <= LONGEST_SPORT and 0 < len(league) <= LONGEST_NAME and len(game_id) <= LONGEST_NAME):
        return None
    known, afresh = None, False
    for name, value in scope["headers"]:
        if name == b"if-none-match":
            if known is not None or len(value) > LONGEST_TAG:
                return None
            known = value.decode("latin-1")
        elif name == b"cache-control":
            afresh = afresh or NO_CACHE in value
        elif name == b"origin" and cors:
            return None
    return Question(sport, league, game_id, known, afresh)


def _again(read: list[Message], receive: Receive) -> Receive:
    """Gives the messages that were read already, then the others."""

    async def receiving() -> Message:
        return read.pop(0) if read else await receive()

    return receiving
