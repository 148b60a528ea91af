"""A connection that asks the lane first, and leaves to uvicorn what is not plain."""

from typing import Any, Final, cast

from serving.fastpath.asgi_shortcut import UNDER
from serving.fastpath.hit_path import Asked, Lane
from serving.http.connection_timeouts import PatientProtocol
from serving.http.headers import Header

PATH: Final = UNDER.encode()
NOT_PLAIN: Final = b"%?#"
ANNOUNCE_MORE: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))


class LaneProtocol(PatientProtocol):
    """Asks the app's lane first; needs an ``Application`` of ours."""

    _answered: Asked | None = None
    """What was asked by the request that is being read, if it was answered already."""
    _between = True
    """Whether nothing of a next request was read yet."""
    _heads = 0
    """Requests begun."""
    _awaiting: bytes | None = None
    """The head whose answer is computed with others."""
    _held = b""
    """What came after it."""
    _is_usual = False
    """Whether what is read now is the app's to answer."""

    def data_received(self, data: bytes) -> None:
        if self._awaiting is not None:
            self._held += data
            return
        if not self._between:
            super().data_received(data)
            return
        asked = self._lane.known(data)
        if asked is not None and self._may_answer() and self._take_on(asked, data):
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

    def _take_on(self, asked: Asked, head: bytes) -> bool:
        """Answer a head that came before, now or at the end of this turn of the loop."""
        if not asked.question.afresh:
            if not self._answer(asked):
                return False
            self._head_since = self.loop.time()
        else:
            since, self._head_since, self._awaiting = self._head_since, None, head
            if not self._lane.later(self.app_state["service"], asked, self):
                self._head_since, self._awaiting = since, None
                return False
        self._unset_keepalive_if_required()
        return True

    def take(self, answer: bytes | None) -> None:
        """Send what was waited for; without an answer, let the head go the usual way."""
        head, self._awaiting = self._awaiting, None
        held, self._held = self._held, b""
        if self.is_gone or head is None:
            return
        self._head_since = self.loop.time()
        if answer is None:
            self._is_usual = True
            super().data_received(head)
            self._is_usual = False
        else:
            self._send(answer)
        if held:
            self.data_received(held)

    @property
    def is_gone(self) -> bool:
        """Whether nobody takes an answer any more."""
        return self.transport.is_closing()

    @property
    def first_headers(self) -> list[Header]:
        """The server's own."""
        return self.server_state.default_headers

    def shutdown(self) -> None:
        if self._awaiting is not None:
            self._lane.compute(self.app_state["service"])
        super().shutdown()

    def _answers_nothing(self) -> bool:
        return self._awaiting is None and super()._answers_nothing()

    @property
    def _lane(self) -> Lane:
        return cast("Any", self.app).lane  # type: ignore[no-any-return]

    def _may_answer(self) -> bool:
        return self._answers_nothing() and not self.flow.write_paused and not self.transport.is_closing()

    def refused(self, request_id: str, status: int) -> None:
        self._lane.refused(request_id, status)

    def _may_be_plain(self) -> bool:
        url = self.url
        return (
            not self._is_usual
            and url.startswith(PATH)
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
        answer = self._lane.answer(self.app_state["service"], asked, self.first_headers)
        if answer is None:
            return False
        self._send(answer)
        return True

    def _send(self, answer: bytes) -> None:
        self.server_state.total_requests += 1
        self.transport.write(answer)
