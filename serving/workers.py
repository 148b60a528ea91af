"""Runs the service in several processes on one port, spawned and replaced by uvicorn's supervisor."""

import os
import socket
import tempfile
from collections.abc import Callable
from functools import partial
from typing import Final

import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead
from uvicorn.supervisors import Multiprocess

from core.clean_streams import clean_standard_streams
from core.clock import Clock
from core.logs import configure_logs
from core.settings import Settings
from serving.app import create_app
from serving.runtime.heap import freeze_objects
from serving.runtime.lean_imports import import_without_companions
from serving.runtime.tuning import tune_process
from serving.server import base_url, start_error, uvicorn_config

HEALTH_CHECK_SECONDS: Final = 30
"""A worker that does not respond for this long is replaced; imports take seconds on a busy machine."""

METRICS_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"


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

    A worker that dies is replaced. Raises NetworkError if the port is unavailable.
    """
    shared = settings.model_copy(update={"rate_limit_sharers": max(settings.rate_limit_sharers, workers)})
    config = uvicorn_config(
        partial(_worker_app, shared, clock),
        shared,
        host,
        port,
        factory=True,
        workers=workers,
        timeout_worker_healthcheck=HEALTH_CHECK_SECONDS,
    )
    with _bind(host, port) as listening, tempfile.TemporaryDirectory(prefix="dbsbm-metrics-") as folder:
        os.environ[METRICS_FOLDER] = folder  # read by the workers when they import the metrics; new, so empty
        supervisor = _Supervisor(config, [listening], on_ready)
        try:
            supervisor.run()
        finally:
            del os.environ[METRICS_FOLDER]


class _Supervisor(Multiprocess):
    """Reports the address once every worker is ready, and removes the metrics of workers that have ended."""

    def __init__(
        self, config: uvicorn.Config, sockets: list[socket.socket], on_ready: Callable[[str], None] | None
    ) -> None:
        super().__init__(config, sockets)
        self._on_ready = on_ready
        self._alive: set[int] = set()

    def keep_subprocess_alive(self) -> None:
        super().keep_subprocess_alive()
        alive = {process.pid for process in self.processes if process.pid is not None}
        for ended in self._alive - alive:
            mark_process_dead(ended)  # type: ignore[no-untyped-call]
        self._alive = alive
        if self._on_ready is not None and all(process.is_ready(1) for process in self.processes):
            self._on_ready(base_url(*self.sockets[0].getsockname()[:2]))
            self._on_ready = None


def _worker_app(settings: Settings, clock: Clock) -> FastAPI:
    clean_standard_streams()
    configure_logs(settings)
    import_without_companions()
    tune_process()
    return create_app(settings, clock, when_warm=freeze_objects)


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
