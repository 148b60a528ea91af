"""Around every request: its id, its log line, its metrics, and a limit on its body.

Pure ASGI, because the ``http`` decorator of the framework halves throughput.
"""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.logs import bound
from serving.http.headers import headers_for
from serving.telemetry.access_log import AccessLog, AccessLogEntry
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import Trace, begin_trace, trace_of

LARGEST_QUESTION: Final = 64 * 1024
"""Bytes of a body; a hundred games take half of it, and ninety thousand unknown fields cost a third of a second."""

LARGEST_TABLE: Final = 1024 * 1024
"""Bytes of a body with feature rows."""

TABLES: Final = ("/v2/", "/invocations")
METHODS: Final = frozenset(("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"))
NO_ROUTE: Final = "(none)"
OTHER: Final = "OTHER"


class RequestRecorder:
    """Gives each request an id, counts and times it, and writes one line about it. Never a header or a query."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = AccessLog(metrics.settle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = begin_trace(scope)
        status = 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *headers_for(trace)]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            route = trace.route or getattr(scope.get("route"), "path_format", NO_ROUTE)
            self.record(trace, method, str(route), status)

    def record(self, trace: Trace, method: str, route: str, status: int) -> None:
        """Count, time and log a request that was answered."""
        seconds = time.perf_counter() - trace.began
        self._metrics.count_request(route, method, status, seconds)
        entry: AccessLogEntry = {
            "route": route,
            "method": method,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "cache": trace.level,
            "generation": trace.generation,
            "key_id": trace.key_id,
            "request_id": trace.request_id,
        }
        self._log.add(entry)

    def record_unread(self, request_id: str, status: int) -> None:
        """Count and log a request that the server refused before it was one: no more of it is known."""
        self.record(Trace(request_id), OTHER, NO_ROUTE, status)


class LogContext:
    """Puts the request's id on every line that is logged below."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with bound(request_id=trace_of(scope).request_id):
            await self._app(scope, receive, send)


class BodyLimit:
    """Refuses a body that is too large, announced or not, with 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        limit = LARGEST_TABLE if scope["path"].startswith(TABLES) else LARGEST_QUESTION
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit or (announced.isdigit() and int(announced) > limit):
                raise HTTPException(413)
            return message

        await self._app(scope, receiving, send)
