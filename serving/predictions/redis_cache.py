"""The cache in Redis that workers share.

A value is signed together with its key, so that a truncated, foreign or garbled one, or one copied from another key,
is never served. redis-py's defaults (10 retries, 5 s) would turn an unavailable Redis into an outage.
"""

import asyncio
from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from pydantic import SecretStr

from core.errors import CacheError
from core.logs import get_logger
from core.signing import Signer
from serving.backends.circuit_breaker import CircuitBreaker
from serving.backends.redis_clients import REDIS_ERRORS, blocking_client
from serving.backends.redis_pipeline import RedisPipeline, Reply
from serving.backends.sealed_values import seal, unseal
from serving.telemetry.metrics import Metrics

PURPOSE: Final = "cache"
"""Purpose of the signatures, so that a signed bundle is not accepted as a signed body."""

TIMEOUT_SECONDS: Final = 0.05
"""How long Redis may take for one response [seconds]."""

WATCH_SECONDS: Final = 0.5
WARM_SOCKET_SECONDS: Final = 2.0
LIFE_SECONDS: Final = 900
JITTER: Final = 0.1
RANDOM: Final = Random()  # not the one of the module `random`, which others may have seeded
LARGEST_VALUE: Final = 64 * 1024
WRITTEN_AT_ONCE: Final = 1_000

log = get_logger(__name__)


def jittered_life() -> float:
    """Return the life of an entry [seconds], spread so that entries made together do not expire together."""
    return LIFE_SECONDS * RANDOM.uniform(1 - JITTER, 1 + JITTER)


class RedisCache:
    """Reads and writes bodies. An unavailable Redis looks empty and, after a few failures, costs no time.

    ``timeout`` limits one response of Redis [seconds]; with connecting, reading may take twice as long.
    """

    def __init__(self, address: SecretStr, signer: Signer, metrics: Metrics, timeout: float = TIMEOUT_SECONDS) -> None:
        self.breaker = CircuitBreaker()
        self._pipeline = RedisPipeline(address, timeout, "dbsbm-serving")
        self._signer = signer
        self._read_seconds = 2 * timeout
        self._metrics = metrics

    async def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the bodies of the keys in one round trip, None for each that is missing."""
        if not keys or not self.breaker.try_acquire():
            return [None] * len(keys)
        try:
            async with asyncio.timeout(self._read_seconds):
                values = await self._pipeline.read(keys, LARGEST_VALUE)
        except REDIS_ERRORS as error:
            self._failed(error)
            return [None] * len(keys)
        self._succeeded()
        return [self._body(key, value) for key, value in zip(keys, values, strict=True)]

    def _body(self, key: str, value: bytes | None) -> bytes | None:
        if value == b"":
            return None
        body = None if value is None else unseal(self._signer, key, value)
        if body is None:
            self._metrics.poisoned.inc()
        return body

    def write(self, key: str, body: bytes) -> None:
        """Store the body for about a quarter of an hour if Redis is available, without waiting.

        A failure is counted but does not open the circuit breaker: a full or read-only Redis can still be read.
        """
        if self.breaker.state == "closed":
            value = seal(self._signer, key, body)
            self._pipeline.send("SET", key, value, "PX", int(jittered_life() * 1000)).add_done_callback(self._written)

    def _written(self, answer: Reply) -> None:
        if not answer.cancelled() and answer.exception() is not None:
            self._metrics.unwritten.inc()

    async def watch(self) -> None:
        """Ping Redis twice a second until cancelled: while all answers are cached, no other command is sent."""
        while True:
            if self.breaker.try_acquire():
                try:
                    async with asyncio.timeout(self._read_seconds):
                        await self._pipeline.send("PING")
                except REDIS_ERRORS as error:
                    self._failed(error)
                else:
                    self._succeeded()
            await asyncio.sleep(WATCH_SECONDS)

    async def close(self) -> None:
        """Close the connection."""
        await self._pipeline.close()

    def _failed(self, error: BaseException) -> None:
        if self.breaker.record_failure():
            log.warning("Redis unavailable; continuing without it", reason=type(error).__name__)

    def _succeeded(self) -> None:
        if self.breaker.record_success():
            log.info("Redis available again")


def write_all(address: SecretStr, signer: Signer, bodies: Mapping[str, bytes]) -> None:
    """Store many bodies, waiting for Redis. Raises CacheError if Redis does not accept them."""
    client = blocking_client(address, name="dbsbm-warm", seconds=WARM_SOCKET_SECONDS)
    try:
        with client, client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(bodies), WRITTEN_AT_ONCE):
                for key, body in list(bodies.items())[start : start + WRITTEN_AT_ONCE]:
                    pipeline.set(key, seal(signer, key, body), px=int(jittered_life() * 1000))
                pipeline.execute()
    except REDIS_ERRORS as error:
        msg = f"Redis did not accept the forecasts: {type(error).__name__}."
        raise CacheError(msg, hint="Check REDIS_URL. The server computes missing forecasts itself.") from error
