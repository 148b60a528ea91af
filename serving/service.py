"""The parts of a running service, and the dependencies by which routes get them."""

from dataclasses import dataclass
from typing import Annotated, TypedDict

from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy.engine import Engine

from core.betting.leagues import Leagues
from core.clock import Clock
from core.settings import Settings
from serving.access.admission import AdmissionControl
from serving.access.api_keys import ApiKeys
from serving.backends.circuit_breaker import CircuitBreaker
from serving.backends.spool_census import SpoolCensus
from serving.backends.state_dir import StateDir
from serving.bets.priced_games import PricedGames
from serving.bets.value_search import ValueSearch
from serving.champions.champion import Champions
from serving.champions.follower import ChampionFollower
from serving.champions.rollout_status import RolloutStatus
from serving.games.slate import Slate
from serving.games.slate_follower import SlateFollower
from serving.games.slate_quotes import SlateQuotes
from serving.games.staleness import StalenessPolicy
from serving.predictions.ahead.prewarming import Prewarming
from serving.predictions.body_source import BodySource
from serving.predictions.cache import PredictionCache
from serving.predictions.log import PredictionLog
from serving.predictions.plan import ForecastPlan
from serving.predictions.predictor import Predictor
from serving.predictions.shadow import Shadow
from serving.predictions.spool_adoption import SpoolAdoption
from serving.runtime.load_shedding import LoadShedding
from serving.telemetry.metrics import Metrics
from serving.telemetry.trace import Trace, trace_of


@dataclass(frozen=True)
class Service:
    """The parts, built once per process by ``serving.assembly``."""

    settings: Settings
    clock: Clock
    engine: Engine
    database_breaker: CircuitBreaker
    database_threads: CapacityLimiter
    """Limits requests that use the database to the number of connections; others wait without a thread."""
    leagues: Leagues
    metrics: Metrics
    cache: PredictionCache
    bodies: BodySource[ForecastPlan]
    champions: Champions
    staleness: StalenessPolicy
    champion_follower: ChampionFollower
    slate: Slate
    slate_follower: SlateFollower
    quotes: SlateQuotes
    prewarming: Prewarming
    keys: ApiKeys
    admission: AdmissionControl
    log: PredictionLog
    state_dir: StateDir
    spools: SpoolCensus
    spool_adoption: SpoolAdoption
    shadow: Shadow | None
    """None where challengers do not run."""
    load: LoadShedding
    workers: RolloutStatus
    predictor: Predictor
    priced_games: PricedGames
    value_search: ValueSearch


class LifespanState(TypedDict):
    """State that the lifespan adds to every request."""

    service: Service


def service_of(request: Request) -> Service:
    """Return the service that the request reached."""
    service: Service = request.state.service
    return service


# Async although they do not wait: the framework runs plain functions in its thread pool.
async def _service(request: Request) -> Service:
    return service_of(request)


async def _trace(request: Request) -> Trace:
    return trace_of(request.scope)


ServiceDep = Annotated[Service, Depends(_service)]
TraceDep = Annotated[Trace, Depends(_trace)]
