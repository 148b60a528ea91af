"""Bodies of predictions: first in this process, then in Redis, else computed, once per key however many ask."""

import asyncio
import time
from collections.abc import Callable
from threading import Lock
from typing import Final, Literal

from cachetools import TLRUCache

from serving.shared_cache import SharedCache, jittered_life

Level = Literal["local", "redis", "computed"]

MOST_BODIES: Final = 20_000
"""About 40 MB; an entry is some 1.5 KB."""


class LocalCache:
    """Bodies in this process, the least recently used leaving first; safe to use from any thread."""

    def __init__(self, size: int = MOST_BODIES, timer: Callable[[], float] = time.monotonic) -> None:
        self._lock = Lock()
        self._bodies: TLRUCache[str, bytes, float] = TLRUCache(size, ttu=_end_of_life, timer=timer)

    def get(self, key: str) -> bytes | None:
        with self._lock:
            body: bytes | None = self._bodies.get(key)
            return body

    def put(self, key: str, body: bytes) -> None:
        with self._lock:
            self._bodies[key] = body

    def lacks(self, key: str) -> bool:
        """Whether the key would have to be fetched or computed; does not count as a use."""
        with self._lock:
            return key not in self._bodies


class PredictionCache:
    """Both levels and the single flight. Belongs to one event loop, but for ``local``."""

    def __init__(self, shared: SharedCache | None) -> None:
        self.local = LocalCache()
        self.shared = shared
        self._flights: dict[str, asyncio.Task[tuple[bytes, Level]]] = {}

    async def get(self, key: str, compute: Callable[[], bytes]) -> tuple[bytes, Level]:
        """The body under the key and where it came from; ``compute`` runs in a thread and its error is the caller's.

        Whoever asks while a key is being made waits for that one; a caller that goes away disturbs nobody.
        """
        body = self.local.get(key)
        if body is not None:
            return body, "local"
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fetch(key, compute))
            self._flights[key] = flight
            flight.add_done_callback(lambda done: self._landed(key, done))
        return await asyncio.shield(flight)

    async def _fetch(self, key: str, compute: Callable[[], bytes]) -> tuple[bytes, Level]:
        found = None if self.shared is None else await self.shared.read(key)
        if found is not None:
            self.local.put(key, found)
            return found, "redis"
        body = await asyncio.to_thread(compute)
        self.local.put(key, body)
        if self.shared is not None:
            await self.shared.write(key, body)
        return body, "computed"

    def _landed(self, key: str, flight: "asyncio.Task[tuple[bytes, Level]]") -> None:
        del self._flights[key]
        if not flight.cancelled():
            # Asked for, so that an error whose callers all went away is not reported as forgotten.
            flight.exception()

    async def close(self) -> None:
        """End what is under way and give the connections back."""
        for flight in list(self._flights.values()):
            flight.cancel()
        if self.shared is not None:
            await self.shared.close()


def _end_of_life(_key: str, _body: bytes, now: float) -> float:
    return now + jittered_life()
