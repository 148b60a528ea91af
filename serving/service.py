"""Everything one running service holds, and how endpoints ask for it."""

from dataclasses import dataclass
from typing import Annotated, TypedDict

from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.clock import Clock
from core.settings import Settings
from serving.access.admission import Gate
from serving.access.api_keys import KeyRing
from serving.backends.circuit_breaker import Breaker
from serving.champions.champion import Champions
from serving.champions.follower import ChampionFollower
from serving.champions.rollout_status import WorkerBoard
from serving.games.slate import Slate
from serving.games.slate_follower import SlateFollower
from serving.games.staleness import Freshness
from serving.predictions.cache import PredictionCache
from serving.predictions.log import PredictionLog
from serving.predictions.predictor import Predictor
from serving.predictions.shadow import Shadow
from serving.runtime.load_shedding import Load
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import Trace, trace_of


@dataclass(frozen=True)
class Service:
    """The parts, built once per process by ``serving.app``."""

    settings: Settings
    clock: Clock
    engine: Engine
    database_breaker: Breaker
    database_threads: CapacityLimiter
    """As many requests may ask the database at once as there are connections; the others wait outside of threads."""
    leagues: Leagues
    metrics: Metrics
    cache: PredictionCache
    champions: Champions
    freshness: Freshness
    champion_follower: ChampionFollower
    slate: Slate
    slate_follower: SlateFollower
    keys: KeyRing
    gate: Gate
    log: PredictionLog
    shadow: Shadow | None
    """None where no challenger shall run."""
    load: Load
    workers: WorkerBoard
    predictor: Predictor


class State(TypedDict):
    """What the lifespan hands to every request."""

    service: Service


def service_of(request: Request) -> Service:
    """The service that the request reached."""
    service: Service = request.state.service
    return service


# Async, though they wait for nothing: the framework sends plain functions through its thread pool.
async def _service(request: Request) -> Service:
    return service_of(request)


async def _trace(request: Request) -> Trace:
    return trace_of(request.scope)


ServiceDep = Annotated[Service, Depends(_service)]
TraceDep = Annotated[Trace, Depends(_trace)]
