"""Runs the service on a port: until it is stopped, or within a block for a demo or a test."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn

from core.clock import Clock
from core.errors import NetworkError, OperationTimeoutError
from core.settings import Settings
from serving.app import create_app
from serving.fastpath.protocol import FastPathProtocol
from serving.http.connection_timeouts import TimeoutProtocol
from serving.runtime.heap import freeze_objects
from serving.runtime.stopping import StopDeadline, handled_signals
from serving.runtime.tuning import tune_process
from serving.telemetry.output_queue import queued_output

START_SECONDS: Final = 60.0
DRAIN_SECONDS: Final = 2
"""How long open requests may take after the service is asked to stop."""


class Server(uvicorn.Server):
    """A uvicorn server that reports its address once it listens, and ends in a bounded time when asked to stop."""

    ignored_signals: tuple[signal.Signals, ...] = ()
    """Signals that do not stop it."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[str], None] | None = None) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._deadline: StopDeadline | None = None
        self.stopped_by: int | None = None
        """Number of the first signal that stopped it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop at signals until the block ends. (The library ends the process by the same signal after it.)"""
        if threading.current_thread() is threading.main_thread():
            self._deadline = StopDeadline()
        with handled_signals(self.stop, ignored=self.ignored_signals):
            yield

    def stop(self, number: int | None = None) -> None:
        """Begin an orderly stop, once, for a signal or another reason. Callable in a signal's handler."""
        if not self.should_exit:
            self.stopped_by = number
        self.should_exit = True
        if self._deadline is not None:
            self._deadline.begin()

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._on_ready is not None:
            self._on_ready(base_url(*self.servers[0].sockets[0].getsockname()[:2]))


def serve(
    settings: Settings,
    clock: Clock,
    *,
    host: str,
    port: int,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until stopped; port 0 takes a free one. ``on_ready`` is called with the base URL once the server listens.

    Raises NetworkError if the port is unavailable.
    """
    tune_process()
    with queued_output():
        app = create_app(settings, clock, when_warm=freeze_objects)
        server = Server(uvicorn_config(app, settings, host, port), on_ready)
        try:
            server.run()
        except SystemExit as error:
            raise start_error(host, port) from error
        if not server.started:
            raise start_error(host, port)
    if server.stopped_by == signal.SIGTERM:
        signal.raise_signal(signal.SIGTERM)  # its sender sees that it was heeded


@contextmanager
def running_server(settings: Settings, clock: Clock, *, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Run the service in a thread of this process, on a free port; yields its base URL and stops it at the end.

    Raises NetworkError if it does not start.
    """
    listening = threading.Event()
    address: list[str] = []

    def ready(url: str) -> None:
        address.append(url)
        listening.set()

    server = Server(uvicorn_config(create_app(settings, clock), settings, host, port), ready)
    thread = threading.Thread(target=_run, args=(server, listening), name="server")
    thread.start()
    try:
        if not listening.wait(START_SECONDS):
            raise OperationTimeoutError(f"The service did not start within {START_SECONDS:.0f} s.")
        if not address:
            raise start_error(host, port)
        yield address[0]
    finally:
        server.should_exit = True
        thread.join()


def _run(server: Server, listening: threading.Event) -> None:
    try:
        server.run()
    except SystemExit:
        return  # raised by uvicorn if it cannot start
    finally:
        listening.set()


def uvicorn_config(app: Any, settings: Settings, host: str, port: int, **more: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for the app, or for a factory of it."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        http=FastPathProtocol if settings.fast_path else TimeoutProtocol,
        ws="none",
        timeout_graceful_shutdown=DRAIN_SECONDS,
        **more,
    )


def base_url(host: str, port: int) -> str:
    """Return the base URL of a host and port."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def start_error(host: str, port: int) -> NetworkError:
    """Return the error of a server that could not start on the port."""
    msg = f"The service could not start on {host}:{port}."
    return NetworkError(msg, hint="See the log. If the port is in use, choose another with --port.")
