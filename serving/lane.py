"""Hits are answered where their head was read: no task, no messages, one write.

What the server does for each request (a task, its context, two messages, a timer) costs more than finding a ready
answer, so that a plain question for one is taken out before. Whatever is not plain, not ready or not to be admitted
at once goes the usual way, through ``serving.requests`` and ``serving.front``, and is answered in the same words.
"""

from typing import Any, Final, cast

from starlette.types import Scope

from serving.deadlines import PatientProtocol
from serving.door import Door
from serving.front import ONE_ROUTE, UNDER, question_of
from serving.gateway import DEMANDED
from serving.replies import reply_with
from serving.requests import Requests
from serving.security import ON_EVERY_ANSWER, Header, limits_on
from serving.trace import begin_trace

STATUS_LINES: Final = {200: b"HTTP/1.1 200 OK\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}
PATH: Final = UNDER.encode()
NOT_PLAIN: Final = b"%?#"
ANNOUNCE_MORE: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))


class Lane:
    """Whole answers to questions that have one ready."""

    def __init__(self, requests: Requests, door: Door, *, cors: bool) -> None:
        self._requests = requests
        self._door = door
        self._cors = cors

    def answer(self, scope: Scope, first: list[Header]) -> bytes | None:
        """Status line, headers (``first`` the server's own) and body; None, and nothing happened, if there is none."""
        question = question_of(scope, cors=self._cors)
        if question is None or question.afresh or not self._door.is_for_us(scope):
            return None
        service = scope["state"]["service"]
        now = service.clock.now()
        served = service.predictor.ready(question.sport, question.league, question.game_id, now)
        if served is None:
            return None
        caller = service.gate.admit_at_once(scope, DEMANDED[ONE_ROUTE])
        if caller is None:
            return None
        trace = begin_trace(scope)
        trace.admission, trace.route = caller, ONE_ROUTE
        status, headers, body = reply_with(service, trace, served, question.known, now)
        self._requests.record(scope, trace, status)
        identity = b"x-request-id: %b\r\n" % trace.request_id.encode()
        lines = (STATUS_LINES[status], written(first), written(headers), identity, ALWAYS, written(limits_on(trace)))
        return b"".join((*lines, b"\r\n", body))

    def refused(self, request_id: str, status: int) -> None:
        """Count and log what the server itself refused."""
        self._requests.record_unread(request_id, status)


def written(headers: list[Header] | tuple[Header, ...]) -> bytes:
    """Headers as they stand in an answer."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


ALWAYS: Final = written(ON_EVERY_ANSWER)


class LaneProtocol(PatientProtocol):
    """Asks the app's lane first; needs an ``Application`` of ours."""

    _answered = False
    """Whether the request that is being read was answered already."""

    def on_headers_complete(self) -> None:
        answer = self._answer() if self._may_be_plain() else None
        if answer is None:
            super().on_headers_complete()
            return
        self._head_since, self._received, self._answered = None, 0, True
        self.server_state.total_requests += 1
        self.transport.write(answer)

    def on_message_complete(self) -> None:
        if self._answered:
            self._answered = False
            self._head_since = self.loop.time()
        else:
            super().on_message_complete()

    def refused(self, request_id: str, status: int) -> None:
        cast("Any", self.app).lane.refused(request_id, status)

    def _may_be_plain(self) -> bool:
        url = self.url
        return (
            url.startswith(PATH)
            and url.isascii()
            and self._answers_nothing()
            and not self.flow.write_paused
            and not self.transport.is_closing()
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and url.translate(None, NOT_PLAIN) == url
            and all(name not in ANNOUNCE_MORE for name, _ in self.headers)
            and not self._head_is_too_large()
        )

    def _answer(self) -> bytes | None:
        scope = cast("dict[str, Any]", self.scope)
        scope["method"], scope["path"], scope["query_string"] = "GET", self.url.decode(), b""
        answer: bytes | None = cast("Any", self.app).lane.answer(scope, self.server_state.default_headers)
        return answer
