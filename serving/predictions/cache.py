"""The two cache levels of prediction bodies: this process and Redis.

A body computed while a caller waits is a *draft*: the whole forecast without its reasons, which cost fifty times as
much. Whole bodies are made ahead (``ahead.prewarming``, ``ahead.precompute``), and only they are stored in Redis.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Final, NamedTuple

from serving.predictions.redis_cache import RedisCache, jittered_life
from serving.telemetry.cache_level import CacheLevel

MOST_BODIES: Final = 20_000
MOST_BYTES: Final = 48 * 1024 * 1024
OVERHEAD: Final = 600
"""Size of an entry without its body [bytes]."""

REFRESH_SECONDS: Final = 90.0
"""An entry that expires sooner than this is made again in time; longer than a round of prewarming."""


class _Entry(NamedTuple):
    body: bytes
    whole: bool
    refresh_at: float
    ends_at: float
    size: int


class CachedBody(NamedTuple):
    """A body and its cache level; a draft is not ``whole`` and is soon replaced."""

    body: bytes
    level: CacheLevel
    whole: bool = True


class LocalCache:
    """Bodies in this process, limited in number and size; the least recently used is evicted first. Thread-safe.

    A dictionary in order of use: the general caches of cachetools cost fifteen times as much, half of a forecast.
    """

    def __init__(
        self, bodies: int = MOST_BODIES, size: int = MOST_BYTES, timer: Callable[[], float] = time.monotonic
    ) -> None:
        self._lock = Lock()
        self._timer = timer
        self._size_limit = size
        self._smallest = size // bodies
        self._size = 0
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self.drafted = False
        """Whether a draft was added since this was last reset."""

    def get(self, key: str) -> CachedBody | None:
        """Return the body of the key, if it has not expired."""
        with self._lock:
            entry = self._current(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
        return CachedBody(entry.body, "local", entry.whole)

    def put(self, key: str, body: bytes, *, whole: bool = True) -> None:
        """Store the body for about a quarter of an hour; one too large for the cache is not stored.

        A draft never replaces an entry.
        """
        size = max(self._smallest, OVERHEAD + len(body))
        if size > self._size_limit:
            return
        ends_at = self._timer() + jittered_life()
        with self._lock:
            if not whole and self._current(key) is not None:
                return
            self._remove(key)
            self._entries[key] = _Entry(body, whole, ends_at - REFRESH_SECONDS, ends_at, size)
            self._size += size
            while self._size > self._size_limit:
                self._remove(next(iter(self._entries)))
            self.drafted = self.drafted or not whole

    def wants(self, key: str, *, whole: bool = True) -> bool:
        """Whether the key is missing; for a ``whole`` body, also whether the entry is a draft or expires soon."""
        with self._lock:
            entry = self._current(key)
        return entry is None or (whole and (not entry.whole or self._timer() >= entry.refresh_at))

    def _current(self, key: str) -> _Entry | None:
        """Return the entry of the key, which is removed if it has expired."""
        entry = self._entries.get(key)
        if entry is not None and self._timer() >= entry.ends_at:
            self._remove(key)
            return None
        return entry

    def _remove(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._size -= entry.size


class PredictionCache:
    """Both cache levels. Created in the event loop that it belongs to."""

    def __init__(self, shared: RedisCache | None) -> None:
        self.local = LocalCache()
        self.shared = shared
        self._loop = asyncio.get_running_loop()

    def keep(self, key: str, body: bytes, *, whole: bool) -> None:
        """Store a body, from any thread; a whole one in Redis too."""
        self.local.put(key, body, whole=whole)
        if whole and self.shared is not None:
            self._loop.call_soon_threadsafe(self.shared.write, key, body)

    def keep_draft(self, key: str, body: bytes) -> CachedBody:
        """Store a computed draft unless the key has an entry, and return it with its level."""
        self.local.put(key, body, whole=False)
        is_bypassed = self.shared is not None and self.shared.breaker.state != "closed"
        return CachedBody(body, "bypass" if is_bypassed else "computed", whole=False)

    async def close(self) -> None:
        """Close the connection to Redis."""
        if self.shared is not None:
            await self.shared.close()
