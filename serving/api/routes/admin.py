"""Changes of what answers: look at a champion anew, go back to the one before."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from anyio import to_thread
from fastapi import Path, Request, Response
from pydantic import Field

from core.errors import ConflictError
from core.logs import get_logger
from core.registry.deployment import Deployment, deployment, install_champion, renew, roll_back, version
from serving.api.responses import as_json, guarded_router, problems
from serving.api.schemas import Shape
from serving.service import Service, ServiceDep
from serving.telemetry.trace import trace_of

router = guarded_router("admin")
log = get_logger("serving.audit")

ModelPath = Annotated[str, Path(max_length=64, examples=["EPL-results"])]


class Promotion(Shape):
    """Which version shall answer."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1, examples=[3])]


class DeploymentRecord(Shape):
    """Which versions have a role now; every process answers by it within two seconds."""

    model: str
    generation: int
    champion: int | None
    challenger: int | None
    previous: int | None
    changed_at: datetime


@router.post(
    "/v1/admin/models/{model}/reload",
    response_model=DeploymentRecord,
    responses=problems(404, 409, 503),
    summary="Look at a champion anew",
)
async def reload(model: ModelPath, service: ServiceDep, request: Request) -> Response:
    """Has every process look at the model's champion again, one that was refused included; changes no role."""
    return await _changed(service, request, "reload", model, lambda now: renew(service.engine, model, now))


@router.post(
    "/v1/admin/models/{model}/rollback",
    response_model=DeploymentRecord,
    responses=problems(404, 409, 503),
    summary="Go back to the champion before",
)
async def rollback(model: ModelPath, service: ServiceDep, request: Request) -> Response:
    """Gives the model its previous champion back, once: asked again it is 409, until another version was promoted.

    MLflow's aliases follow with the next change by `dbsbm`.
    """
    return await _changed(service, request, "rollback", model, lambda now: roll_back(service.engine, model, now))


@router.post(
    "/v1/admin/models/{model}/promote",
    response_model=DeploymentRecord,
    responses=problems(404, 409, 413, 503),
    summary="Let a version answer that the gate has let through before",
)
async def promote(model: ModelPath, wanted: Promotion, service: ServiceDep, request: Request) -> Response:
    """Makes the previous champion champion again; the one it replaces is previous then, so that this can be undone.

    Any other version is refused: the gate judges a challenger on data that this service does not have, so that
    promoting one is `dbsbm promote`.
    """

    def change(now: datetime) -> Deployment:
        seen = deployment(service.engine, model)
        version(service.engine, model, wanted.version)
        if wanted.version == seen.champion:
            raise ConflictError(f"{model} version {wanted.version} is the champion already.")
        if wanted.version != seen.previous:
            msg = f"The gate has not let {model} version {wanted.version} through."
            hint = f"Have it judged by `dbsbm promote {model} --version {wanted.version}`."
            raise ConflictError(msg, hint=hint)
        return install_champion(service.engine, seen, wanted.version, now)

    return await _changed(service, request, "promote", model, change)


async def _changed(
    service: Service, request: Request, action: str, model: str, change: Callable[[datetime], Deployment]
) -> Response:
    """Make the change in a thread, and write down who made it."""
    now = service.clock.now()
    record = await to_thread.run_sync(lambda: change(now), limiter=service.database_threads)
    log.info(
        "deployment changed",
        action=action,
        key_id=trace_of(request.scope).key_id,
        model=model,
        generation=record.generation,
        champion=record.champion,
        previous=record.previous,
    )
    return as_json(vars(record))
