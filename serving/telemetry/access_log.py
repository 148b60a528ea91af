"""One line about every request, written many at a time: a line of its own costs more than a cached answer."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, TypedDict

from core.logs import write_lines

FLUSH_SECONDS: Final = 0.05
AT_ONCE: Final = 100
"""Lines that are written without waiting for others: more of them would hold the loop up for milliseconds."""

NAME: Final = "serving.requests"


class AccessLogEntry(TypedDict):
    """What is said of a request: never a header, a query or an id of a game."""

    route: str
    method: str
    status: int
    ms: float
    cache: str | None
    generation: int | None
    key_id: str | None
    request_id: str


class AccessLog:
    """Keeps lines for a twentieth of a second at most. Belongs to one event loop."""

    def __init__(self, on_flush: Callable[[], None]) -> None:
        """``on_flush`` is called each time lines are written: for what else is better done for many at once."""
        self._on_flush = on_flush
        self._waiting: list[tuple[float, AccessLogEntry]] = []
        self._due: asyncio.TimerHandle | None = None

    def add(self, entry: AccessLogEntry) -> None:
        """Keep a line; written soon, whatever happens to the loop in an orderly way."""
        self._waiting.append((time.monotonic(), entry))
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        elif len(self._waiting) >= AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        lines, self._waiting = self._waiting, []
        if self._due is not None:
            self._due.cancel()
            self._due = None
        now = time.monotonic()
        self._on_flush()
        write_lines(NAME, "request", [(now - at, line) for at, line in lines])
