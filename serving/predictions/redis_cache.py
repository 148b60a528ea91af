"""Redis as the cache that workers share: what its values look like and what is believed of them.

A value is signed together with its own key, so that one that is truncated, foreign, garbled or copied from another
key is never served. redis-py's defaults (10 retries, 5 s) would turn a missing Redis into an outage.
"""

import asyncio
from collections.abc import Mapping
from random import Random
from typing import Final

import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError
from redis.retry import Retry

from core.errors import CacheError, ConfigurationError
from core.logs import get_logger
from core.signing import Signer
from serving.backends.circuit_breaker import Breaker
from serving.backends.redis_pipeline import Answer, RedisLine
from serving.telemetry.metrics import Metrics

PURPOSE: Final = "cache"
"""Of the signatures; a signed bundle is no signed answer."""

PATIENCE: Final = 0.05
"""How long Redis may take for one answer [seconds]."""

WATCH_SECONDS: Final = 0.5
WARM_SOCKET_SECONDS: Final = 2.0
LIFE_SECONDS: Final = 900
JITTER: Final = 0.1
CHANCE: Final = Random()  # not the one of the module `random`, which others may have seeded
LARGEST_VALUE: Final = 64 * 1024
SIGNATURE_LENGTH: Final = 64
WRITTEN_AT_ONCE: Final = 1_000
WRONG_TYPE: Final = b"a list or another type that is no text"

log = get_logger(__name__)


def jittered_life() -> float:
    """Seconds that an entry lives; spread, so that entries made together do not end together."""
    return LIFE_SECONDS * CHANCE.uniform(1 - JITTER, 1 + JITTER)


def sealed(signer: Signer, key: str, body: bytes) -> bytes:
    """The body as it is stored: signature over key and body, a line break, body."""
    return signer.sign(_signed(key, body)).encode() + b"\n" + body


def unsealed(signer: Signer, key: str, value: bytes) -> bytes | None:
    """The body, or None if the value is not what ``sealed`` made for this very key."""
    signature, body = value[:SIGNATURE_LENGTH], value[SIGNATURE_LENGTH + 1 :]
    whole = value[SIGNATURE_LENGTH : SIGNATURE_LENGTH + 1] == b"\n"
    return body if whole and signer.verifies(_signed(key, body), signature.decode("latin-1")) else None


def _signed(key: str, body: bytes) -> bytes:
    """No key holds a line break, so no other key and body read the same."""
    return key.encode() + b"\n" + body


class SharedCache:
    """Reads and writes bodies. A Redis that is away looks empty and, after a few failures, costs nothing.

    ``patience`` is how long one answer of Redis may take [seconds]; with connecting, reading may take twice that.
    """

    def __init__(self, address: SecretStr, signer: Signer, metrics: Metrics, patience: float = PATIENCE) -> None:
        check_address(address)
        self.breaker = Breaker()
        self._line = RedisLine(address, patience, "dbsbm-serving")
        self._signer = signer
        self._deadline = 2 * patience
        self._metrics = metrics

    async def read(self, key: str) -> bytes | None:
        """The body stored under the key, or None."""
        if not self.breaker.admits():
            return None
        try:
            # Not GET: whatever lies under our key, no more than this comes over the wire.
            async with asyncio.timeout(self._deadline):
                value: bytes = await self._line.ask("GETRANGE", key, 0, LARGEST_VALUE)
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
        body = unsealed(self._signer, key, value)
        if body is None:
            self._metrics.poisoned.inc()
        return body

    def write(self, key: str, body: bytes) -> None:
        """Store the body for about a quarter of an hour, if Redis is there; nobody waits for it.

        A failure is counted and otherwise left to the readers to notice: a Redis that is full or read-only still
        answers them.
        """
        if self.breaker.state == "closed":
            value = sealed(self._signer, key, body)
            self._line.ask("SET", key, value, "PX", int(jittered_life() * 1000)).add_done_callback(self._written)

    def _written(self, answer: Answer) -> None:
        if not answer.cancelled() and answer.exception() is not None:
            self._metrics.unwritten.inc()

    async def watch(self) -> None:
        """Ask twice a second whether Redis is there, until cancelled: while answers are at hand nobody else does."""
        while True:
            if self.breaker.admits():
                try:
                    async with asyncio.timeout(self._deadline):
                        await self._line.ask("PING")
                except (RedisError, OSError) as error:
                    self._failed(error)
                else:
                    self._succeeded()
            await asyncio.sleep(WATCH_SECONDS)

    async def close(self) -> None:
        """Give the connection back."""
        await self._line.close()

    def _failed(self, error: BaseException) -> None:
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


def write_all(address: SecretStr, signer: Signer, bodies: Mapping[str, bytes]) -> None:
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
                    pipeline.set(key, sealed(signer, key, body), px=int(jittered_life() * 1000))
                pipeline.execute()
    except (RedisError, OSError) as error:
        msg = f"Redis did not take the forecasts: {type(error).__name__}."
        raise CacheError(msg, hint="Check REDIS_URL; the server computes what it does not find there.") from error
