"""Everything one running service holds, and how endpoints ask for it."""

from dataclasses import dataclass
from typing import Annotated, TypedDict

from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.clock import Clock
from core.settings import Settings
from serving.breaker import Breaker
from serving.cache import PredictionCache
from serving.champion_follower import ChampionFollower
from serving.champions import Champions
from serving.freshness import Freshness
from serving.gate import Gate
from serving.keys import KeyRing
from serving.metrics import Metrics
from serving.overload import Load
from serving.predicting import Predictor
from serving.prediction_log import PredictionLog
from serving.shadow import Shadow
from serving.slate import Slate
from serving.slate_follower import SlateFollower
from serving.trace import Trace, trace_of
from serving.worker_board import WorkerBoard


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
