"""Keeps several workers running behind one port, and adds up their metrics.

A worker that has ended, or whose event loop no longer answers, is replaced. When the supervisor itself is killed, its
workers end in an orderly way.
"""

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from core.clock import Clock
from core.logs import get_logger
from core.settings import Settings
from serving.runtime.stopping import STOP_SECONDS, StopDeadline, ignore_signals
from serving.server import base_url, start_error
from serving.telemetry.output_queue import queued_output
from serving.telemetry.totals import MetricTotals, Report
from serving.workers.worker import Worker

CHECK_SECONDS: Final = 0.25
SELF_STOPPED_SECONDS: Final = 1.0
"""If a check comes so much too late, the supervisor itself was stopped, and silence of the workers shows nothing."""

ASK_SECONDS: Final = 1.0
"""Between two questions to a worker; a killed worker's counts since its last answer are not in the metrics."""

COLLECT_SECONDS: Final = 0.3
"""How long a scrape waits for the reports of the other workers; of one that does not answer the last one counts."""

EARLY_SECONDS: Final = 10.0
LONGEST_PAUSE: Final = 30.0
"""Workers that end soon after their start are started again after pauses that double, up to this one [s]."""

KILL_SECONDS: Final = STOP_SECONDS + 0.5
"""After that time, a worker that was asked to end is killed."""

log = get_logger(__name__)


def serve_with_workers(
    settings: Settings,
    clock: Clock,
    *,
    host: str,
    port: int,
    workers: int,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve from several processes until stopped; ``on_ready`` is called once all of them are ready.

    SIGTERM, SIGINT and SIGQUIT end all workers in an orderly way, SIGHUP replaces them one after another. Raises
    NetworkError if the port is unavailable or a worker cannot start.
    """
    shared = settings.model_copy(update={"rate_limit_sharers": max(settings.rate_limit_sharers, workers)})
    with queued_output(), _bind(host, port) as listening:
        supervisor = _Supervisor(lambda one: Worker(shared, clock, listening, one.put, one.add_up), workers)
        url = base_url(*listening.getsockname()[:2])
        if not asyncio.run(supervisor.run(lambda: on_ready(url) if on_ready else None)):
            raise start_error(host, port)


class _Supervisor:
    """Runs ``count`` workers."""

    def __init__(self, start: Callable[["_Supervisor"], Worker], count: int) -> None:
        self._start_worker = start
        self._count = count
        self._workers: list[Worker] = []
        """Those that serve or will serve, without those that are asked to end."""
        self._living: set[Worker] = set()
        self._totals = MetricTotals()
        self._stopping = asyncio.Event()
        self._deadline = StopDeadline(KILL_SECONDS + 0.7)
        self._replacing: asyncio.Task[None] | None = None
        self._start_after = 0.0
        """No worker is started before this moment of the monotonic clock."""
        self._pause = 0.0
        self._was_ready = self._cannot_start = False

    async def run(self, when_ready: Callable[[], None]) -> bool:
        """Run until a signal; False if a worker could not start and none has ever served."""
        loop = asyncio.get_running_loop()
        ignore_signals()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._begin_replacing)
        checked = asked = time.monotonic()
        while not self._stopping.is_set():
            before, checked = checked, time.monotonic()
            self._check(was_stopped=checked - before > SELF_STOPPED_SECONDS)
            if checked - asked >= ASK_SECONDS:
                asked = checked
                for worker in self._living:
                    worker.ask()
            if not self._was_ready and self._all_ready():
                self._was_ready = True
                when_ready()
            await _is_set_within(self._stopping, CHECK_SECONDS)
        await self._end_all()
        return not self._cannot_start

    async def add_up(self, scraped: Worker, report: Report) -> bytes:
        """Return the metrics of all workers as text, with the gauges of the one that is scraped."""
        self.put(scraped, report)
        others = [asyncio.create_task(worker.report_now()) for worker in self._living if worker is not scraped]
        if others:
            _, silent = await asyncio.wait(others, timeout=COLLECT_SECONDS)
            for task in silent:
                task.cancel()
        return self._totals.exposition(scraped.pid)

    def put(self, worker: Worker, report: Report) -> None:
        """Keep a worker's newest report."""
        self._totals.put(worker.pid, report)

    def _start(self) -> Worker | None:
        """Start a worker; None, after a pause another attempt may be made, if the system has no resources for it."""
        try:
            worker = self._start_worker(self)
        except OSError:
            log.exception("worker cannot be started")
            self._pause_starts()
            return None
        self._living.add(worker)
        return worker

    def _pause_starts(self) -> None:
        self._pause = min(LONGEST_PAUSE, 2 * self._pause or CHECK_SECONDS)
        self._start_after = time.monotonic() + self._pause

    def _all_ready(self) -> bool:
        return len(self._workers) == self._count and all(worker.is_ready for worker in self._workers)

    def _check(self, *, was_stopped: bool) -> None:
        """Forget workers that have ended, kill those with a fault, and start what is missing."""
        for worker in [*self._workers]:
            if was_stopped:
                worker.forgive()
            if worker.ended.is_set():
                self._workers.remove(worker)
                self._note_end(worker)
            elif fault := worker.fault():
                log.error("worker is killed and replaced", worker=worker.pid, reason=fault)
                worker.kill()
        for worker in [worker for worker in self._living if worker.ended.is_set()]:
            self._living.remove(worker)
            self._totals.end(worker.pid)
        while (
            len(self._workers) < self._count and time.monotonic() >= self._start_after and not self._stopping.is_set()
        ):
            if started := self._start():
                self._workers.append(started)

    def _note_end(self, worker: Worker) -> None:
        """Decide when the worker's successor starts, or that the service cannot start at all."""
        log.warning("worker has ended", worker=worker.pid, exit_code=worker.exit_code, age_s=round(worker.age, 1))
        if not self._was_ready and (worker.exit_code or 0) > 0:
            self._cannot_start = True
            self._stop()
        elif worker.age < EARLY_SECONDS:
            self._pause_starts()
        else:
            self._pause = 0.0

    def _begin_replacing(self) -> None:
        if self._replacing is None or self._replacing.done():
            self._replacing = asyncio.create_task(self._replace_all())

    async def _replace_all(self) -> None:
        """Replace each worker, once its successor serves; a successor that cannot start leaves the others in place."""
        for worker in [*self._workers]:
            successor = self._start()
            if successor is None:
                return
            while not successor.is_ready and successor.fault() is None and not successor.ended.is_set():
                await asyncio.sleep(CHECK_SECONDS)
            if successor.fault() or successor.ended.is_set():
                log.error("workers are not replaced: a new one could not start", worker=successor.pid)
                successor.kill()
                return
            self._workers.append(successor)
            if worker in self._workers:
                self._workers.remove(worker)
            await self._end(worker)

    async def _end(self, worker: Worker) -> None:
        """End a worker: in an orderly way, or after some seconds at once."""
        worker.stop()
        if not await _is_set_within(worker.ended, KILL_SECONDS):
            log.error("worker did not end in time and was killed", worker=worker.pid)
            worker.kill()
            await worker.ended.wait()

    def _stop(self) -> None:
        self._deadline.begin()
        self._stopping.set()

    async def _end_all(self) -> None:
        if self._replacing is not None:
            self._replacing.cancel()
        await asyncio.gather(*(self._end(worker) for worker in self._living if not worker.ended.is_set()))


async def _is_set_within(event: asyncio.Event, seconds: float) -> bool:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)
    return event.is_set()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise start_error(host, port) from error
    listening.set_inheritable(True)
    return listening
