"""Models, their versions and roles, and which are loaded."""

from typing import Any

from fastapi import Response

from core.registry.deployment import Deployment, Version
from serving.api.responses import as_json, guarded_router, problems
from serving.api.schemas import Models
from serving.champions.loader import LoadFailure
from serving.service import Service, ServiceDep

router = guarded_router("models")


@router.get("/v1/models", response_model=Models, responses=problems(), summary="Models and versions")
async def models(service: ServiceDep) -> Response:
    """Every model with its deployment record, the scores of its versions, and what this process has loaded."""
    records = service.champion_follower.records
    return as_json({"models": [_state(service, record) for record in records.values()]})


def _state(service: Service, record: Deployment) -> dict[str, Any]:
    loaded = service.champions.loaded.get(record.model)
    refusal = service.champion_follower.failures.get(record.model)
    return {
        "model": record.model,
        "generation": record.generation,
        "champion": record.champion,
        "challenger": record.challenger,
        "previous": record.previous,
        "loaded_version": None if loaded is None else loaded.version.version,
        "loaded_generation": None if loaded is None else loaded.generation,
        "error": None if refusal is None else error_document(refusal),
        "versions": [
            _version(item, record) for item in service.champion_follower.versions if item.model == record.model
        ],
    }


def error_document(failure: LoadFailure) -> dict[str, Any]:
    """Return why a champion is not loaded."""
    return {
        "version": failure.version,
        "code": failure.code,
        "reason": failure.reason,
        "since": failure.since,
        "attempts": failure.attempts,
    }


def _version(version: Version, record: Deployment) -> dict[str, Any]:
    roles = {record.previous: "previous", record.challenger: "challenger", record.champion: "champion"}
    return {
        "version": version.version,
        "sport": version.sport,
        "league": version.league,
        "variant": version.variant,
        "role": roles.get(version.version),
        "features": version.features,
        "bundle_sha256": version.bundle_sha256,
        "trained_until": version.trained_until,
        "registered_at": version.registered_at,
        "scores": dict(version.scores),
    }
