"""Every route requires a scope or is listed as open, and the OpenAPI document describes all routes."""

import subprocess
import sys
from typing import Any

import jsonschema
import pytest
from fastapi.openapi.models import OpenAPI
from fastapi.routing import APIRoute, iter_route_contexts

from core.settings import load_settings
from serving.access.api_keys import SCOPES
from serving.api import bet_schemas, examples, schemas
from serving.api.guarded_route import REQUIRED_SCOPES, GuardedRoute
from serving.app import create_app
from tests.serving.open_routes import OPEN_ROUTES

APP = create_app(load_settings(_env_file=None))
DESCRIPTION = APP.openapi()


def routes() -> list[Any]:
    return [context.original_route for context in iter_route_contexts(APP.routes)]


def test_every_route_requires_a_scope_or_is_in_the_open_list() -> None:
    guarded = {route.path_format for route in routes() if isinstance(route, GuardedRoute)}
    others = {route.path_format for route in routes() if not isinstance(route, GuardedRoute)}
    assert guarded == REQUIRED_SCOPES.keys()
    assert others == OPEN_ROUTES
    assert set(REQUIRED_SCOPES.values()) <= set(SCOPES)


@pytest.mark.server
def test_the_app_imports_nothing_of_training_and_no_mlflow() -> None:
    """A server starts in a second and fits in little memory only without them."""
    heavy = "{'mlflow', 'prefect', 'sklearn', 'pandas', 'training', 'flows', 'migrations'}"
    script = (
        f"import sys, serving.server, serving.predictions.ahead.precompute; print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_route_of_the_api_is_described() -> None:
    described = {route.path_format for route in routes() if isinstance(route, APIRoute)}
    assert described - DESCRIPTION["paths"].keys() == {"/docs", "/docs.css", "/openapi.json"}
    assert DESCRIPTION["paths"].keys() <= described


def test_description_is_valid_and_its_references_resolve() -> None:
    OpenAPI.model_validate(DESCRIPTION)
    defined = {f"#/components/schemas/{name}" for name in DESCRIPTION["components"]["schemas"]}
    assert references(DESCRIPTION) <= defined
    for schema in DESCRIPTION["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def references(part: object) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if "$ref" in part else set()
        return own.union(*(references(value) for value in part.values()))
    return set().union(*(references(value) for value in part)) if isinstance(part, list) else set()


def test_every_operation_has_tags_summary_examples_and_documented_problems() -> None:
    for path, operations in DESCRIPTION["paths"].items():
        for operation in operations.values():
            assert operation["tags"], path
            assert operation["summary"], path
            assert operation["description"], path
            if path not in REQUIRED_SCOPES:
                continue
            assert operation["security"] == [{"APIKeyHeader": []}]
            assert {"400", "401", "403", "422", "429", "500"} <= operation["responses"].keys()
            for status, response in operation["responses"].items():
                if int(status) >= 400:
                    assert list(response["content"]) == ["application/problem+json"], (path, status)


def test_examples_are_valid_by_their_schemas() -> None:
    schemas.Prediction.model_validate(examples.PREDICTION)
    bet_schemas.Price.model_validate(examples.PRICE)
    bet_schemas.ParlayQuestion.model_validate(examples.PARLAY_QUESTION)
    bet_schemas.ParlayAnswer.model_validate(examples.PARLAY)
    schemas.Problem.model_validate(examples.PROBLEM)
    for name in ("Prediction", "Price", "Problem", "Batch"):
        schema = DESCRIPTION["components"]["schemas"][name]
        resolved = {**schema, "components": DESCRIPTION["components"]}
        (example,) = schema["examples"]
        jsonschema.validate(example, resolved)
