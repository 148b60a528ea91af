"""The app run inside a test: its lifespan in a thread of its own, requests without a socket."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from sqlalchemy.engine import URL, Engine

from core.clock import Clock
from core.settings import Settings, load_settings
from serving.app import create_app
from serving.service import Service
from tests.conftest import NOW


@dataclass
class MovingClock:
    """A clock that a test moves."""

    moment: datetime = NOW

    def now(self) -> datetime:
        return self.moment


@dataclass
class Running:
    """A started service; ``get`` and ``post`` return when it has answered."""

    portal: BlockingPortal
    client: httpx.AsyncClient
    service: Service
    app: FastAPI

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.portal.call(lambda: self.client.get(path, **options))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.portal.call(lambda: self.client.post(path, **options))

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        return self.portal.call(lambda: self.client.request(method, path, **options))

    def run(self, work: Callable[[], Awaitable[Any]]) -> Any:
        return self.portal.call(work)

    def metric(self, name: str, **labels: str) -> float:
        """A sample's value; 0 if there is none yet."""
        self.get("/metrics")
        return self.service.metrics.registry.get_sample_value(name, labels) or 0.0


def settings_for(database: Engine | URL, store: Path, **overrides: object) -> Settings:
    address = database if isinstance(database, URL) else database.url
    shown = address.render_as_string(hide_password=False)
    nowhere = "http://127.0.0.1:1"  # what the environment names may be another test's registry, with versions of the same names
    ours = {
        "bundle_dir": store,
        "serving_dir": store.with_name(f"{store.name}-serving"),
        "mlflow_tracking_uri": nowhere,
    }
    return load_settings(**{"_env_file": None, "database_url": shown, **ours, **overrides})


@contextmanager
def started(settings: Settings, clock: Clock | None = None, **options: Any) -> Iterator[Running]:
    """The service, with its first games and champions loaded; ``options`` are those of ``create_app``."""
    app = create_app(settings, clock or MovingClock(), **options)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_served(app)) as (client, service),
    ):
        yield Running(portal, client, service, app)


@asynccontextmanager
async def _served(app: FastAPI) -> AsyncIterator[tuple[httpx.AsyncClient, Service]]:
    async with app.router.lifespan_context(app) as state:
        # A busy machine must not shed the requests of a test; tests of load set the level themselves.
        state["service"].load.observe = lambda _lateness: None
        state["service"].load.level = 0

        async def with_state(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, "state": dict(state)}, receive, send)

        transport = httpx.ASGITransport(with_state, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            yield client, state["service"]


def eventually(check: Callable[[], bool], seconds: float = 20.0) -> float:
    """Wait until the check holds; returns how long that took."""
    began = time.monotonic()
    while not check():
        assert time.monotonic() - began < seconds, "did not happen in time"
        time.sleep(0.02)
    return time.monotonic() - began
