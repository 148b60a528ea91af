"""A connection that asks the hit path first, and leaves to uvicorn what is not plain.

It relies on private parts of uvicorn's httptools protocol; pyproject.toml pins the range of uvicorn, and
tests/serving/fastpath/test_uvicorn_range.py checks that those parts are what this file takes them for.
"""

from typing import Any, Final, cast

from serving.fastpath.asgi_shortcut import PREFIX
from serving.fastpath.hits import HitPath, PlainHead
from serving.http.connection_timeouts import TimeoutProtocol

PATH: Final = PREFIX.encode()
NOT_PLAIN: Final = b"%?#"
ANNOUNCE_MORE: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))


class FastPathProtocol(TimeoutProtocol):
    """Asks the app's hit path first; needs an ``Application``."""

    _answered: PlainHead | None = None
    """The request that is being read, if it was answered already."""
    _between = True
    """Whether no byte of a next request was read yet."""
    _heads = 0
    """Requests begun."""

    def data_received(self, data: bytes) -> None:
        if not self._between:
            super().data_received(data)
            return
        head = self._hit_path.recall(data)
        if head is not None and self._may_answer() and self._answer(head):
            self._head_since = self.loop.time()
            self._unset_keepalive_if_required()
            return
        before, self._answered = self._heads, None
        super().data_received(data)
        if self._answered is not None and self._between and self._heads == before + 1:
            self._hit_path.remember(data, self._answered)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._between, self._answered = False, None
        self._heads += 1

    def on_headers_complete(self) -> None:
        head = self._read() if self._may_be_plain() else None
        if head is None or not self._answer(head):
            super().on_headers_complete()
            return
        self._head_since, self._received, self._answered = None, 0, head

    def on_message_complete(self) -> None:
        self._between = True
        if self._answered is None:
            super().on_message_complete()
        else:
            self._head_since = self.loop.time()

    @property
    def _hit_path(self) -> HitPath:
        return cast("Any", self.app).hit_path  # type: ignore[no-any-return]

    def _may_answer(self) -> bool:
        return self._has_no_request() and not self.flow.write_paused and not self.transport.is_closing()

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

    def _read(self) -> PlainHead | None:
        scope = cast("dict[str, Any]", self.scope)
        scope["method"], scope["path"], scope["query_string"] = "GET", self.url.decode(), b""
        return self._hit_path.read(scope)

    def _answer(self, head: PlainHead) -> bool:
        response = self._hit_path.respond(self.app_state["service"], head, self.server_state.default_headers)
        if response is None:
            return False
        self.server_state.total_requests += 1
        self.transport.write(response)
        return True
