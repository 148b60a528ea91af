"""A worker's end of the line to its supervisor: it shows that the event loop runs, and reports the metrics."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from core.errors import ServiceError
from serving.telemetry.metrics import Metrics
from serving.telemetry.totals import Report
from serving.workers.message import LONGEST, Message, messages, send

ADD_UP_SECONDS: Final = 1.0
"""How long a scrape waits for the supervisor."""

CLOSE_SECONDS: Final = 0.3


class SupervisorLine:
    """Answers the supervisor's questions in the event loop; whoever blocks the loop is noticed and replaced."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._writer: asyncio.StreamWriter | None = None
        self._total: asyncio.Future[bytes] | None = None
        """The scrape that waits for the supervisor; scrapes at the same time share it."""

    async def follow(self, metrics: Metrics, is_ready: Callable[[], bool], when_lost: Callable[[], None]) -> None:
        """Answer until the supervisor is gone, then call ``when_lost``. Start it as a task."""
        reader, self._writer = await asyncio.open_unix_connection(sock=self._line, limit=LONGEST)
        reports = set()
        async for message in messages(reader):
            if message["kind"] == "alive?":
                number = message["number"]
                send(self._writer, Message(kind="alive", number=number, ready=is_ready()))
                metrics.flush()
                report = asyncio.create_task(self._report(metrics, number))
                reports.add(report)
                report.add_done_callback(reports.discard)
            elif self._total is not None and not self._total.done():
                self._total.set_result(message["text"].encode())
        when_lost()

    async def add_up(self, report: Report) -> bytes:
        """Return the metrics of all workers as text. Raises ServiceError if the supervisor does not answer in time."""
        if self._total is None or self._total.done():
            self._total = asyncio.get_running_loop().create_future()
            if self._writer is not None:
                send(self._writer, Message(kind="add up", report=report))
        try:
            return await asyncio.wait_for(asyncio.shield(self._total), ADD_UP_SECONDS)
        except TimeoutError as error:
            msg = "The supervisor of the workers did not answer in time."
            raise ServiceError(msg, hint="Scrape again. If it stays silent, restart the service.") from error

    async def close(self, metrics: Metrics) -> None:
        """Send the last report, at the end of the process, and close the line."""
        if self._writer is not None:
            metrics.flush()
            send(self._writer, Message(kind="report", number=0, report=metrics.report()))
            self._writer.close()
            with suppress(OSError, TimeoutError):
                await asyncio.wait_for(self._writer.wait_closed(), CLOSE_SECONDS)

    async def _report(self, metrics: Metrics, number: int) -> None:
        # In a thread: it takes some milliseconds, in which requests are answered.
        report = await asyncio.to_thread(metrics.report)
        if self._writer is not None:
            send(self._writer, Message(kind="report", number=number, report=report))
