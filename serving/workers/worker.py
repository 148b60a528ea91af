"""A worker process as its supervisor sees it."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from typing import Final

from core.clock import Clock
from core.settings import Settings
from serving.telemetry.totals import Report
from serving.workers.message import LONGEST, Message, messages, send
from serving.workers.process import run_worker

SPAWN: Final = get_context("spawn")

SILENT_SECONDS: Final = 10.0
"""A worker whose event loop does not answer for longer is replaced. Requests block the loop for .1 s at most, a busy
machine for some seconds."""

START_SECONDS: Final = 120.0
"""A worker that is not ready by then is replaced; imports take seconds on a busy machine, models as well."""

UNREAD_SECONDS: Final = 0.5
"""How long messages of a process that has ended are read."""

AddUpFor = Callable[["Worker", Report], Awaitable[bytes]]


class Worker:
    """Starts a process and asks it whether it is alive."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        listening: socket.socket,
        put: Callable[["Worker", Report], None],
        add_up: AddUpFor,
    ) -> None:
        """``put`` is called with each report of its metrics; ``add_up`` with one for which it wants the totals."""
        self._put, self._add_up = put, add_up
        self._line, theirs = socket.socketpair()
        arguments = (settings, clock, listening, theirs, os.getpid())
        self._process = SPAWN.Process(target=run_worker, args=arguments, name="worker")
        self._process.start()
        theirs.close()
        self.pid = self._process.pid or 0
        self.is_ready = self._is_killed = False
        self.ended = asyncio.Event()
        """Set when the process has ended."""
        self.exit_code: int | None = None
        """Exit status, negative for a signal; None while the process runs."""
        self._started_at = time.monotonic()
        self._asked = self._answered = 0
        """Numbers of the last question and of the last answer."""
        self._silent_since: float | None = None
        """When the oldest question without an answer was asked."""
        self._reported: dict[int, asyncio.Event] = {}
        """Set when the report with that number or a later one has come."""
        self._writer: asyncio.StreamWriter | None = None
        asyncio.get_running_loop().add_reader(self._process.sentinel, self._note_end)
        self._listening = asyncio.create_task(self._listen())
        self._ending: asyncio.Task[None] | None = None

    @property
    def age(self) -> float:
        """Seconds since the process was started."""
        return time.monotonic() - self._started_at

    def fault(self) -> str | None:
        """Return why the worker must be killed; None if it is well, or was."""
        if self._is_killed:
            return None
        if not self.is_ready:
            return f"not ready after {START_SECONDS:.0f} s" if self.age > START_SECONDS else None
        if self._silent_since is not None and time.monotonic() - self._silent_since > SILENT_SECONDS:
            return f"no answer for {SILENT_SECONDS:.0f} s"
        return None

    def ask(self) -> None:
        """Ask whether the event loop runs, unless the last question has no answer yet."""
        if self._writer is not None and self._asked == self._answered:
            self._ask()

    def forgive(self) -> None:
        """Measure the silence anew, because the supervisor itself was stopped meanwhile."""
        if self._silent_since is not None:
            self._silent_since = time.monotonic()

    async def report_now(self) -> None:
        """Wait until the worker has reported its present metrics."""
        if self._writer is not None:
            self._ask()
            await self._reported.setdefault(self._asked, asyncio.Event()).wait()

    def stop(self) -> None:
        """Ask the process to end in an orderly way."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process at once."""
        self._is_killed = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._ending is None:  # its number may belong to another process after that
            os.kill(self.pid, number)

    def _ask(self) -> None:
        self._asked += 1
        if self._silent_since is None:
            self._silent_since = time.monotonic()
        if self._writer is not None:
            send(self._writer, Message(kind="alive?", number=self._asked))

    async def _listen(self) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=self._line, limit=LONGEST)
        scrapes = set()
        async for message in messages(reader):
            match message["kind"]:
                case "alive":
                    self._note_answer(message["number"], is_ready=message["ready"])
                case "report":
                    self._put(self, message["report"])
                    self._note_report(message["number"])
                case "add up":
                    scrape = asyncio.create_task(self._send_total(message["report"]))
                    scrapes.add(scrape)
                    scrape.add_done_callback(scrapes.discard)
        self._writer.close()

    def _note_answer(self, number: int, *, is_ready: bool) -> None:
        self.is_ready = is_ready
        self._answered = number
        self._silent_since = None if number == self._asked else time.monotonic()

    def _note_report(self, number: int) -> None:
        for asked in [asked for asked in self._reported if asked <= number]:
            self._reported.pop(asked).set()

    async def _send_total(self, report: Report) -> None:
        text = (await self._add_up(self, report)).decode()
        if self._writer is not None:
            send(self._writer, Message(kind="total", text=text))

    def _note_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._ending = asyncio.create_task(self._finish())

    async def _finish(self) -> None:
        """Read what the process has sent before its end."""
        self._process.join()
        await asyncio.wait([self._listening], timeout=UNREAD_SECONDS)
        self._listening.cancel()
        self.exit_code = self._process.exitcode
        self._process.close()
        self.ended.set()
