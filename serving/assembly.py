"""Builds the parts of a service, and the threads that keep them current."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Final

from anyio import CapacityLimiter
from sqlalchemy.engine import Engine

from core.betting.books.quotes import FreshnessRule
from core.betting.leagues import Leagues
from core.clock import Clock
from core.registry.bundles.store import bundle_store
from core.settings import Settings
from core.signing import signer
from serving.access.admission import AdmissionControl, GuildRateLimits
from serving.access.api_keys import ApiKeys
from serving.access.rate_limiter import RateLimiter
from serving.access.redis_counters import RedisCounters
from serving.backends.database import open_database_with_breaker
from serving.backends.last_known_good import PURPOSE as LAST_GOOD
from serving.backends.last_known_good import LastKnownGood
from serving.backends.spool import Spool
from serving.backends.spool_census import SERVING_OPENING, SpoolCensus
from serving.backends.spool_files import PURPOSE as SPOOL
from serving.backends.state_dir import state_dir
from serving.bets.priced_games import PricedGames
from serving.bets.value_search import ValueSearch
from serving.champions.champion import Champions
from serving.champions.follower import ChampionFollower
from serving.champions.loader import TRIAL_SECONDS, Backoff, LoadVersion, VersionLoader, load_version
from serving.champions.rollout_status import RolloutStatus
from serving.games.published_slate import PublishedSlateReader
from serving.games.slate import Slate
from serving.games.slate_follower import SlateFollower
from serving.games.slate_quotes import SlateQuotes
from serving.games.staleness import StalenessPolicy
from serving.predictions.ahead.prewarming import Prewarming
from serving.predictions.body_source import BodySource
from serving.predictions.cache import PredictionCache
from serving.predictions.log import PredictionLog
from serving.predictions.plan import make_bodies
from serving.predictions.predictor import Predictor
from serving.predictions.redis_cache import PURPOSE as CACHE
from serving.predictions.redis_cache import RedisCache
from serving.predictions.shadow import Shadow
from serving.predictions.spool_adoption import SpoolAdoption
from serving.runtime.load_shedding import LoadShedding
from serving.runtime.periodic_thread import PeriodicThread
from serving.service import Service
from serving.telemetry.metrics import Metrics

MEGABYTE: Final = 1024 * 1024
BACKGROUND_THREADS: Final = 5
CONNECTIONS: Final = 9
"""Database connections: one per background thread, the rest for requests."""

THREAD_STOP_SECONDS: Final = 0.8
"""How long the end of the process waits for the steps that the background threads are in."""


@dataclass(frozen=True)
class Timings:
    """Intervals and time limits of the background work [seconds]."""

    check: float = 1.0
    """Between two checks of games and keys."""
    check_champions: float = 0.5
    """Between two checks of the deployment records; a new champion answers within two seconds."""
    log: float = 0.25
    """Between two writes of served predictions; a killed worker loses what it served since the last one began."""
    heartbeat: float = 1.0
    """Between two reports of a worker's loaded models."""
    backoff: Backoff = field(default_factory=Backoff)
    trial: float = TRIAL_SECONDS
    """Limit for one trial of a bundle."""


