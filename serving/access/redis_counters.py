"""Request counts per name and minute in Redis, shared by all processes (the storage is that of ``limits``)."""

import asyncio
import secrets
from typing import Final

from limits.aio.storage import RedisStorage
from pydantic import SecretStr
from redis.asyncio.connection import Connection
from redis.exceptions import RedisError, ResponseError

from core.logs import get_logger
from serving.backends.circuit_breaker import CircuitBreaker
from serving.backends.redis_clients import shared_connection_pool

WINDOW_SECONDS: Final = 60
SOCKET_SECONDS: Final = 0.05
"""The time limit of one read or write; a whole command may take twice as long."""

CONNECTIONS: Final = 8
KEY_PREFIX: Final = "dbsbm:limit"
DATA_ID_KEY: Final = f"{KEY_PREFIX}:data-id"
"""Where the id of the stored data is kept, for servers that do not permit INFO."""

NO_COUNT: Final = ("WRONGTYPE", "not an integer", "would overflow")
"""Parts of Redis' messages on a value that is no count."""

UNREACHED: Final = "unreached"
"""Stands for the server's id after a failure, so that the next server that answers counts as restarted."""

log = get_logger(__name__)


class DamagedCounterError(Exception):
    """What Redis holds under the name is no count."""


class RedisCounters:
    """The counts in Redis. Returns None while Redis is unavailable, without asking it after a few failures.

    ``timeout`` is how long one answer of Redis may take [seconds].
    """

    def __init__(self, address: SecretStr, timeout: float = SOCKET_SECONDS) -> None:
        self.breaker = CircuitBreaker()
        self.restarts = 0
        """How often the Redis process that answers has changed; a new one may have lost the counts."""
        self._run_id: str | None = None
        self._deadline = 2 * timeout
        self._pool = shared_connection_pool(
            address, name="dbsbm-limits", seconds=timeout, connections=CONNECTIONS, on_connect=self._on_connect
        )
        self._storage = RedisStorage(
            "async+redis://",
            implementation="redispy",
            key_prefix=KEY_PREFIX,
            connection_pool=self._pool,  # type: ignore[arg-type]  # passed on unchanged
        )

    async def add(self, name: str, window: int, amount: int) -> int | None:
        """Add an amount to the name's count in that minute; return the new count. Raises DamagedCounterError."""
        if not self.breaker.try_acquire():
            return None
        try:
            async with asyncio.timeout(self._deadline):
                count = await self._storage.incr(f"{name}/{window}", WINDOW_SECONDS, amount)
        except (RedisError, OSError) as error:
            if isinstance(error, ResponseError) and any(part in str(error) for part in NO_COUNT):
                self.breaker.record_success()
                raise DamagedCounterError from error
            self._run_id = self._run_id or UNREACHED
            if self.breaker.record_failure():
                log.warning("Redis unavailable; each process applies its own rate limits", reason=type(error).__name__)
            return None
        except asyncio.CancelledError:
            self.breaker.record_failure()
            raise
        if self.breaker.record_success():
            log.info("Redis available again; rate limits are shared")
        return count

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _on_connect(self, connection: Connection) -> None:
        """Read the server's run id before anything is counted over a new connection: none outlives a restart.

        A server that does not permit INFO keeps an id beside the counts instead, which is lost together with them.
        """
        await connection.on_connect()
        try:
            run_id = _parse_run_id(await _ask(connection, "INFO", "server"))
        except ResponseError:
            run_id = ""
        run_id = run_id or await _stored_data_id(connection)
        if self._run_id not in (None, run_id):
            self.restarts += 1
        self._run_id = run_id


async def _ask(connection: Connection, *command: str) -> str:
    await connection.send_command(*command)
    reply: str | bytes | None = await connection.read_response()
    return reply.decode() if isinstance(reply, bytes) else reply or ""


async def _stored_data_id(connection: Connection) -> str:
    """Return the id kept beside the counts; an empty one, with which no restart is noticed, if it is not permitted."""
    try:
        await _ask(connection, "SET", DATA_ID_KEY, secrets.token_hex(20), "NX")
        return await _ask(connection, "GET", DATA_ID_KEY)
    except ResponseError:
        return ""


def _parse_run_id(text: str) -> str:
    return next((line.partition(":")[2] for line in text.splitlines() if line.startswith("run_id:")), "")
