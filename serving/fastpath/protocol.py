"""A connection that tries the hit path first, and passes all other requests to uvicorn.

It relies on private parts of uvicorn's httptools protocol. pyproject.toml pins the range of uvicorn, and
tests/serving/fastpath/test_uvicorn_range.py checks that these parts exist.
"""

from typing import Any, Final, cast

from serving.fastpath.asgi_shortcut import PREFIX
from serving.fastpath.hits import HitPath, PlainHead
from serving.http.connection_timeouts import TimeoutProtocol

PATH: Final = PREFIX.encode()
NOT_PLAIN: Final = b"%?#"
ANNOUNCE_MORE: Final = frozenset((b"content-length", b"transfer-encoding", b"expect", b"upgrade"))


class FastPathProtocol(TimeoutProtocol):
    """Tries the app's hit path first; requires an ``Application``."""

    _answered_head: PlainHead | None = None
    """The request that is being read, if its response was already sent."""
    _between_requests = True
    """Whether no byte of the next request was read."""
    _heads_begun = 0
    """Number of heads whose reading began."""

    def data_received(self, data: bytes) -> None:
        if not self._between_requests:
            super().data_received(data)
            return
        head = self._hit_path.recall(data)
        if head is not None and self._can_answer() and self._answer(head):
            self._head_since = self.loop.time()
            self._unset_keepalive_if_required()
            return
        heads_before, self._answered_head = self._heads_begun, None
        super().data_received(data)
        if self._answered_head is not None and self._between_requests and self._heads_begun == heads_before + 1:
            self._hit_path.remember(data, self._answered_head)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._between_requests, self._answered_head = False, None
        self._heads_begun += 1

    def on_headers_complete(self) -> None:
        head = self._read() if self._may_be_plain() else None
        if head is None or not self._answer(head):
            super().on_headers_complete()
            return
        self._head_since, self._received, self._answered_head = None, 0, head

    def on_message_complete(self) -> None:
        self._between_requests = True
        if self._answered_head is None:
            super().on_message_complete()
        else:
            self._head_since = self.loop.time()

    @property
    def _hit_path(self) -> HitPath:
        return cast("Any", self.app).hit_path  # type: ignore[no-any-return]

    def _can_answer(self) -> bool:
        return (
            not self._is_ending
            and self._has_no_request()
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _may_be_plain(self) -> bool:
        url = self.url
        return (
            url.startswith(PATH)
            and url.isascii()
            and self._can_answer()
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
