"""How the service is, for those who watch it."""

from fastapi import Response

from serving.api.health import parts, worst
from serving.api.responses import as_json, guarded_router, problems
from serving.api.schemas import SystemHealth
from serving.service import ServiceDep

router = guarded_router("operations")


@router.get("/v1/system/health", response_model=SystemHealth, responses=problems(), summary="Health, part by part")
def system_health(service: ServiceDep) -> Response:
    """Every dependency, every model and every league's data with status, cause and age; the worst one wins.

    Always 200: it is a report. Probes ask `/readyz`.
    """
    found = parts(service)
    causes = [f"{part.name}: {part.cause}" for part in found if part.cause is not None]
    content = {"status": worst(found), "causes": causes, "parts": [part._asdict() for part in found]}
    return as_json({**content, "workers": service.workers.live_workers()})
