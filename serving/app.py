"""The app: builds its parts, lets them run, and closes them in the reverse order."""

import asyncio
import gc
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import cached_property, partial
from typing import Final

import orjson
from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from core.betting.leagues import Leagues, load_leagues
from core.clock import Clock, SystemClock
from core.settings import Settings
from core.signing import signer
from serving.access.admission import GUILD_NAME, KEY_NAME, Gate, GuildLimits
from serving.access.api_keys import KeyRing
from serving.access.rate_limiter import Limiter
from serving.access.redis_counters import SharedCounts
from serving.api.routes import ROUTERS
from serving.backends.database import open_patient_database
from serving.backends.last_known_good import PURPOSE as LAST_GOOD
from serving.backends.last_known_good import LastGood
from serving.backends.spool import Spool
from serving.backends.state_dir import home
from serving.champions.champion import Champions
from serving.champions.follower import ChampionFollower
from serving.champions.rollout_status import WorkerBoard
from serving.fastpath.asgi_shortcut import Front
from serving.fastpath.hit_path import Lane
from serving.games.published_slate import PublishedSlates
from serving.games.slate import Slate
from serving.games.slate_follower import SlateFollower
from serving.games.staleness import Freshness
from serving.http.allowed_hosts import Door
from serving.http.middleware import BodyLimit, RequestContext, Requests
from serving.http.openapi import DESCRIPTION, TITLE, VERSION, install_documentation
from serving.http.problems import install_problems
from serving.http.reference_page import reference_page
from serving.predictions.cache import PredictionCache
from serving.predictions.log import OPENING, PredictionLog
from serving.predictions.predictor import Predictor
from serving.predictions.prewarming import Warming
from serving.predictions.redis_cache import PURPOSE, SharedCache, check_address
from serving.predictions.shadow import Shadow
from serving.runtime.heap import share_one_heap
from serving.runtime.load_shedding import Load
from serving.runtime.periodic_thread import Ticker
from serving.service import Service, State
from serving.telemetry.metrics import Metrics

LOOK_SECONDS: Final = 1.0
"""How often the database is asked for changes of games and keys."""

LOOK_FOR_CHAMPIONS_SECONDS: Final = 0.5
"""How often it is asked for changed champions, which shall answer within two seconds."""

LOG_SECONDS: Final = 0.25
"""How often served predictions are written; a worker that is killed loses what it served since."""

SWITCH_SECONDS: Final = 0.0005
"""After which a thread lets another one have the interpreter's lock."""

BEAT_SECONDS: Final = 1.0
"""How often a worker says which models it has."""

MEGABYTE: Final = 1024 * 1024
BACKGROUND_THREADS: Final = 5
CONNECTIONS: Final = 9
"""To the database: one per background thread, and the rest for requests."""

YOUNG_OBJECTS: Final = 20_000
"""How many may be made before the collector looks at them; by default so few that lines waiting for a log count."""

START_SECONDS: Final = 10.0
"""How long the start waits for the first games and champions; what is missing then is loaded while serving."""


ASKED_BY_BROWSERS: Final = (KEY_NAME, GUILD_NAME, "X-Request-ID", "Content-Type", "If-None-Match", "Cache-Control")
SHOWN_TO_BROWSERS: Final = (
    *("ETag", "X-Request-ID", "Retry-After"),
    *("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"),
)


class Application(FastAPI):
    """The framework with our own layers around it: a front inside of it would cost as much as a cached answer."""

    outermost: ASGIApp
    lane: Lane
    """Asked by the server itself, before all of them."""

    @cached_property
    def described(self) -> bytes:
        """The OpenAPI description, written once: anybody may ask for it, as often as they like."""
        return orjson.dumps(self.openapi())

    @cached_property
    def page(self) -> str:
        """The same for people."""
        return reference_page(self.openapi())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.outermost(scope, receive, send)


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The service for these settings. Nothing is opened before its lifespan begins.

    Raises ConfigurationError for a wrong LEAGUES_FILE or REDIS_URL.
    """
    _share_the_processor()
    leagues = load_leagues(settings.leagues_file)
    if settings.redis is not None:
        check_address(settings.redis)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        service = _built(settings, clock or SystemClock(), leagues, metrics)
        watching = [asyncio.create_task(service.load.watch())]
        if service.cache.shared is not None:
            watching.append(asyncio.create_task(service.cache.shared.watch()))
        try:
            await service.gate.open()
            with _followed(service) as tickers:
                await asyncio.to_thread(_caught_up, tickers)
                gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
                yield {"service": service}
                await asyncio.to_thread(_stopped, tickers)
            await asyncio.to_thread(service.log.flush)
            await asyncio.to_thread(service.workers.leave)
        finally:
            for task in watching:
                task.cancel()
            await service.gate.close()
            await service.cache.close()
            service.slate_follower.close()
            service.engine.dispose()
            gc.unfreeze()

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
    for router in ROUTERS:
        app.include_router(router)
    install_problems(app)
    install_documentation(app)
    _wrap(app, settings, metrics)
    return app


def _wrap(app: Application, settings: Settings, metrics: Metrics) -> None:
    """Middleware: the framework's own, the innermost first, and around the framework what the front needs."""
    app.add_middleware(BodyLimit)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=ASKED_BY_BROWSERS,
            expose_headers=SHOWN_TO_BROWSERS,
        )
    framework = RequestContext(partial(FastAPI.__call__, app))
    cors = bool(settings.cors_origins)
    door = Door(Front(framework, cors=cors), settings.allowed_hosts)
    app.outermost = requests = Requests(door, metrics)
    app.lane = Lane(requests, door, cors=cors)


