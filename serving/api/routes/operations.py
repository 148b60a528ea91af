"""Probes and metrics, available without an API key."""

import math
from collections.abc import Mapping
from typing import Any, Final

from anyio import to_thread
from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST

from serving.api.readiness import not_ready_causes
from serving.api.responses import as_json
from serving.api.routes.models import error_document
from serving.api.schemas import Health, Readiness
from serving.backends.circuit_breaker import BreakerState
from serving.champions.loader import LoadFailure
from serving.service import Service, ServiceDep

router = APIRouter(tags=["operations"])

BREAKER_LEVELS: Final[Mapping[BreakerState, int]] = {"closed": 0, "half_open": 1, "open": 2}
"""Values of the gauges that show a circuit breaker's state."""


@router.get("/healthz", summary="Alive")
async def healthz() -> Health:
    """Whether the process responds; checks no dependency."""
    return Health()


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready; see `causes`."}},
    summary="Ready to predict",
)
async def readyz(service: ServiceDep) -> Response:
    """200 once games were read and a champion is loaded.

    It stays 200 while Redis is unavailable, and while the database is, until the data read last is too old.
    """
    causes = not_ready_causes(service)
    shared = service.cache.shared
    content = {
        "ready": not causes,
        "causes": causes,
        "models": _models(service),
        "slate": _slate(service),
        "redis": None if shared is None else shared.breaker.state,
        "workers": {
            str(number): models for number, models in enumerate(service.workers.live_workers().values(), start=1)
        },
        "agreed": service.workers.have_converged(),
    }
    return as_json(content, 503 if causes else 200)


@router.get("/metrics", response_class=Response, summary="Prometheus metrics")
async def metrics(service: ServiceDep) -> Response:
    """Counters of all workers and gauges of this one, in Prometheus's text format; for champions the worst worker's."""
    board, shared = service.metrics, service.cache.shared
    service.champion_follower.show()
    board.slate_age.set(service.slate_follower.age())
    board.slate_games.set(len(service.slate.table.rows))
    board.log_depth.set(service.log.depth)
    depths = await to_thread.run_sync(service.spools.depths)
    waiting = depths.get(service.state_dir.folder.owner, 0)
    board.spool_depth.set(waiting)
    board.other_spools_depth.set(sum(depths.values()) - waiting)
    board.load.set(service.load.level)
    board.database_breaker.set(BREAKER_LEVELS[service.database_breaker.state])
    for (league, kind), age in service.slate_follower.source_ages.ages(service.clock.now()).items():
        board.data_age.labels(league, kind).set(age)
    board.limits_breaker.set(BREAKER_LEVELS[service.admission.limits_breaker])
    board.breaker.set(0 if shared is None else BREAKER_LEVELS[shared.breaker.state])
    return Response(await board.exposition(), media_type=CONTENT_TYPE_LATEST)


def _models(service: Service) -> dict[str, dict[str, Any]]:
    """Return version and generation of each loaded model, and the errors of champions that are not loaded."""
    refusals = service.champion_follower.failures
    loaded = {
        model: {"version": champion.version.version, "generation": champion.generation, "error": None}
        for model, champion in service.champions.loaded.items()
    }
    missing = {model: {"version": None, "generation": None} for model in refusals if model not in loaded}
    return {
        model: {**about, "error": _error(refusals[model]) if model in refusals else None}
        for model, about in (loaded | missing).items()
    }


def _error(failure: LoadFailure) -> dict[str, Any]:
    """Return the error without its reason, which may contain paths."""
    return {name: value for name, value in error_document(failure).items() if name != "reason"}


def _slate(service: Service) -> dict[str, Any]:
    age = service.slate_follower.age()
    error = service.slate_follower.database_error
    return {
        "games": len(service.slate.table.rows),
        "age_s": None if math.isinf(age) else round(age, 3),
        "leagues": service.slate.table.checked,
        "database": "answers" if error is None else error.code,
    }
