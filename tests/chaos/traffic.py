"""Open-loop clients: they send requests at fixed times whether or not the last answer has come, and record every answer.

Latency is measured from the time a request was due, so that requests delayed by a stalled server count in full (no
coordinated omission). One event loop in its own thread runs all clients.
"""

import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from tests.bench.serving.open_loop import zipf

TIME_LIMIT = 10.0
"""Seconds after which a request counts as unanswered."""

BARE_RATE = 50.0
HIT = ("local", "redis")


@dataclass(slots=True)
class Answer:
    """One request as its client saw it."""

    due: float
    """When the request was due, on the monotonic clock."""
    began_at: float
    ended_at: float
    """When it was sent and its answer read, on the machine's clock."""
    seconds: float
    status: int
    """0 without an answer."""
    game: str
    connection: tuple[int, int]
    """Client number, and the number of its connection."""
    hot: bool
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def ended(self) -> float:
        return self.due + self.seconds


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    content: bytes


@dataclass(frozen=True)
class Mix:
    """The games requested: ``hot`` ones by Zipf's law, and a ``cold_share`` from ``cold``."""

    hot: Sequence[str]
    cold: Callable[[], str] = str
    cold_share: float = 0.0


class Load:
    """Sends requests to ``port`` until its block ends.

    ``headers`` returns those of each request; ``leaving`` is the fraction that disconnects before the answer.
    """

    def __init__(
        self,
        port: int,
        mix: Mix,
        headers: Callable[[], dict[str, str]],
        *,
        rate: float = 100.0,
        clients: int = 16,
        leaving: float = 0.0,
        bare: int | None = None,
    ) -> None:
        self.answers: list[Answer] = []
        self.bare: list[float] = []
        """Seconds of requests to a server at port ``bare`` that does nothing: the machine's own delay."""
        self.left = 0
        self._bare = bare
        self._port, self._mix, self._headers = port, mix, headers
        self._rate, self._clients, self._leaving = rate, clients, leaving
        self._ranks = zipf(len(mix.hot), 20_000)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    async def _run(self) -> None:
        began = time.monotonic()
        await asyncio.gather(
            self._measure_bare(began), *(self._client(number, began) for number in range(self._clients))
        )

    async def _measure_bare(self, began: float) -> None:
        if self._bare is None:
            return
        connection = Connection(self._bare)
        while not self._stopping.is_set():
            due = began + len(self.bare) / BARE_RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await connection.ask("/", {})
            self.bare.append(time.monotonic() - due)
        connection.close()

    async def _client(self, number: int, began: float) -> None:
        connection, asked = Connection(self._port), 0
        while not self._stopping.is_set():
            turn = asked * self._clients + number
            asked += 1
            due = began + turn / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            hot = random.random() >= self._mix.cold_share
            game = self._mix.hot[self._ranks[turn % len(self._ranks)]] if hot else self._mix.cold()
            if random.random() < self._leaving:
                await connection.ask_and_leave(f"/v1/predictions/{game}", self._headers())
                self.left += 1
            else:
                self.answers.append(await self._one(connection, due, game, number, hot=hot))
        connection.close()

    async def _one(self, connection: "Connection", due: float, game: str, client: int, *, hot: bool) -> Answer:
        began_at = time.time()
        try:
            async with asyncio.timeout(TIME_LIMIT):
                status, headers, content = await connection.ask(f"/v1/predictions/{game}", self._headers())
            body = orjson.loads(content) if content else {}
        except (OSError, EOFError, TimeoutError, ValueError):
            connection.close()
            status, headers, body = 0, {}, {}
        seconds = time.monotonic() - due
        number = (client, connection.opened)
        return Answer(due, began_at, time.time(), seconds, status, game, number, hot, headers, body)


class Connection:
    """A keep-alive connection that is opened again after it broke."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.opened = 0
        """Number of connections opened so far."""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, headers: dict[str, str], method: str = "GET") -> Reply:
        """Send a request and return the reply. Raises OSError or EOFError without one.

        A connection that the server closed while it was idle is opened again.
        """
        is_reused = self._streams is not None
        try:
            return await self._request(path, headers, method)
        except (ConnectionError, EOFError) as error:
            self.close()
            nothing_came = not (isinstance(error, asyncio.IncompleteReadError) and error.partial)
            if is_reused and nothing_came and not isinstance(error, ConnectionRefusedError):
                return await self._request(path, headers, method)
            raise

    async def ask_and_leave(self, path: str, headers: dict[str, str]) -> None:
        """Send a request, and close the connection before the reply."""
        with suppress(OSError):
            _, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
            writer.write(_head("GET", path, headers))
            await asyncio.sleep(random.uniform(0, 0.02))
            writer.transport.abort()
        self._streams = None

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
        self._streams = None

    async def _request(self, path: str, headers: dict[str, str], method: str) -> Reply:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            self.opened += 1
        reader, writer = self._streams
        writer.write(_head(method, path, headers))
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        content = await reader.readexactly(int(fields.get("content-length", 0)))
        if fields.get("connection") == "close":
            self.close()
        return Reply(int(first.split(" ")[1]), fields, content)


def _head(method: str, path: str, headers: dict[str, str]) -> bytes:
    lines = (f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items()))
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def p99(seconds: Sequence[float]) -> float:
    """Return the 99th percentile [ms]; NaN for an empty sequence."""
    ordered = sorted(seconds)
    return ordered[int(0.99 * (len(ordered) - 1))] * 1e3 if ordered else float("nan")


def hit_rate(answers: Sequence[Answer]) -> float:
    """Return the fraction of successful answers for hot games that came from a cache."""
    levels = [answer.body["cache"] for answer in answers if answer.status == 200 and answer.hot]
    return sum(level in HIT for level in levels) / max(1, len(levels))
