"""What runs in a worker process: the service on a socket that all workers share."""

import asyncio
import ctypes
import os
import signal
import socket
from typing import Any, Final

import uvicorn

from core.clock import Clock
from core.logs import configure_logs, get_logger
from core.settings import Settings
from core.text.clean_streams import clean_standard_streams
from serving.app import create_app
from serving.runtime.heap import freeze_objects
from serving.runtime.lean_imports import import_without_companions
from serving.runtime.stopping import ignore_signals
from serving.runtime.tuning import tune_process
from serving.server import Server, uvicorn_config
from serving.telemetry.metrics import Metrics
from serving.telemetry.output_queue import queued_output
from serving.workers.supervisor_line import SupervisorLine

SET_PARENT_DEATH_SIGNAL: Final = 1
"""Linux's PR_SET_PDEATHSIG."""

log = get_logger(__name__)


def run_worker(settings: Settings, clock: Clock, listening: socket.socket, line: socket.socket, parent: int) -> None:
    """Serve until a signal, or until the supervisor, the process ``parent``, has ended."""
    ignore_signals(signal.SIGHUP)  # the supervisor's: it replaces the workers one after another
    _end_with_parent(parent)
    clean_standard_streams()
    with queued_output():
        configure_logs(settings)
        import_without_companions()
        tune_process()
        supervisor = SupervisorLine(line)
        app = create_app(settings, clock, when_warm=freeze_objects, add_up=supervisor.add_up)
        host, port = listening.getsockname()[:2]
        _WorkerServer(uvicorn_config(app, settings, host, port), supervisor, app.metrics).run([listening])


class _WorkerServer(Server):
    """A server that is connected to the supervisor before it starts."""

    ignored_signals = (signal.SIGHUP,)

    def __init__(self, config: uvicorn.Config, supervisor: SupervisorLine, metrics: Metrics) -> None:
        super().__init__(config)
        self._supervisor = supervisor
        self._metrics = metrics

    async def startup(self, sockets: list[Any] | None = None) -> None:
        following = self._supervisor.follow(self._metrics, lambda: self.started, self._end_alone)
        self._following = asyncio.create_task(following)
        await super().startup(sockets)

    async def shutdown(self, sockets: list[Any] | None = None) -> None:
        await super().shutdown(sockets)
        self._following.cancel()
        await self._supervisor.close(self._metrics)

    def _end_alone(self) -> None:
        if not self.should_exit:
            log.error("the supervisor has ended; this worker ends as well")
        self.stop()


def _end_with_parent(parent: int) -> None:
    """Have the kernel send SIGTERM when the parent dies, for a worker whose event loop does not notice (Linux)."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "prctl"):
        libc.prctl(SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        signal.raise_signal(signal.SIGTERM)  # it died before
