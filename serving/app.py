"""The ASGI application: builds its parts, runs them, and closes them in reverse order."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cached_property, partial
from typing import Final

import orjson
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from core.betting.leagues import load_leagues
from core.clock import Clock, SystemClock
from core.settings import Settings
from core.version import VERSION
from serving.access.admission import GUILD_NAME, KEY_NAME
from serving.api.routes import ROUTERS
from serving.assembly import Timings, background_threads, build_service
from serving.backends.redis_clients import check_redis_address
from serving.champions.loader import LoadVersion
from serving.fastpath.asgi_shortcut import AsgiShortcut
from serving.fastpath.hits import HitPath
from serving.http.allowed_hosts import AllowedHosts
from serving.http.exact_paths import ExactPaths
from serving.http.head_requests import HeadRequests
from serving.http.middleware import BodyLimit, RequestRecorder
from serving.http.openapi import DESCRIPTION, TITLE, install_documentation
from serving.http.problems import install_problems
from serving.http.reference_page import reference_page
from serving.open_inference import routes as open_inference
from serving.runtime.periodic_thread import PeriodicThread
from serving.service import LifespanState, Service
from serving.telemetry.metrics import AddUp, Metrics

START_SECONDS: Final = 10.0
"""How long the start waits for the first games and champions; the rest is loaded while serving."""

LOG_SECONDS: Final = 1.0
"""How long the end of the process waits for the prediction log to reach the database. If it hangs, it goes to disk."""

SPOOL_SECONDS: Final = 0.5
DEREGISTER_SECONDS: Final = 0.3

HEADERS_FROM_BROWSERS: Final = (
    *(KEY_NAME, GUILD_NAME, "X-Request-ID"),
    *("Content-Type", "If-None-Match", "Cache-Control"),
)
HEADERS_FOR_BROWSERS: Final = (
    *("ETag", "X-Request-ID", "Retry-After"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)


class Application(FastAPI):
    """The framework, wrapped in this project's middleware, which inside it would cost as much as a cached answer."""

    outermost: ASGIApp
    recorder: RequestRecorder
    """Also used by the server, for requests that never reach the app."""
    hit_path: HitPath
    """Used by the server before the app, if the fast path is on."""
    metrics: Metrics

    @cached_property
    def openapi_json(self) -> bytes:
        """The OpenAPI document, encoded once, because it is available without a key or a limit."""
        return orjson.dumps(self.openapi())

    @cached_property
    def page(self) -> str:
        """The API reference as HTML."""
        return reference_page(self.openapi())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.outermost(scope, receive, send)


def create_app(
    settings: Settings,
    clock: Clock | None = None,
    *,
    timings: Timings = Timings(),  # noqa: B008 - frozen
    load: LoadVersion | None = None,
    when_warm: Callable[[], None] = lambda: None,
    add_up: AddUp | None = None,
) -> Application:
    """Return the app for these settings. Nothing is opened before its lifespan begins.

    ``load`` loads model versions, by default from the registry. ``when_warm`` is called once, when the first champions
    have forecast all games. ``add_up`` adds up the metrics of several workers. Raises ConfigurationError for an invalid
    LEAGUES_FILE or REDIS_URL.
    """
    leagues = load_leagues(settings.leagues_file)
    if settings.redis is not None:
        check_redis_address(settings.redis)
    metrics = Metrics(add_up)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[LifespanState]:
        service = build_service(settings, clock or SystemClock(), leagues, metrics, timings, load, when_warm)
        async with _run(service, timings):
            yield {"service": service}

    app = Application(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        openapi_url=None,
        docs_url=None,
        redirect_slashes=False,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    for router in (*ROUTERS, open_inference.router, open_inference.probes):
        app.include_router(router)
    install_problems(app)
    install_documentation(app)
    _wrap(app, settings, metrics)
    return app


def _wrap(app: Application, settings: Settings, metrics: Metrics) -> None:
    """Add middleware: inside the framework, innermost first, and around it."""
    app.add_middleware(BodyLimit)
    cors = bool(settings.cors_origins)
    if cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=HEADERS_FROM_BROWSERS,
            expose_headers=HEADERS_FOR_BROWSERS,
        )
    inner: ASGIApp = partial(FastAPI.__call__, app)
    if settings.fast_path:
        inner = AsgiShortcut(inner, cors=cors)
    hosts = AllowedHosts(HeadRequests(ExactPaths(inner)), settings.allowed_hosts)
    app.metrics = metrics
    app.outermost = app.recorder = RequestRecorder(hosts, metrics)
    app.hit_path = HitPath(app.recorder, hosts, cors=cors)


@asynccontextmanager
async def _run(service: Service, timings: Timings) -> AsyncIterator[None]:
    """Run the parts until the block ends, then write what is queued and close them."""
    watchers = [asyncio.create_task(service.load.watch())]
    if service.cache.shared is not None:
        watchers.append(asyncio.create_task(service.cache.shared.watch()))
    try:
        await service.admission.open()
        with background_threads(service, timings) as threads:
            await asyncio.to_thread(_wait_for_first_steps, threads)
            yield
        if not await _ends_within(LOG_SECONDS, service.log.flush):
            await _ends_within(SPOOL_SECONDS, service.log.spool_all)
        await _ends_within(DEREGISTER_SECONDS, service.workers.deregister)
    finally:
        for task in watchers:
            task.cancel()
        await service.admission.close()
        await service.bodies.close()
        await service.cache.close()
        service.slate_follower.close()
        service.engine.dispose()


async def _ends_within(seconds: float, work: Callable[[], None]) -> bool:
    """Run the work in a thread; False if it takes longer, and then it continues alone."""
    try:
        await asyncio.wait_for(asyncio.to_thread(work), seconds)
    except TimeoutError:
        return False
    return True


def _wait_for_first_steps(threads: Sequence[PeriodicThread]) -> None:
    deadline = time.monotonic() + START_SECONDS
    for thread in threads:
        thread.wait_until_idle(max(0.0, deadline - time.monotonic()))
