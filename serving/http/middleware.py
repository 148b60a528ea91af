"""Around every request: its id, its log line, its metrics, and a limit on its body.

Pure ASGI, because the ``http`` decorator of the framework halves throughput.
"""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.logs import bind
from serving.http.headers import headers_for
from serving.http.problems import unforeseen_response
from serving.telemetry.access_log import AccessLog, AccessLogEntry
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import Trace, begin_trace

LARGEST_QUESTION: Final = 64 * 1024
"""Bytes of a body; a hundred games take half of it, and ninety thousand unknown fields cost a third of a second."""

LARGEST_TABLE: Final = 1024 * 1024
"""Bytes of a body with feature rows."""

TABLES: Final = ("/v2/", "/invocations")
METHODS: Final = frozenset(("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"))
NO_ROUTE: Final = "(none)"
OTHER: Final = "OTHER"


class RequestRecorder:
    """Outermost layer: gives each request an id, counts, times and logs it. Never logs a header or a query.

    It is also the last boundary: an unforeseen error is a problem document, and the connection stays usable.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._log = AccessLog(metrics.flush)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = begin_trace(scope)
        bind(request_id=trace.request_id)
        status, is_complete = 0, False

        async def sending(message: Message) -> None:
            nonlocal status, is_complete
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *headers_for(trace)]
            else:
                is_complete = not message.get("more_body", False)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # last boundary: whatever happened, the caller gets an answer
            if status and not is_complete:
                raise  # half a response cannot be mended: the server closes the connection
            if not status:
                await unforeseen_response(scope, error)(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            route = trace.route or getattr(scope.get("route"), "path_format", NO_ROUTE)
            self.record(trace, method, str(route), status or 500)

    def record(self, trace: Trace, method: str, route: str, status: int) -> None:
        """Count, time and log a request that was answered."""
        seconds = time.perf_counter() - trace.started_at
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