def _built(settings: Settings, clock: Clock, leagues: Leagues, metrics: Metrics) -> Service:
    engine, breaker = open_patient_database(settings.database, pool_size=CONNECTIONS)
    at_home = home(settings)
    last_good = LastGood(at_home / "last-good", signer(settings, LAST_GOOD))
    slate, champions, keys = Slate(), Champions(), KeyRing(engine, last_good)
    freshness = Freshness(timedelta(hours=settings.data_limit_hours))
    cache = PredictionCache(_shared_cache(settings, metrics))
    predictor = Predictor(leagues, slate, champions, cache, freshness)
    warming = Warming(clock, slate, champions, cache, predictor.asked_lately)
    champion_follower = ChampionFollower(engine, settings, clock, champions, warming, metrics, last_good)
    spool = Spool(at_home / "spool", settings.spool_megabytes * MEGABYTE, counted=OPENING)
    log = PredictionLog(engine, spool, metrics)
    load = Load(metrics)
    return Service(
        settings=settings,
        clock=clock,
        engine=engine,
        database_breaker=breaker,
        database_threads=CapacityLimiter(CONNECTIONS - BACKGROUND_THREADS),
        leagues=leagues,
        metrics=metrics,
        cache=cache,
        champions=champions,
        freshness=freshness,
        champion_follower=champion_follower,
        slate=slate,
        slate_follower=SlateFollower(engine, slate, warming, freshness, last_good, _published(settings)),
        keys=keys,
        gate=Gate(settings, clock, keys, GuildLimits(engine, settings.guild_rate_limit), _limiter(settings, metrics)),
        log=log,
        shadow=Shadow(settings, champion_follower, log, load, metrics) if settings.shadow else None,
        load=load,
        workers=WorkerBoard(engine, champions),
        predictor=predictor,
    )


def _published(settings: Settings) -> PublishedSlates | None:
    return None if settings.redis is None else PublishedSlates(settings.redis, signer(settings, LAST_GOOD))


def _limiter(settings: Settings, metrics: Metrics) -> Limiter:
    shared = None if settings.redis is None else SharedCounts(settings.redis)
    return Limiter(shared, metrics, sharers=settings.rate_limit_sharers)


def _shared_cache(settings: Settings, metrics: Metrics) -> SharedCache | None:
    if settings.redis is None:
        return None
    return SharedCache(settings.redis, signer(settings, PURPOSE), metrics)


@contextmanager
def _followed(service: Service) -> Iterator[list[Ticker]]:
    """The threads that follow the database, and the one that writes the log."""
    errors = service.metrics.unforeseen
    tickers = [
        Ticker("slate", service.slate_follower.step, seconds=LOOK_SECONDS, errors=errors),
        Ticker("champions", service.champion_follower.step, seconds=LOOK_FOR_CHAMPIONS_SECONDS, errors=errors),
        Ticker("workers", service.workers.step, seconds=BEAT_SECONDS, errors=errors),
        Ticker("prediction-log", service.log.step, seconds=LOG_SECONDS, errors=errors),
    ]
    if service.shadow is not None:
        tickers.append(Ticker("shadow", service.shadow.step, seconds=LOG_SECONDS, errors=errors))
    if service.settings.demands_keys:
        tickers.append(Ticker("keys", service.gate.step, seconds=LOOK_SECONDS, errors=errors))
    for ticker in tickers:
        ticker.start()
    try:
        yield tickers
    finally:
        for ticker in tickers:
            ticker.stop()


def _caught_up(tickers: list[Ticker]) -> None:
    until = time.monotonic() + START_SECONDS
    for ticker in tickers:
        ticker.wait_until_idle(max(0.0, until - time.monotonic()))


def _stopped(tickers: list[Ticker]) -> None:
    for ticker in tickers:
        ticker.stop()


def _share_the_processor() -> None:
    """LightGBM's default threads spin beside a busy neighbour: p99 of a row 16 ms, not 0.2.

    And a background thread keeps the interpreter's lock for 5 ms by default, for which every request then waits.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    share_one_heap()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
