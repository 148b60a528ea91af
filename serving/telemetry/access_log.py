"""The access log: a line per request, written in batches, because one write costs more than a cached answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypedDict

from core.logs import write_lines

FLUSH_SECONDS: Final = 0.05
MAX_LINES: Final = 100
"""Waiting lines that are written at once: a larger batch would block the event loop for milliseconds."""

NAME: Final = "serving.requests"


class AccessLogEntry(TypedDict):
    """The fields logged for a request: never a header, a query or the id of a game."""

    route: str
    method: str
    status: int
    ms: float
    cache: str | None
    generation: int | None
    key_id: str | None
    request_id: str


class AccessLog:
    """Buffers lines for at most a twentieth of a second. Belongs to one event loop."""

    def __init__(self, on_flush: Callable[[], None]) -> None:
        """``on_flush`` is called each time lines are written, for other work that is cheaper in batches."""
        self._on_flush = on_flush
        self._buffer: list[tuple[float, AccessLogEntry]] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, entry: AccessLogEntry) -> None:
        """Buffer a line; it is written soon, also if the event loop is shut down in an orderly way."""
        self._buffer.append((time.monotonic(), entry))
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        elif len(self._buffer) >= MAX_LINES:
            self.flush()

    def flush(self) -> None:
        """Write the buffered lines."""
        lines, self._buffer = self._buffer, []
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        self._on_flush()
        write_lines(NAME, "request", [(now - at, line) for at, line in lines])
