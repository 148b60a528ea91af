"""Answers cache hits as soon as their head is read: no task, no messages, one write.

The server's work for a request (a task, its context, two messages, a timer) costs more than finding a cached answer. A
head that came before, byte for byte, is not parsed again. A request that is not plain, has no cached answer or cannot
be admitted at once goes through the app, which gives the same bytes.
"""

from typing import Final, NamedTuple, cast

from starlette.types import Scope

from serving.access.admission import Credentials, credentials_of
from serving.api.guarded_route import REQUIRED_SCOPES
from serving.api.prediction_responses import PredictionRequest, respond_with
from serving.fastpath.asgi_shortcut import ONE_ROUTE, has_origin, plain_request
from serving.http.allowed_hosts import AllowedHosts
from serving.http.headers import (
    JSON_CONTENT,
    ON_EVERY_RESPONSE,
    REVALIDATED,
    Header,
    header_lines,
    rate_limit_lines,
)
from serving.http.middleware import RequestRecorder
from serving.service import Service
from serving.telemetry.caller import Caller
from serving.telemetry.trace import Trace, new_id, request_id_of

STATUS_LINES: Final = {200: b"HTTP/1.1 200 OK\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}
ABOUT_LINES: Final = {
    200: header_lines(((b"etag", b"%b"), REVALIDATED, JSON_CONTENT)),
    304: header_lines(((b"etag", b"%b"), REVALIDATED)),
}
"""Headers of ``respond_with``, as a template: formatting each one by itself takes longer than finding the answer."""

ALWAYS: Final = header_lines(ON_EVERY_RESPONSE)

MOST_HEADS: Final = 2_000
LONGEST_HEAD: Final = 1_000
"""Number and size [bytes] of remembered heads: two megabytes in total."""


class PlainHead(NamedTuple):
    """The content of a plain request's head."""

    request: PredictionRequest
    credentials: Credentials
    request_id: str | None


class HitPath:
    """Makes whole responses from cached answers; with ``cors``, requests of browsers are left to the app."""

    def __init__(self, recorder: RequestRecorder, allowed_hosts: AllowedHosts, *, cors: bool) -> None:
        self._recorder = recorder
        self._allowed_hosts = allowed_hosts
        self._cors = cors
        self._heads: dict[bytes, PlainHead] = {}
        self._server_headers: list[Header] = []
        self._server_lines = b""

    def recall(self, head: bytes) -> PlainHead | None:
        """Return the head that these bytes were parsed to before, or None."""
        return self._heads.get(head)

    def remember(self, head: bytes, plain: PlainHead) -> None:
        """Remember what these bytes, a whole head and nothing else, were parsed to."""
        if plain.request_id is None and len(head) <= LONGEST_HEAD:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            self._heads[head] = plain

    def read(self, scope: Scope) -> PlainHead | None:
        """Return the request's head if it is plain and addressed to this service, or None."""
        request = plain_request(scope)
        if request is None or request.recompute or not self._allowed_hosts.allow(scope):
            return None
        if self._cors and has_origin(scope):
            return None
        return PlainHead(request, credentials_of(scope), request_id_of(scope))

    def respond(self, service: Service, head: PlainHead, server_headers: list[Header]) -> bytes | None:
        """Return status line, headers and body; None, without any effect, if the app must answer instead."""
        now = service.clock.now()
        sport, league, game_id, if_none_match, _ = head.request
        answer = service.predictor.cached_answer(sport, league, game_id, now)
        if answer is None:
            return None
        caller = service.admission.admit_without_waiting(head.credentials, REQUIRED_SCOPES[ONE_ROUTE])
        if caller is None:
            return None
        trace = Trace(head.request_id or new_id(), admission=caller, route=ONE_ROUTE)
        status, about, body = respond_with(service, trace, answer, if_none_match, now)
        self._recorder.record(trace, "GET", ONE_ROUTE, status)
        if server_headers is not self._server_headers:
            self._server_headers, self._server_lines = server_headers, header_lines(server_headers)
        identity = b"x-request-id: %b\r\n" % trace.request_id.encode()
        limits = rate_limit_lines(cast("Caller", trace.admission).limit_status)
        return b"".join(
            (
                STATUS_LINES[status],
                self._server_lines,
                ABOUT_LINES[status] % about[0][1],
                b"content-length: %d\r\n" % len(body) if status == 200 else b"",
                identity,
                ALWAYS,
                limits,
                b"\r\n",
                body,
            )
        )
