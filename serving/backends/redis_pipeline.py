"""One connection to Redis for a whole event loop: the commands of one turn are sent in one write.

redis-py connects, authenticates and parses; this module shares the connection. A pool of connections costs several
times as much per command.
"""

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from pydantic import SecretStr
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from serving.backends.redis_clients import single_connection_pool

Command = Sequence[str | bytes | int]
Reply = asyncio.Future[Any]

GRACE: Final = 0.2
"""Fraction of the time limit added to it: a reply may be in the socket already while the event loop is busy."""


class RedisPipeline:
    """Sends commands and matches replies to them. Belongs to one event loop; connects with the first command.

    ``timeout`` is how long one reply may take [seconds]; connecting may take twice that. A late reply closes the
    connection: every pending command fails at once, and the next command connects again.
    """

    def __init__(self, address: SecretStr, timeout: float, client_name: str) -> None:
        self._timeout = timeout
        self._pool = single_connection_pool(address, name=client_name, seconds=timeout)
        self._connection: AbstractConnection | None = None
        self._unsent: list[tuple[Command, Reply]] = []
        self._pending: deque[Reply] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._disconnecting: asyncio.Task[None] | None = None
        """Referenced here so that it is not collected before it is done."""

    def send(self, *command: str | bytes | int) -> Reply:
        """Send a command; return its reply as a future, which fails with RedisError or OSError if none comes in time.

        A cancelled future keeps its place in the order, so each reply goes to its own command.
        """
        reply: Reply = asyncio.get_running_loop().create_future()
        self._unsent.append((command, reply))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return reply

    async def read(self, keys: Sequence[str], max_bytes: int) -> list[bytes | None]:
        """Return the first ``max_bytes`` of each key: empty for a missing key, None for another type of value.

        Unlike GET, this never transfers more than ``max_bytes`` per key. Raises one of ``REDIS_ERRORS``.
        """
        replies = [self.send("GETRANGE", key, 0, max_bytes) for key in keys]
        return [_bytes_of(reply) for reply in await asyncio.gather(*replies, return_exceptions=True)]

    async def close(self) -> None:
        """Fail all pending commands and close the connection."""
        for task in (self._sender, self._reader):
            if task is not None:
                task.cancel()
        await self._disconnect(self._connection, RedisConnectionError("closed"))

    async def _send(self) -> None:
        while self._unsent:
            connection = self._connection
            try:
                connection = connection or await self._connect()
                batch, self._unsent = self._unsent, []
                self._pending.extend(reply for _, reply in batch)
                self._schedule_timeout(batch[-1][1])
                packed = connection.pack_commands(command for command, _ in batch)
                await connection.send_packed_command(packed, check_health=False)
            except (RedisError, OSError) as error:
                await self._disconnect(connection, error)
        self._sender = None

    async def _connect(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        async with asyncio.timeout(2 * self._timeout):
            await connection.connect()  # type: ignore[no-untyped-call]
        self._connection = connection
        self._reader = asyncio.create_task(self._read(connection))
        return connection

    async def _read(self, connection: AbstractConnection) -> None:
        while connection is self._connection:
            try:
                content = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
                refusal = None
            except ResponseError as error:
                content, refusal = None, error
            except (RedisError, OSError) as error:
                await self._disconnect(connection, error)
                return
            if not self._pending:
                await self._disconnect(connection, RedisConnectionError("reply without a command"))
                return
            reply = self._pending.popleft()
            if reply.done():
                continue
            if refusal is None:
                reply.set_result(content)
            else:
                reply.set_exception(refusal)

    def _schedule_timeout(self, last: Reply) -> None:
        """Close the connection if this reply, and so one of those before it, is too late."""
        loop, connection = asyncio.get_running_loop(), self._connection

        def time_out() -> None:
            # The future itself does not show this: a cancelled one is done although no reply came.
            if connection is self._connection and last in self._pending:
                self._disconnecting = loop.create_task(
                    self._disconnect(connection, RedisTimeoutError("no reply in time"))
                )

        loop.call_later(self._timeout, lambda: loop.call_later(self._timeout * GRACE, time_out))

    async def _disconnect(self, connection: AbstractConnection | None, error: Exception) -> None:
        """Fail every pending command of this connection; does nothing if another one has replaced it."""
        if connection is not self._connection:
            return
        self._connection = None
        pending, self._pending = self._pending, deque()
        unsent, self._unsent = self._unsent, []
        for reply in (*pending, *(reply for _, reply in unsent)):
            if not reply.done():
                reply.set_exception(error)
        if connection is not None:
            await connection.disconnect(nowait=True)


def _bytes_of(reply: bytes | BaseException) -> bytes | None:
    if not isinstance(reply, BaseException):
        return reply
    if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
        return None
    raise reply
