"""The app: builds its parts, lets them run, and closes them in the reverse order."""

import asyncio
import gc
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

from anyio import CapacityLimiter
from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from core.betting.leagues import Leagues, load_leagues
from core.clock import Clock, SystemClock
from core.database import open_database
from core.settings import Settings
from serving.cache import PredictionCache
from serving.champion_follower import ChampionFollower
from serving.champions import Champions
from serving.documentation import DESCRIPTION, TITLE, VERSION, install_documentation
from serving.errors import install_problems
from serving.keys import KeyRing
from serving.metrics import Metrics
from serving.predicting import Predictor
from serving.prediction_log import PredictionLog
from serving.requests import BodyLimit, Requests
from serving.routes import ROUTERS
from serving.shared_cache import SharedCache, check_address
from serving.slate import Slate
from serving.slate_follower import SlateFollower
from serving.state import Service, State
from serving.ticker import Ticker
from serving.warming import Warming

LOOK_SECONDS: Final = 1.0
"""How often the database is asked for changes of games and keys."""

LOOK_FOR_CHAMPIONS_SECONDS: Final = 0.5
"""How often it is asked for changed champions; trying one takes another second, and it shall answer within three."""

BACKGROUND_THREADS: Final = 4
CONNECTIONS: Final = 8
"""To the database: one per background thread, and the rest for requests."""

START_SECONDS: Final = 10.0
"""How long the start waits for the first games and champions; what is missing then is loaded while serving."""


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The service for these settings. Nothing is opened before its lifespan begins.

    Raises ConfigurationError for a wrong LEAGUES_FILE or REDIS_URL.
    """
    _keep_one_thread_each()
    leagues = load_leagues(settings.leagues_file)
    if settings.redis is not None:
        check_address(settings.redis)
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[State]:
        service = _built(settings, clock or SystemClock(), leagues, metrics)
        try:
            with _followed(service) as tickers:
                await asyncio.to_thread(_caught_up, tickers)
                yield {"service": service}
                await asyncio.to_thread(_stopped, tickers)
            await asyncio.to_thread(service.log.flush)
        finally:
            await service.cache.close()
            service.engine.dispose()
            gc.unfreeze()

    app = FastAPI(
        title=TITLE,
        version=VERSION,
        description=DESCRIPTION,
        lifespan=lifespan,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    for router in ROUTERS:
        app.include_router(router)
    install_problems(app)
    install_documentation(app)
    _wrap(app, settings, metrics)
    return app


def _wrap(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """Middleware, the innermost first."""
    app.add_middleware(BodyLimit)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["X-API-Key", "X-Request-ID", "Content-Type", "If-None-Match"],
            expose_headers=["ETag", "X-Request-ID"],
        )
    app.add_middleware(Requests, metrics=metrics)


def _built(settings: Settings, clock: Clock, leagues: Leagues, metrics: Metrics) -> Service:
    engine = open_database(settings.database, pool_size=CONNECTIONS)
    slate, champions = Slate(), Champions()
    cache = PredictionCache(None if settings.redis is None else SharedCache(settings.redis, metrics))
    warming = Warming(clock, slate, champions, cache.local)
    return Service(
        settings=settings,
        clock=clock,
        engine=engine,
        database_threads=CapacityLimiter(CONNECTIONS - BACKGROUND_THREADS),
        leagues=leagues,
        metrics=metrics,
        cache=cache,
        champions=champions,
        champion_follower=ChampionFollower(engine, settings, clock, champions, warming, metrics),
        slate=slate,
        slate_follower=SlateFollower(engine, slate, warming),
        keys=KeyRing(engine),
        log=PredictionLog(engine, metrics),
        predictor=Predictor(leagues, slate, champions, cache),
    )


@contextmanager
def _followed(service: Service) -> Iterator[list[Ticker]]:
    """The threads that follow the database, and the one that writes the log."""
    errors = service.metrics.unforeseen
    tickers = [
        Ticker("slate", service.slate_follower.step, seconds=LOOK_SECONDS, errors=errors),
        Ticker("champions", service.champion_follower.step, seconds=LOOK_FOR_CHAMPIONS_SECONDS, errors=errors),
        Ticker("prediction-log", service.log.step, seconds=LOOK_SECONDS, errors=errors),
    ]
    if service.settings.demands_keys:
        tickers.append(Ticker("keys", service.keys.step, seconds=LOOK_SECONDS, errors=errors))
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


def _keep_one_thread_each() -> None:
    """LightGBM's default threads spin beside a busy neighbour: p99 of a row 16 ms, not 0.2 (performance.md, 1b)."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
