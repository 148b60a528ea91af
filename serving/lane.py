"""Hits are answered where their head was read: no task, no messages, one write.

What the server does for each request (a task, its context, two messages, a timer) costs more than finding a ready
answer, so that a plain question for one is taken out before. A head that came before, byte for byte, is not even read
again. Whatever is not plain, not ready or not to be admitted at once goes the usual way, through ``serving.requests``
and ``serving.front``, and is answered in the same words.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple, cast

from starlette.types import Scope

from core.errors import DbsbmError
from serving.answers import Served
from serving.deadlines import PatientProtocol
from serving.door import Door
from serving.front import ONE_ROUTE, UNDER, question_of
from serving.gate import Shown, shown_by
from serving.gateway import DEMANDED
from serving.predicting import Plan
from serving.replies import Question, reply_with
from serving.requests import Requests
from serving.security import ON_EVERY_ANSWER, Header, limit_lines, written
from serving.state import Service
from serving.trace import Trace, new_id, request_id_of

STATUS_LINES: Final = {200: b"HTTP/1.1 200 OK\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}
PATH: Final = UNDER.encode()
NOT_PLAIN: Final = b"%?#"
ANNOUNCE_MORE: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))
ALWAYS: Final = written(ON_EVERY_ANSWER)

MOST_HEADS: Final = 2_000
LONGEST_HEAD: Final = 1_000
"""Heads that are remembered, and how long one may be [bytes]: two megabytes in all."""


class Asked(NamedTuple):
    """All that a plain head says to us."""

    question: Question
    shown: Shown
    request_id: str | None


class Lane:
    """Whole answers to questions that have one ready, or that want one computed at once."""

    def __init__(self, requests: Requests, door: Door, *, cors: bool) -> None:
        self._requests = requests
        self._door = door
        self._cors = cors
        self._heads: dict[bytes, Asked] = {}
        self._first: list[Header] = []
        self._first_lines = b""

    def known(self, head: bytes) -> Asked | None:
        """What these very bytes asked when they came before."""
        return self._heads.get(head)

    def remember(self, head: bytes, asked: Asked) -> None:
        """Know these bytes, a whole head and nothing else, when they come again."""
        if asked.request_id is None and len(head) <= LONGEST_HEAD:
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            self._heads[head] = asked

    def read(self, scope: Scope) -> Asked | None:
        """What a request asks, if that is plain and for us."""
        question = question_of(scope, cors=self._cors)
        if question is None or not self._door.is_for_us(scope):
            return None
        return Asked(question, shown_by(scope), request_id_of(scope))

    def answer(self, service: Service, asked: Asked, first: list[Header]) -> bytes | None:
        """Status line, headers (``first`` the server's own) and body; None, and nothing happened, if there is none."""
        now = service.clock.now()
        found = _found(service, asked.question, now)
        if found is None:
            return None
        caller = service.gate.admit_at_once(asked.shown, DEMANDED[ONE_ROUTE])
        if caller is None:
            return None
        try:
            served = found if isinstance(found, Served) else service.predictor.computed(found, now)
        except DbsbmError:
            return None  # the usual way meets it again, and says it
        trace = Trace(asked.request_id or new_id(), admission=caller, route=ONE_ROUTE)
        status, about, body = reply_with(service, trace, served, asked.question.known, now)
        self._requests.record(trace, "GET", ONE_ROUTE, status)
        if first is not self._first:
            self._first, self._first_lines = first, written(first)
        length = b"content-length: %d\r\n" % len(body) if status == 200 else b""
        identity = b"x-request-id: %b\r\n" % trace.request_id.encode()
        limits = limit_lines(caller.standing)
        lines = (STATUS_LINES[status], self._first_lines, about.lines, length, identity, ALWAYS, limits, b"\r\n", body)
        return b"".join(lines)

    def refused(self, request_id: str, status: int) -> None:
        """Count and log what the server itself refused."""
        self._requests.record_unread(request_id, status)


def _found(service: Service, question: Question, now: datetime) -> Served | Plan | None:
    """The answer that is ready, or what is to be computed for one that must not come from a cache."""
    sport, league, game_id, _, afresh = question
    if not afresh:
        return service.predictor.ready(sport, league, game_id, now)
    if service.load.gives_up("single"):
        return None
    try:
        return service.predictor.plan(sport, league, game_id, now)
    except DbsbmError:
        return None  # the usual way meets the same error, and says it


class LaneProtocol(PatientProtocol):
    """Asks the app's lane first; needs an ``Application`` of ours."""

    _answered: Asked | None = None
    """What was asked by the request that is being read, if it was answered already."""
    _between = True
    """Whether nothing of a next request was read yet."""
    _heads = 0
    """Requests begun."""

    def data_received(self, data: bytes) -> None:
        if not self._between:
            super().data_received(data)
            return
        asked = self._lane.known(data)
        if asked is not None and self._may_answer() and self._answer(asked):
            self._unset_keepalive_if_required()
            self._head_since = self.loop.time()
            return
        before, self._answered = self._heads, None
        super().data_received(data)
        if self._answered is not None and self._between and self._heads == before + 1:
            self._lane.remember(data, self._answered)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._between, self._answered = False, None
        self._heads += 1

    def on_headers_complete(self) -> None:
        asked = self._read() if self._may_be_plain() else None
        if asked is None or not self._answer(asked):
            super().on_headers_complete()
            return
        self._head_since, self._received, self._answered = None, 0, asked

    def on_message_complete(self) -> None:
        self._between = True
        if self._answered is None:
            super().on_message_complete()
        else:
            self._head_since = self.loop.time()

    @property
    def _lane(self) -> Lane:
        return cast("Any", self.app).lane  # type: ignore[no-any-return]

    def _may_answer(self) -> bool:
        return self._answers_nothing() and not self.flow.write_paused and not self.transport.is_closing()

    def refused(self, request_id: str, status: int) -> None:
        cast("Any", self.app).lane.refused(request_id, status)

    def _may_be_plain(self) -> bool:
        url = self.url
        return (
            url.startswith(PATH)
            and url.isascii()
            and self._may_answer()
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and self.parser.should_keep_alive()
            and url.translate(None, NOT_PLAIN) == url
            and ANNOUNCE_MORE.isdisjoint([name for name, _ in self.headers])
            and not self._head_is_too_large()
        )

    def _read(self) -> Asked | None:
        scope = cast("dict[str, Any]", self.scope)
        scope["method"], scope["path"], scope["query_string"] = "GET", self.url.decode(), b""
        return self._lane.read(scope)

    def _answer(self, asked: Asked) -> bool:
        answer = self._lane.answer(self.app_state["service"], asked, self.server_state.default_headers)
        if answer is None:
            return False
        self.server_state.total_requests += 1
        self.transport.write(answer)
        return True
