"""Redis as the cache that workers share: the one place that knows how to reach it and what its values look like.

A value carries its own key and a SHA-256 over key and body, so that a truncated, foreign or garbled value is
never served. redis-py's defaults (10 retries, 5 s) would turn a missing Redis into an outage.
"""

import asyncio
import random
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, cast

import redis
import redis.asyncio
from pydantic import SecretStr
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from core.errors import CacheError, ConfigurationError
from core.logs import get_logger
from serving.breaker import Breaker
from serving.metrics import Metrics

SOCKET_SECONDS: Final = 0.05
"""A whole command may take twice this: a server that drips bytes never trips the socket's own limit."""

WARM_SOCKET_SECONDS: Final = 2.0
LIFE_SECONDS: Final = 900
JITTER: Final = 0.1
LARGEST_VALUE: Final = 64 * 1024
DIGEST_LENGTH: Final = 64
WRITTEN_AT_ONCE: Final = 1_000
WRONG_TYPE: Final = b"a list or another type that is no text"
CONNECTIONS: Final = 64

log = get_logger(__name__)


def jittered_life() -> float:
    """Seconds that an entry lives; spread, so that entries made together do not end together."""
    return LIFE_SECONDS * random.uniform(1 - JITTER, 1 + JITTER)


def sealed(key: str, body: bytes) -> bytes:
    """The body as it is stored: key, digest over key and body, body."""
    return b"\n".join((key.encode(), sha256(key.encode() + body).hexdigest().encode(), body))


def unsealed(key: str, value: bytes) -> bytes | None:
    """The body, or None if the value is not what ``sealed`` made for this very key."""
    owner = key.encode() + b"\n"
    start = len(owner) + DIGEST_LENGTH + 1
    body = value[start:]
    return body if value[:start] == sealed(key, body)[:start] else None


class SharedCache:
    """Reads and writes bodies. A Redis that is away looks empty and, after a few failures, costs nothing.

    ``patience`` is how long one answer of Redis may take [seconds]; a whole command may take twice that.
    """

    def __init__(self, address: SecretStr, metrics: Metrics, patience: float = SOCKET_SECONDS) -> None:
        self.breaker = Breaker()
        self._deadline = 2 * patience
        self._metrics = metrics
        check_address(address)
        self._redis = redis.asyncio.Redis.from_url(
            address.get_secret_value(),
            socket_timeout=patience,
            socket_connect_timeout=patience,
            retry=AsyncRetry(NoBackoff(), 0),
            max_connections=CONNECTIONS,
            client_name="dbsbm-serving",
        )
        self._slots = asyncio.Semaphore(CONNECTIONS)

    async def read(self, key: str) -> bytes | None:
        """The body stored under the key, or None."""
        if not self.breaker.admits():
            return None
        try:
            async with self._slots, asyncio.timeout(self._deadline):
                # Not GET: whatever lies under our key, no more than this comes over the wire.
                value = cast("bytes", await self._redis.getrange(key, 0, LARGEST_VALUE))
        except ResponseError as error:
            if not str(error).startswith("WRONGTYPE"):
                self._failed(error)
                return None
            value = WRONG_TYPE
        except (RedisError, OSError) as error:
            self._failed(error)
            return None
        self._succeeded()
        if not value:
            return None
        body = unsealed(key, value)
        if body is None:
            self._metrics.poisoned.inc()
        return body

    async def write(self, key: str, body: bytes) -> None:
        """Store the body for about a quarter of an hour, if Redis is there."""
        if not self.breaker.admits():
            return
        try:
            async with self._slots, asyncio.timeout(self._deadline):
                await self._redis.set(key, sealed(key, body), px=int(jittered_life() * 1000))
        except (RedisError, OSError) as error:
            self._failed(error)
        else:
            self._succeeded()

    async def close(self) -> None:
        """Give the connections back."""
        await self._redis.aclose()

    def _failed(self, error: Exception) -> None:
        if self.breaker.failed():
            log.warning("Redis is away; answers go on without it", reason=type(error).__name__)

    def _succeeded(self) -> None:
        if self.breaker.succeeded():
            log.info("Redis is back")


def check_address(address: SecretStr) -> None:
    """Raises ConfigurationError if Redis cannot have such an address; asks nobody."""
    try:
        redis.ConnectionPool.from_url(address.get_secret_value())
    except ValueError as error:
        msg = f"REDIS_URL: {error} (read: a value that is not shown)."
        raise ConfigurationError(msg, hint="Expected redis://:password@host:6379/0.") from error


def write_all(address: SecretStr, bodies: Mapping[str, bytes]) -> None:
    """Store many bodies at once, from a job that may wait. Raises CacheError if Redis does not take them."""
    check_address(address)
    client = redis.Redis.from_url(
        address.get_secret_value(),
        socket_timeout=WARM_SOCKET_SECONDS,
        socket_connect_timeout=WARM_SOCKET_SECONDS,
        retry=Retry(NoBackoff(), 0),
        client_name="dbsbm-warm",
    )
    try:
        with client, client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(bodies), WRITTEN_AT_ONCE):
                for key, body in list(bodies.items())[start : start + WRITTEN_AT_ONCE]:
                    pipeline.set(key, sealed(key, body), px=int(jittered_life() * 1000))
                pipeline.execute()
    except (RedisError, OSError) as error:
        msg = f"Redis did not take the forecasts: {type(error).__name__}."
        raise CacheError(msg, hint="Check REDIS_URL; the server computes what it does not find there.") from error
