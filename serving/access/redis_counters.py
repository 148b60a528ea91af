"""How often names asked in a minute, as numbers in Redis that all processes add to (the storage is ``limits``'s)."""

import asyncio
from typing import Final

from limits.aio.storage import RedisStorage
from pydantic import SecretStr
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError

from core.logs import get_logger
from serving.backends.circuit_breaker import CircuitBreaker
from serving.backends.redis_clients import shared_connection_pool

WINDOW_SECONDS: Final = 60
SOCKET_SECONDS: Final = 0.05
"""A whole command may take twice this."""

CONNECTIONS: Final = 8
NOBODY: Final = "nobody"

log = get_logger(__name__)


class RedisCounters:
    """The counts in Redis. Gives None while Redis is away; after a few failures that costs nothing.

    ``patience`` is how long one answer of Redis may take [seconds].
    """

    def __init__(self, address: SecretStr, patience: float = SOCKET_SECONDS) -> None:
        self.breaker = CircuitBreaker()
        self.successions = 0
        """How often another Redis process answered than before, which may know nothing of what was counted."""
        self._answering: str | None = None
        self._deadline = 2 * patience
        self._pool = shared_connection_pool(
            address, name="dbsbm-limits", seconds=patience, connections=CONNECTIONS, on_connect=self._connected
        )
        self._storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix="dbsbm:limit",
            connection_pool=self._pool,  # type: ignore[arg-type]  # handed on as it is
        )

    async def add(self, name: str, window: int, amount: int) -> int | None:
        """Enter an amount; the name's count in that minute afterwards."""
        if not self.breaker.admits():
            return None
        try:
            async with asyncio.timeout(self._deadline):
                count = await self._storage.incr(f"{name}/{window}", WINDOW_SECONDS, amount)
        except (RedisError, OSError) as error:
            self._answering = self._answering or NOBODY
            if self.breaker.failed():
                log.warning("Redis is away; each process limits its own share", reason=type(error).__name__)
            return None
        except asyncio.CancelledError:
            self.breaker.failed()
            raise
        if self.breaker.succeeded():
            log.info("Redis is back; limits are shared again")
        return count

    async def close(self) -> None:
        """Give the connections back."""
        await self._pool.aclose()

    async def _connected(self, connection: Connection) -> None:
        """Ask who answers, before anything is counted over a new connection: no old one outlives a restart."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        answering = _run_id(await connection.read_response())
        if self._answering not in (None, answering):
            self.successions += 1
        self._answering = answering


def _run_id(information: str | bytes) -> str:
    text = information if isinstance(information, str) else information.decode()
    return next((line.partition(":")[2] for line in text.splitlines() if line.startswith("run_id:")), "")
