"""Ends connections: those of slow clients, and all of them when the server stops.

uvicorn waits without limit for the rest of a head or a body, and for a client that reads.

One timer per connection checks once a second, so that a request costs a few assignments. Head, body and the reading of
responses have a time limit each. The size of a head, which llhttp does not bound, is limited too.
"""

from asyncio import TimerHandle, Transport
from http import HTTPStatus
from typing import Any, ClassVar, Final, cast

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.http.headers import ON_EVERY_RESPONSE
from serving.http.problems import PROBLEM_BY_STATUS, PROBLEM_JSON, problem
from serving.telemetry.trace import new_id

LARGEST_HEAD: Final = 32 * 1024
"""Size of the target and all headers [bytes]."""


class HeadTooLargeError(ValueError):
    """Ends the parsing of a head; the parser reports it as its own error."""


class TimeoutProtocol(HttpToolsProtocol):
    """uvicorn's protocol with time limits; requires an app with a ``recorder``."""

    check_seconds: ClassVar[float] = 1.0
    head_seconds: ClassVar[float] = 5.0
    """Time for a head, from its first byte, and for the first request on a new connection."""

    body_seconds: ClassVar[float] = 8.0
    """Time for a body, from the end of its head."""

    reading_seconds: ClassVar[float] = 8.0
    """How long a part of a response may stay in the write buffer because the client does not read it."""

    last_request_seconds: ClassVar[float] = 0.25
    """How long an idle connection stays open after the server is asked to stop, for a request that is on its way."""

    _is_ending: bool = False
    """Whether the server stops: the next request is the connection's last."""

    _head_since: float | None = None
    _body_since: float | None = None
    _unread_since: float | None = None
    _received: int = 0
    """Bytes read since the end of the last request; the last of them may belong to a body."""

    _too_large: bool = False
    _check_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._check_timer = self.loop.call_later(self.check_seconds, self._drop_if_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._check_timer is not None:
            self._check_timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_since is not None:
            if self._received > LARGEST_HEAD:  # all of it is head: otherwise the parser had found its end
                self._too_large = True
                self.send_400_response("")
                return
            self._received += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_since = self.loop.time()

    def on_headers_complete(self) -> None:
        if self._head_is_too_large():
            self._too_large = True
            raise HeadTooLargeError
        self._head_since, self._body_since, self._received = None, self.loop.time(), 0
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._body_since = None
        super().on_message_complete()
        if self.cycle.response_complete:
            self._head_since = self.loop.time()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._body_since is None:
            self._head_since = self.loop.time()

    def shutdown(self) -> None:
        """Close the connection after its present request, or a request that is on its way, or a moment."""
        self._is_ending = True
        if self._has_no_request():
            self.loop.call_later(self.last_request_seconds, super().shutdown)
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature
        """Respond to what cannot be parsed, and close the connection: where the next request begins is unknown."""
        self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if self._too_large else HTTPStatus.BAD_REQUEST)

    def _head_is_too_large(self) -> bool:
        if self._received <= LARGEST_HEAD:
            return False
        parts = [self.url, *(part for header in self.headers or () for part in header)]
        return sum(map(len, parts)) > LARGEST_HEAD

    def _drop_if_slow(self) -> None:
        now = self.loop.time()
        self._check_timer = self.loop.call_later(self.check_seconds, self._drop_if_slow)
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        if _exceeds(self._unread_since, self.reading_seconds, now):
            self.transport.abort()
        elif self.transport.is_closing():
            return
        elif _exceeds(self._head_since, self.head_seconds, now) and self._has_no_request():
            self._end_silence()
        elif _exceeds(self._body_since, self.body_seconds, now):
            self.transport.close()

    def _end_silence(self) -> None:
        if self._received:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self.transport.close()

    def _has_no_request(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _refuse(self, status: HTTPStatus) -> None:
        code, title = PROBLEM_BY_STATUS[status]
        request_id = new_id()
        body = orjson.dumps(problem(status, code, title, f"{title}.", request_id))
        headers = [
            (b"content-type", PROBLEM_JSON.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
            (b"x-request-id", request_id.encode()),
            *ON_EVERY_RESPONSE,
        ]
        lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), *(b": ".join(header) for header in headers)]
        self.transport.write(b"\r\n".join((*lines, b"", body)))
        self.transport.close()
        # The app never receives this request.
        cast("Any", self.app).recorder.record_unread(request_id, status)


def _exceeds(since: float | None, seconds: float, now: float) -> bool:
    return since is not None and now - since > seconds
