"""Health of the service, for monitoring."""

from fastapi import Response

from serving.api.health import component_statuses, worst_status
from serving.api.responses import as_json, guarded_router, problems
from serving.api.schemas import SystemHealth
from serving.service import ServiceDep

router = guarded_router("operations")


@router.get("/v1/system/health", response_model=SystemHealth, responses=problems(), summary="Health by component")
def system_health(service: ServiceDep) -> Response:
    """Every dependency, model and league with status, cause and age; the worst status is the service's.

    The response is always 200. Probes use `/readyz`.
    """
    components = component_statuses(service)
    causes = [f"{component.name}: {component.cause}" for component in components if component.cause is not None]
    content = {
        "status": worst_status(components),
        "causes": causes,
        "parts": [component._asdict() for component in components],
    }
    return as_json({**content, "workers": service.workers.live_workers()})
