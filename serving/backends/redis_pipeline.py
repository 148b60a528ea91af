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

Reply = asyncio.Future[Any]

GRACE: Final = 0.2
"""Fraction of the time limit added to it: a reply may be in the socket already while the event loop is busy."""


class _Exchange:
    """Commands that are sent together, and the future of their replies.

    Without ``count`` it is one command, whose refusal is raised; else the list of that many replies and refusals.
    """

    __slots__ = ("_count", "_received", "packed", "replies")

    def __init__(self, packed: bytes, count: int | None, replies: Reply) -> None:
        self.packed = packed
        self.replies = replies
        self._count = count
        self._received: list[Any] = []

    def receive(self, reply: Any) -> bool:
        """Add the next reply or refusal; True if it was the last. For a cancelled caller that is all."""
        self._received.append(reply)
        if self._count is not None and len(self._received) < self._count:
            return False
        if self.replies.done():
            return True
        if self._count is not None:
            self.replies.set_result(self._received)
        elif isinstance(reply, ResponseError):
            self.replies.set_exception(reply)
        else:
            self.replies.set_result(reply)
        return True


class RedisPipeline:
    """Sends commands and matches replies to them. Belongs to one event loop; connects with the first command.

    ``timeout`` is how long one reply may take [seconds]; connecting may take twice that. A late reply closes the
    connection: every pending command fails at once, and the next command connects again.
    """

    def __init__(self, address: SecretStr, timeout: float, client_name: str) -> None:
        self._timeout = timeout
        self._pool = single_connection_pool(address, name=client_name, seconds=timeout)
        self._connection: AbstractConnection | None = None
        self._unsent: list[_Exchange] = []
        self._pending: deque[_Exchange] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._disconnecting: asyncio.Task[None] | None = None
        """Referenced here so that it is not collected before it is done."""

    def send(self, *command: str | bytes | int) -> Reply:
        """Send a command; return its reply as a future, which fails with RedisError or OSError if none comes in time.

        A cancelled future keeps its place in the order, so each reply goes to its own command.
        """
        return self._begin(_packed(command), None)

    async def read(self, keys: Sequence[str], max_bytes: int) -> list[bytes | None]:
        """Return the first ``max_bytes`` of each key: empty for a missing key, None for another type of value.

        Unlike GET, this never transfers more than ``max_bytes`` per key. Raises one of ``REDIS_ERRORS``.
        """
        packed = b"".join([_packed(("GETRANGE", key, 0, max_bytes)) for key in keys])
        return [_bytes_of(reply) for reply in await self._begin(packed, len(keys))]

    def _begin(self, packed: bytes, count: int | None) -> Reply:
        exchange = _Exchange(packed, count, asyncio.get_running_loop().create_future())
        self._unsent.append(exchange)
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return exchange.replies

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
                self._pending.extend(batch)
                self._schedule_timeout(batch[-1])
                packed = b"".join([exchange.packed for exchange in batch])
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
                reply = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
            except ResponseError as refusal:
                reply = refusal
            except (RedisError, OSError) as error:
                await self._disconnect(connection, error)
                return
            if not self._pending:
                await self._disconnect(connection, RedisConnectionError("reply without a command"))
                return
            if self._pending[0].receive(reply):
                self._pending.popleft()

    def _schedule_timeout(self, last: _Exchange) -> None:
        """Close the connection if this one's replies, and so some of those before it, are too late."""
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
        for exchange in (*pending, *unsent):
            if not exchange.replies.done():
                exchange.replies.set_exception(error)
        if connection is not None:
            await connection.disconnect(nowait=True)


def _packed(command: Sequence[str | bytes | int]) -> bytes:
    """Return the command as Redis' protocol has it (RESP): redis-py's own packing costs as much as a forecast's row."""
    parts = [part if isinstance(part, bytes) else str(part).encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


def _bytes_of(reply: bytes | BaseException) -> bytes | None:
    if not isinstance(reply, BaseException):
        return reply
    if isinstance(reply, ResponseError) and str(reply).startswith("WRONGTYPE"):
        return None
    raise reply
