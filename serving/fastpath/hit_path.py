"""Hits are answered where their head was read: no task, no messages, one write.

What the server does for each request (a task, its context, two messages, a timer) costs more than finding a ready
answer, so that a plain question for one is taken out before. A head that came before, byte for byte, is not even read
again. Whatever is not plain, not ready or not to be admitted at once goes the usual way, through
``serving.http.middleware`` and ``serving.fastpath.asgi_shortcut``, and is answered in the same words.
"""

import asyncio
from datetime import datetime
from typing import Final, NamedTuple, Protocol, cast

from starlette.types import Scope

from core.errors import DbsbmError
from serving.access.admission import Shown, shown_by
from serving.api.guarded_route import DEMANDED
from serving.api.replies import Question, reply_with
from serving.fastpath.asgi_shortcut import ONE_ROUTE, question_of
from serving.http.allowed_hosts import Door
from serving.http.headers import ON_EVERY_ANSWER, Header, limit_lines, written
from serving.http.middleware import Requests
from serving.predictions.answer import Served
from serving.predictions.predictor import Plan
from serving.service import Service
from serving.telemetry.trace import Caller, Trace, new_id, request_id_of

STATUS_LINES: Final = {200: b"HTTP/1.1 200 OK\r\n", 304: b"HTTP/1.1 304 Not Modified\r\n"}
ALWAYS: Final = written(ON_EVERY_ANSWER)

MOST_TOGETHER: Final = 32
"""Questions that are computed together: more of them would keep the loop from everybody else for milliseconds."""

MOST_HEADS: Final = 2_000
LONGEST_HEAD: Final = 1_000
"""Heads that are remembered, and how long one may be [bytes]: two megabytes in all."""


class Asked(NamedTuple):
    """All that a plain head says to us."""

    question: Question
    shown: Shown
    request_id: str | None


class Asker(Protocol):
    """A connection whose answer is computed with others'."""

    @property
    def is_gone(self) -> bool:
        """Whether nobody takes an answer any more."""
        ...

    @property
    def first_headers(self) -> list[Header]:
        """The server's own."""
        ...

    def take(self, answer: bytes | None) -> None:
        """Send what was waited for; without an answer, let the head go the usual way."""
        ...


class Waiting(NamedTuple):
    """A question that is computed with others."""

    asker: Asker
    asked: Asked
    plan: Plan
    trace: Trace


class Lane:
    """Whole answers to questions that have one ready, or that want one computed at once."""

    def __init__(self, requests: Requests, door: Door, *, cors: bool) -> None:
        self._requests = requests
        self._door = door
        self._cors = cors
        self._heads: dict[bytes, Asked] = {}
        self._first: list[Header] = []
        self._first_lines = b""
        self._waiting: list[Waiting] = []

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
        trace = self._admitted(service, asked)
        if trace is None:
            return None
        try:
            served = found if isinstance(found, Served) else service.predictor.computed(found, now)
        except DbsbmError:
            return None  # the usual way meets it again, and says it
        return self._written(service, asked, trace, served, now, first)

    def later(self, service: Service, asked: Asked, asker: Asker) -> bool:
        """Give the asker its answer at the end of this turn of the loop, when all that was asked in it is computed.

        Together costs a fraction. False, and nothing happened, if the question must go the usual way.
        """
        plan = _found(service, asked.question, service.clock.now())
        trace = self._admitted(service, asked) if isinstance(plan, Plan) else None
        if trace is None:
            return False
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self.compute, service)
        self._waiting.append(Waiting(asker, asked, cast("Plan", plan), trace))
        if len(self._waiting) >= MOST_TOGETHER:
            self.compute(service)
        return True

    def compute(self, service: Service) -> None:
        """Answer all that wait."""
        waiting, self._waiting = self._waiting, []
        answers: list[bytes | None] = [None] * len(waiting)
        try:
            now = service.clock.now()
            served = service.predictor.computed_together([one.plan for one in waiting], now)
            answers = [
                None
                if found is None or one.asker.is_gone
                else self._written(service, one.asked, one.trace, found, now, one.asker.first_headers)
                for one, found in zip(waiting, served, strict=True)
            ]
        finally:  # an error that nobody foresaw is met again by each on the usual way, and answered there
            for one, answer in zip(waiting, answers, strict=True):
                one.asker.take(answer)

    def _admitted(self, service: Service, asked: Asked) -> Trace | None:
        caller = service.gate.admit_at_once(asked.shown, DEMANDED[ONE_ROUTE])
        if caller is None:
            return None
        return Trace(asked.request_id or new_id(), admission=caller, route=ONE_ROUTE)

    def _written(
        self, service: Service, asked: Asked, trace: Trace, served: Served, now: datetime, first: list[Header]
    ) -> bytes:
        status, about, body = reply_with(service, trace, served, asked.question.known, now)
        self._requests.record(trace, "GET", ONE_ROUTE, status)
        if first is not self._first:
            self._first, self._first_lines = first, written(first)
        length = b"content-length: %d\r\n" % len(body) if status == 200 else b""
        identity = b"x-request-id: %b\r\n" % trace.request_id.encode()
        limits = limit_lines(cast("Caller", trace.admission).standing)
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
