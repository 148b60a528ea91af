"""Changes of the champion: reload, roll back, promote."""

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
    """The version to promote."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1, examples=[3])]


class DeploymentRecord(Shape):
    """Versions with a role; every process follows the record within two seconds."""

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
    summary="Reload the champion",
)
async def reload(model: ModelPath, service: ServiceDep, request: Request) -> Response:
    """Makes every process load the model's champion again, even if it was refused before; changes no role."""
    return await _change(service, request, "reload", model, lambda now: renew(service.engine, model, now))


@router.post(
    "/v1/admin/models/{model}/rollback",
    response_model=DeploymentRecord,
    responses=problems(404, 409, 503),
    summary="Roll back to the previous champion",
)
async def rollback(model: ModelPath, service: ServiceDep, request: Request) -> Response:
    """Makes the previous champion the champion again, once: a second rollback is 409 until another version is promoted.

    MLflow's aliases follow with the next change by `dbsbm`.
    """
    return await _change(service, request, "rollback", model, lambda now: roll_back(service.engine, model, now))


@router.post(
    "/v1/admin/models/{model}/promote",
    response_model=DeploymentRecord,
    responses=problems(404, 409, 413, 503),
    summary="Promote a version that the promotion gate accepted before",
)
async def promote(model: ModelPath, promotion: Promotion, service: ServiceDep, request: Request) -> Response:
    """Makes the previous champion the champion again; the replaced one becomes previous, so that this can be undone.

    Any other version is 409: the promotion gate compares a challenger on data that this service does not have. Use
    `dbsbm promote`.
    """

    def change(now: datetime) -> Deployment:
        record = deployment(service.engine, model)
        version(service.engine, model, promotion.version)
        if promotion.version == record.champion:
            raise ConflictError(f"{model} version {promotion.version} is already the champion.")
        if promotion.version != record.previous:
            msg = f"The promotion gate has not accepted {model} version {promotion.version}."
            hint = f"Run `dbsbm promote {model} --version {promotion.version}`."
            raise ConflictError(msg, hint=hint)
        return install_champion(service.engine, record, promotion.version, now)

    return await _change(service, request, "promote", model, change)


async def _change(
    service: Service, request: Request, action: str, model: str, change: Callable[[datetime], Deployment]
) -> Response:
    """Make the change in a thread, and log the key that requested it."""
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
