"""Bodies of predictions: first in this process, then in Redis, else computed, once per key however many ask.

What is computed while a caller waits is a *draft*: all of the forecast, but not its reasons, which cost fifty times
as much. Whole bodies are made ahead (``prewarming``, ``precompute``); only those are shared.
"""

import asyncio
import time
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from cachetools import TLRUCache

from serving.predictions.redis_cache import SharedCache, jittered_life
from serving.telemetry.cache_level import Level

MOST_BODIES: Final = 20_000
MOST_BYTES: Final = 48 * 1024 * 1024
OVERHEAD: Final = 600
"""Bytes that an entry takes beside its body."""

REFRESH_SECONDS: Final = 90.0
"""An entry that ends sooner than this is made again before anybody misses it; more than a round of warming."""


class _Entry(NamedTuple):
    body: bytes
    whole: bool
    refresh_at: float
    ends_at: float


class Found(NamedTuple):
    """A body and where it came from; a draft is not ``whole`` and is soon replaced."""

    body: bytes
    level: Level
    whole: bool = True


class LocalCache:
    """Bodies in this process, bounded in number and bytes, the least recently used leaving first; for any thread."""

    def __init__(
        self, bodies: int = MOST_BODIES, size: int = MOST_BYTES, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = Lock()
        self._timer = timer
        smallest = size // bodies
        self._entries: TLRUCache[str, _Entry, float] = TLRUCache(
            size,
            ttu=lambda _key, entry, _now: entry.ends_at,
            timer=timer,
            getsizeof=lambda entry: max(smallest, OVERHEAD + len(entry.body)),
        )
        self.drafted = False
        """Whether a draft came in since somebody last set this back."""

    def get(self, key: str) -> Found | None:
        with self._lock:
            entry: _Entry | None = self._entries.get(key)
            return None if entry is None else Found(entry.body, "local", entry.whole)

    def put(self, key: str, body: bytes, *, whole: bool = True) -> None:
        """Keep the body for about a quarter of an hour; one too large for the cache is not kept.

        A draft never replaces what is there.
        """
        ends_at = self._timer() + jittered_life()
        entry = _Entry(body, whole, ends_at - REFRESH_SECONDS, ends_at)
        with self._lock:
            if self._entries.getsizeof(entry) <= self._entries.maxsize and (whole or key not in self._entries):
                self._entries[key] = entry
                self.drafted = self.drafted or not whole

    def wants(self, key: str, *, whole: bool = True) -> bool:
        """Whether the key is missing; for a ``whole`` body, also whether there is but a draft or it is about to end."""
        with self._lock:
            entry: _Entry | None = self._entries.get(key)
            return entry is None or (whole and (not entry.whole or self._timer() >= entry.refresh_at))


class PredictionCache:
    """Both levels and the single flight. Belongs to the event loop that runs when it is made."""

    def __init__(self, shared: SharedCache | None) -> None:
        self.local = LocalCache()
        self._loop = asyncio.get_running_loop()
        self.shared = shared
        self._flights: dict[str, asyncio.Task[Found]] = {}

    def keep(self, key: str, body: bytes, *, whole: bool) -> None:
        """Put a body in place, from any thread; a whole one is shared."""
        self.local.put(key, body, whole=whole)
        if whole and self.shared is not None:
            self._loop.call_soon_threadsafe(self.shared.write, key, body)

    async def get(self, key: str, compute: Callable[[], bytes], patience: float | None = None) -> Found | None:
        """The body under the key; None if it is not there within ``patience`` [seconds], though it will be.

        Whoever asks while a key is being fetched waits for that one; a caller that goes away disturbs nobody.
        ``compute`` makes a draft, at once and in the loop: a hop through a thread costs as much as a forecast. Its
        error is the caller's.
        """
        found = self.local.get(key)
        if found is not None:
            return found
        if self.shared is None:
            return self.drafted(key, compute())
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fetch(self.shared, key, compute))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        # Not awaited itself: a caller that is cancelled must not take the flight along.
        await asyncio.wait((flight,), timeout=patience)
        return flight.result() if flight.done() else None

    def drafted(self, key: str, body: bytes) -> Found:
        """A draft that was computed whatever is there already, kept where there is nothing better."""
        self.local.put(key, body, whole=False)
        away = self.shared is not None and self.shared.breaker.state != "closed"
        return Found(body, "bypass" if away else "computed", whole=False)

    async def _fetch(self, shared: SharedCache, key: str, compute: Callable[[], bytes]) -> Found:
        body = await shared.read(key)
        if body is None:
            return self.drafted(key, compute())
        self.local.put(key, body)
        return Found(body, "redis")

    def _landed(self, key: str, flight: "asyncio.Task[Found]") -> None:
        del self._flights[key]
        if not flight.cancelled():
            # Asked for, so that an error whose callers all went away is not reported as forgotten.
            flight.exception()

    async def close(self) -> None:
        """End what is under way and give the connection back."""
        for flight in list(self._flights.values()):
            flight.cancel()
        if self.shared is not None:
            await self.shared.close()