def build_service(
    settings: Settings,
    clock: Clock,
    leagues: Leagues,
    metrics: Metrics,
    timings: Timings,
    load: LoadVersion | None,
    when_warm: Callable[[], None],
) -> Service:
    """Return the parts, none of which runs yet. Call it in the event loop that will serve.

    ``load`` loads model versions; by default ``load_version``.
    """
    engine, breaker = open_database_with_breaker(settings.database, pool_size=CONNECTIONS)
    state, data_limit = state_dir(settings), timedelta(hours=settings.data_limit_hours)
    confirm = partial(state.confirm, engine)
    last_good = LastKnownGood(lambda: state.folder, confirm, signer(settings, LAST_GOOD))
    slate, champions, keys = Slate(), Champions(), ApiKeys(engine, last_good, data_limit)
    staleness, quotes = StalenessPolicy(data_limit), SlateQuotes(leagues, _freshness(settings))
    cache = PredictionCache(_redis_cache(settings, metrics))
    bodies = BodySource(cache, make_bodies)
    predictor = Predictor(leagues, slate, champions, bodies, staleness)
    priced_games = PricedGames(predictor, quotes)
    prewarming = Prewarming(clock, slate, champions, cache, predictor.recently_requested, when_warm)
    champion_follower = ChampionFollower(
        engine,
        champions,
        VersionLoader(
            load or partial(load_version, bundle_store(settings), trial_seconds=timings.trial), clock, timings.backoff
        ),
        metrics,
        last_good,
        prewarming.prepare,
        keep_challengers=settings.shadow,
    )
    spool_signer = signer(settings, SPOOL)
    spool = Spool(
        lambda: state.folder,
        spool_signer,
        settings.spool_megabytes * MEGABYTE,
        counted_prefix=SERVING_OPENING,
    )
    log = PredictionLog(engine, spool, metrics, confirm)
    load_shedding = LoadShedding(metrics)
    return Service(
        settings=settings,
        clock=clock,
        engine=engine,
        database_breaker=breaker,
        database_threads=CapacityLimiter(CONNECTIONS - BACKGROUND_THREADS),
        leagues=leagues,
        metrics=metrics,
        cache=cache,
        bodies=bodies,
        champions=champions,
        staleness=staleness,
        champion_follower=champion_follower,
        slate=slate,
        slate_follower=SlateFollower(engine, slate, quotes, staleness, last_good, _published_slates(settings), state),
        quotes=quotes,
        prewarming=prewarming,
        keys=keys,
        admission=_admission(settings, clock, engine, keys, metrics),
        log=log,
        state_dir=state,
        spools=SpoolCensus(state.root),
        spool_adoption=SpoolAdoption(engine, state, spool, spool_signer),
        shadow=_shadow(champion_follower, log, load_shedding, metrics) if settings.shadow else None,
        load=load_shedding,
        workers=RolloutStatus(engine, champions),
        predictor=predictor,
        priced_games=priced_games,
        value_search=ValueSearch(priced_games, quotes),
    )


@contextmanager
def background_threads(service: Service, timings: Timings) -> Iterator[list[PeriodicThread]]:
    """Run the threads that follow the database and write the prediction log until the block ends.

    Steps that hang then are left behind after a moment, together.
    """
    errors = service.metrics.unforeseen
    threads = [
        PeriodicThread("slate", partial(_follow_games, service), seconds=timings.check, errors=errors),
        PeriodicThread("champions", service.champion_follower.step, seconds=timings.check_champions, errors=errors),
        PeriodicThread("workers", service.workers.step, seconds=timings.heartbeat, errors=errors),
        PeriodicThread("prediction-log", partial(_write_log, service), seconds=timings.log, errors=errors),
    ]
    if service.shadow is not None:
        threads.append(PeriodicThread("shadow", service.shadow.step, seconds=timings.log, errors=errors))
    if service.settings.requires_keys:
        threads.append(PeriodicThread("keys", service.admission.step, seconds=timings.check, errors=errors))
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.stop()
        deadline = time.monotonic() + THREAD_STOP_SECONDS
        for thread in threads:
            thread.join(max(0.0, deadline - time.monotonic()))


def _follow_games(service: Service) -> bool:
    """Check for changed games, then compute some predictions ahead; True while drafts are missing."""
    service.slate_follower.step()
    return service.prewarming.step()


def _write_log(service: Service) -> bool:
    """Write served predictions, and move spools of this database that have another name; True if more waits."""
    service.spool_adoption.step()
    return service.log.step()


def _redis_cache(settings: Settings, metrics: Metrics) -> RedisCache | None:
    return None if settings.redis is None else RedisCache(settings.redis, signer(settings, CACHE), metrics)


def _published_slates(settings: Settings) -> PublishedSlateReader | None:
    return None if settings.redis is None else PublishedSlateReader(settings.redis, signer(settings, LAST_GOOD))


def _freshness(settings: Settings) -> FreshnessRule:
    return FreshnessRule(
        timedelta(minutes=settings.price_age_minutes),
        timedelta(minutes=settings.price_age_near_start_minutes),
        settings.price_least_books,
    )


def _admission(settings: Settings, clock: Clock, engine: Engine, keys: ApiKeys, metrics: Metrics) -> AdmissionControl:
    counters = None if settings.redis is None else RedisCounters(settings.redis)
    limiter = RateLimiter(counters, metrics, sharers=settings.rate_limit_sharers)
    return AdmissionControl(settings, clock, keys, GuildRateLimits(engine, settings.guild_rate_limit), limiter)


def _shadow(follower: ChampionFollower, log: PredictionLog, load: LoadShedding, metrics: Metrics) -> Shadow:
    return Shadow(lambda: follower.challengers, log, load, metrics)
