"""A TCP proxy that injects faults between a service and its dependencies (after toxiproxy, in asyncio)."""

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

SLICE = 7


class Proxy:
    """Forwards bytes to a port. Faults are set from any thread and apply from the next bytes on."""

    def __init__(self, upstream: int) -> None:
        self.upstream = upstream
        self.port = 0
        self.latency = 0.0
        """Delay of answers [seconds]."""
        self.silent = False
        """Accept connections and forward nothing."""
        self.resets = 0.0
        """Fraction of answers instead of which the connection is reset."""
        self.sliced = False
        """Send answers in pieces of a few bytes."""
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    def down(self) -> None:
        """Refuse new connections and break existing ones."""
        self._run(self._close())

    def up(self) -> None:
        self._run(self._listen())

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(5)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            self._writers.discard(writer)
            return
        self._writers.add(back)
        await asyncio.gather(self._forward(reader, back, answers=False), self._forward(there, writer, answers=True))
        self._writers -= {writer, back}

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
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
    """Run a proxy in front of a local port."""
    running = Proxy(upstream)
    thread = threading.Thread(target=running._loop.run_forever, daemon=True)
    thread.start()
    running.up()
    try:
        yield running
    finally:
        running.down()
        running._run(_cancel_tasks())
        running._loop.call_soon_threadsafe(running._loop.stop)
        thread.join()
        running._loop.close()


async def _cancel_tasks() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
