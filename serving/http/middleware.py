"""Middleware for every request: request id, access log, metrics, and a limit on the body.

Plain ASGI, because the framework's ``http`` decorator halves throughput.
"""

import time
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.logs import bind
from serving.http.headers import headers_for
from serving.http.problems import unexpected_response
from serving.telemetry.access_log import AccessLog, AccessLogEntry
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import Trace, begin_trace

LARGEST_BODY: Final = 64 * 1024
"""Size of a body [bytes]. A hundred games take half of it; 90,000 unknown fields would cost a third of a second."""

LARGEST_TABLE_BODY: Final = 1024 * 1024
"""Size of a body with feature rows [bytes]."""

TABLE_PREFIXES: Final = ("/v2/", "/invocations")
METHODS: Final = frozenset(("GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"))
NO_ROUTE: Final = "(none)"
OTHER_METHOD: Final = "OTHER"


class RequestRecorder:
    """The outermost layer: gives each request an id, counts, times and logs it, without headers or query.

    It is also the last boundary: an unexpected error becomes a problem document, and the connection stays usable.
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
        except Exception as error:  # last boundary: every error gets a response
            if status and not is_complete:
                raise  # after half a response: the server closes the connection
            if not status:
                await unexpected_response(scope, error)(scope, receive, sending)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
            route = trace.route or getattr(scope.get("route"), "path_format", NO_ROUTE)
            self.record(trace, method, str(route), status or 500)

    def record(self, trace: Trace, method: str, route: str, status: int) -> None:
        """Count, time and log a request that has its response."""
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
        """Count and log a request that the server rejected before it was parsed."""
        self.record(Trace(request_id), OTHER_METHOD, NO_ROUTE, status)


class BodyLimit:
    """Rejects a body that is too large, by its Content-Length or while it is read, with 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        limit = LARGEST_TABLE_BODY if scope["path"].startswith(TABLE_PREFIXES) else LARGEST_BODY
        read = 0

        async def receiving() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > limit or (announced.isdigit() and int(announced) > limit):
                raise HTTPException(413)
            return message

        await self._app(scope, receiving, send)
