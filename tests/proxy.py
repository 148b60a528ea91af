"""A TCP proxy that misbehaves on demand, between a service and what it depends on (toxiproxy's ideas, in asyncio)."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

SLICE = 7


class Proxy:
    """Passes bytes on to a port. What it does otherwise is set from any thread and holds from the next bytes on."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = 0
        self.latency = 0.0
        """Seconds added on the way back."""
        self.silent = False
        """Accept and pass nothing on."""
        self.resets = 0.0
        """The share of answers instead of which the connection is reset."""
        self.sliced = False
        """Answers arrive in pieces of a few bytes."""
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def down(self) -> None:
        """Refuse connections and break those that are there."""
        self._run(self._close())

    def up(self) -> None:
        self._run(self._listen())

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        await asyncio.gather(self._pass_on(reader, back, answers=False), self._pass_on(there, writer, answers=True))
        self._writers -= {writer, back}

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while content := await reader.read(65536):
                while self.silent:
                    await asyncio.sleep(0.02)
                if answers and self.latency:
                    await asyncio.sleep(self.latency)
                if answers and random.random() < self.resets:
                    break
                step = SLICE if answers and self.sliced else len(content)
                for start in range(0, len(content), step):
                    writer.write(content[start : start + step])
                    await writer.drain()
        writer.transport.abort()


@contextmanager
def proxy(upstream: int) -> Iterator[Proxy]:
    """A proxy before a local port, listening."""
    made = Proxy(upstream)
    thread = threading.Thread(target=made._loop.run_forever, daemon=True)
    thread.start()
    made.up()
    try:
        yield made
    finally:
        made.down()
        made._run(_cancelled())
        made._loop.call_soon_threadsafe(made._loop.stop)
        thread.join()
        made._loop.close()


async def _cancelled() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
