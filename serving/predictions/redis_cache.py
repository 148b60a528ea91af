"""Redis as the cache that workers share: what its values look like and what is believed of them.

A value is signed together with its own key, so that one that is truncated, foreign, garbled or copied from another
key is never served. redis-py's defaults (10 retries, 5 s) would turn a missing Redis into an outage.
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
"""Of the signatures; a signed bundle is no signed answer."""

PATIENCE: Final = 0.05
"""How long Redis may take for one answer [seconds]."""

WATCH_SECONDS: Final = 0.5
WARM_SOCKET_SECONDS: Final = 2.0
LIFE_SECONDS: Final = 900
JITTER: Final = 0.1
CHANCE: Final = Random()  # not the one of the module `random`, which others may have seeded
LARGEST_VALUE: Final = 64 * 1024
WRITTEN_AT_ONCE: Final = 1_000

log = get_logger(__name__)


def jittered_life() -> float:
    """Seconds that an entry lives; spread, so that entries made together do not end together."""
    return LIFE_SECONDS * CHANCE.uniform(1 - JITTER, 1 + JITTER)


class RedisCache:
    """Reads and writes bodies. A Redis that is away looks empty and, after a few failures, costs nothing.

    ``patience`` is how long one answer of Redis may take [seconds]; with connecting, reading may take twice that.
    """

    def __init__(self, address: SecretStr, signer: Signer, metrics: Metrics, patience: float = PATIENCE) -> None:
        self.breaker = CircuitBreaker()
        self._line = RedisPipeline(address, patience, "dbsbm-serving")
        self._signer = signer
        self._deadline = 2 * patience
        self._metrics = metrics

    async def read(self, key: str) -> bytes | None:
        """Return the body stored under the key, or None."""
        (body,) = await self.read_many([key])
        return body

    async def read_many(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the bodies stored under the keys, None for each that is missing; they travel together."""
        if not keys or not self.breaker.try_acquire():
            return [None] * len(keys)
        try:
            async with asyncio.timeout(self._deadline):
                values = await self._line.read(keys, LARGEST_VALUE)
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
        """Store the body for about a quarter of an hour, if Redis is there; nobody waits for it.

        A failure is counted and otherwise left to the readers to notice: a Redis that is full or read-only still
        answers them.
        """
        if self.breaker.state == "closed":
            value = seal(self._signer, key, body)
            self._line.send("SET", key, value, "PX", int(jittered_life() * 1000)).add_done_callback(self._written)

    def _written(self, answer: Reply) -> None:
        if not answer.cancelled() and answer.exception() is not None:
            self._metrics.unwritten.inc()

    async def watch(self) -> None:
        """Ask twice a second whether Redis is there, until cancelled: while answers are at hand nobody else does."""
        while True:
            if self.breaker.try_acquire():
                try:
                    async with asyncio.timeout(self._deadline):
                        await self._line.send("PING")
                except REDIS_ERRORS as error:
                    self._failed(error)
                else:
                    self._succeeded()
            await asyncio.sleep(WATCH_SECONDS)

    async def close(self) -> None:
        """Give the connection back."""
        await self._line.close()

    def _failed(self, error: BaseException) -> None:
        if self.breaker.record_failure():
            log.warning("Redis is away; answers go on without it", reason=type(error).__name__)

    def _succeeded(self) -> None:
        if self.breaker.record_success():
            log.info("Redis is back")


def write_all(address: SecretStr, signer: Signer, bodies: Mapping[str, bytes]) -> None:
    """Store many bodies at once, from a job that may wait. Raises CacheError if Redis does not take them."""
    client = blocking_client(address, name="dbsbm-warm", seconds=WARM_SOCKET_SECONDS)
    try:
        with client, client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(bodies), WRITTEN_AT_ONCE):
                for key, body in list(bodies.items())[start : start + WRITTEN_AT_ONCE]:
                    pipeline.set(key, seal(signer, key, body), px=int(jittered_life() * 1000))
                pipeline.execute()
    except REDIS_ERRORS as error:
        msg = f"Redis did not take the forecasts: {type(error).__name__}."
        raise CacheError(msg, hint="Check REDIS_URL; the server computes what it does not find there.") from error
