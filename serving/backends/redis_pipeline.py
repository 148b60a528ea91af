"""One connection to Redis for a whole event loop: the commands of one tick leave in one write, answers come in order.

redis-py connects, authenticates and parses; what is added is the sharing. A pool of connections costs several times
as much per command.
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
Answer = asyncio.Future[Any]

GRACE: Final = 0.2
"""Part of the patience that an answer gets on top: it may lie in the socket while the loop was busy elsewhere."""


class RedisPipeline:
    """Sends commands and matches answers to them. Belongs to one event loop; connects when first asked.

    ``patience`` is how long one answer may take [seconds]; connecting may take twice that. Whoever breaks it takes
    the whole line down: everything under way fails at once, and the next command connects anew.
    """

    def __init__(self, address: SecretStr, patience: float, client_name: str) -> None:
        self._patience = patience
        self._pool = single_connection_pool(address, name=client_name, seconds=patience)
        self._connection: AbstractConnection | None = None
        self._unsent: list[tuple[Command, Answer]] = []
        self._under_way: deque[Answer] = deque()
        self._sender: asyncio.Task[None] | None = None
        self._reader: asyncio.Task[None] | None = None
        self._breaking: asyncio.Task[None] | None = None
        """Held so that it is not collected before it is done."""

    def ask(self, *command: str | bytes | int) -> Answer:
        """The answer to a command, as a future; RedisError or OSError on it when there is none in time.

        A caller that goes away leaves its place in the order behind, so nobody gets another's answer.
        """
        answer: Answer = asyncio.get_running_loop().create_future()
        self._unsent.append((command, answer))
        if self._sender is None:
            self._sender = asyncio.create_task(self._send())
        return answer

    async def read(self, keys: Sequence[str], most: int) -> list[bytes | None]:
        """Return the first ``most`` bytes under each key: empty where there are none, None for another type of value.

        Not GET: whatever is stored under a key, no more than this comes over the wire. Raises one of ``REDIS_ERRORS``.
        """
        asked = [self.ask("GETRANGE", key, 0, most) for key in keys]
        return [_text(answer) for answer in await asyncio.gather(*asked, return_exceptions=True)]

    async def close(self) -> None:
        """Fail what is under way and give the connection back."""
        for task in (self._sender, self._reader):
            if task is not None:
                task.cancel()
        await self._break(self._connection, RedisConnectionError("closed"))

    async def _send(self) -> None:
        while self._unsent:
            connection = self._connection
            try:
                connection = connection or await self._connect()
                batch, self._unsent = self._unsent, []
                self._under_way.extend(answer for _, answer in batch)
                self._give_up_later(batch[-1][1])
                packed = connection.pack_commands(command for command, _ in batch)
                await connection.send_packed_command(packed, check_health=False)
            except (RedisError, OSError) as error:
                await self._break(connection, error)
        self._sender = None

    async def _connect(self) -> AbstractConnection:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        async with asyncio.timeout(2 * self._patience):
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
                await self._break(connection, error)
                return
            if not self._under_way:
                await self._break(connection, RedisConnectionError("an answer that nobody asked for"))
                return
            answer = self._under_way.popleft()
            if answer.done():
                continue
            if refusal is None:
                answer.set_result(content)
            else:
                answer.set_exception(refusal)

    def _give_up_later(self, last: Answer) -> None:
        """Break the line if this answer, and so one of those before it, is too late."""
        loop, connection = asyncio.get_running_loop(), self._connection

        def give_up() -> None:
            # Asked of the order, not of the future: a cancelled one is done without having been answered.
            if connection is self._connection and last in self._under_way:
                self._breaking = loop.create_task(self._break(connection, RedisTimeoutError("no answer in time")))

        loop.call_later(self._patience, lambda: loop.call_later(self._patience * GRACE, give_up))

    async def _break(self, connection: AbstractConnection | None, error: Exception) -> None:
        """Fail everything under way on this connection; a later one is left alone."""
        if connection is not self._connection:
            return
        self._connection = None
        under_way, self._under_way = self._under_way, deque()
        unsent, self._unsent = self._unsent, []
        for answer in (*under_way, *(answer for _, answer in unsent)):
            if not answer.done():
                answer.set_exception(error)
        if connection is not None:
            await connection.disconnect(nowait=True)


def _text(answer: bytes | BaseException) -> bytes | None:
    if not isinstance(answer, BaseException):
        return answer
    if isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE"):
        return None
    raise answer
